/* SPDX-License-Identifier: BSD-3-Clause */
/** @file comm.h  A private duplicate of an MPI communicator and the collectives used.
 *
 *  MPI errors stay fatal; errors of this program are agreed on by es_comm_agree. */
#ifndef ES_COMM_H
#define ES_COMM_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>
#include "eigenstep/mem.h"
#include "eigenstep/status.h"

typedef struct es_comm {
  MPI_Comm mpi; /**< owned duplicate */
  int rank, size;
  int node_rank, node_size; /**< among the ranks that share this node's memory */
  int place; /**< of this rank among those of the whole job on its node, from 0: which of
                  the node's devices is its own; node_rank, but in a part of the job */
  int nodes, node_index; /**< number of nodes; this rank's, from 0 */
  int lanes;             /**< groups of one rank a node, between which work on what all
                                 nodes hold is divided; on each node lane l is that of
                                 node rank l mod node_size */
  MPI_Comm node;         /**< owned: the ranks of this node, in the order of node_rank */
  MPI_Comm *lane; /**< owned [es_comm_lanes]: lanes of this rank, node_rank + k node_size;
                       in the order of nodes */
  struct es_comm_own *own; /* private to comm.c */
} es_comm;

/** Collective. Duplicate `parent`. A node is a set of ranks that share memory.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks; the caller destroys *c */
es_status es_comm_create(MPI_Comm parent, es_comm **c);
/** Collective. The same, with nodes of at most `per_node` ranks: divides a shared-memory
 *  node further, by NUMA domains or to test several nodes on one machine. */
es_status es_comm_create_nodes(MPI_Comm parent, int per_node, es_comm **c);
/** Collective over `part`, some ranks of `whole`, which keep their place. */
es_status es_comm_create_part(const es_comm *whole, MPI_Comm part, es_comm **c);
/** Collective. Free the communicators and set *c to NULL. */
void es_comm_destroy(es_comm **c);

/** Collective. The worst status of all ranks, the same on every rank: errors before
 *  ES_STOPPED before ES_OK. Prints the deferred error of the lowest failed rank. */
es_status es_comm_agree(const es_comm *c, es_status s);

/** Collective. es_comm_agree of ES_NEW(n, p) on each rank. Where any rank has no memory
 *  the others free theirs. */
#define ES_COMM_NEW(c, n, p) es_comm_agree_made(c, ES_NEW(n, p), (void **) (p))
/** Collective. es_comm_agree of an allocation with status s; after a failure elsewhere *p
 *  is freed. */
es_status es_comm_agree_made(const es_comm *c, es_status s, void **p);

/** Not collective for s >= ES_OK: returns s at once. With an error: wait up to
 *  ES_ABORT_SECONDS until all ranks have failed too, then return s; otherwise print the
 *  error and abort all ranks (MPI_Abort), since the others wait in a collective operation
 *  that this rank cannot reach, as between the layers of a network. STATUS then stays
 *  RUNNING, as after a kill. */
es_status es_comm_abort_if_alone(const es_comm *c, es_status s);
enum { ES_ABORT_SECONDS = 5 };
/** Its two parts. To be called by a rank that has failed: do the others not fail as well
 *  within ES_ABORT_SECONDS? And the end of all ranks. */
bool es_comm_failed_alone(const es_comm *c);
void es_comm_abort(const es_comm *c, es_status s);

/** Collective. Check that all ranks hold the same `bytes` bytes (length and content).
 *  @param what  name in the message
 *  @return ES_OK or ES_EINTERNAL (rank 0 logs which rank differs first): same on all
 *          ranks */
es_status es_comm_assert_equal(const es_comm *c, const void *data, size_t bytes,
                               const char *what);

/** Not collective. Block distribution of n items: this rank has items *first ..
 *  *first + *count - 1. Counts differ by at most one, the larger ones on the lower ranks,
 *  and are 0 on the last ranks for n < size. */
void es_comm_local_range(const es_comm *c, int64_t n, int64_t *first, int64_t *count);

/** Collective. Exclusive prefix sum: *offset = sum of `mine` over lower ranks,
 *  *total = over all ranks. Either may be NULL. */
void es_comm_scan(const es_comm *c, int64_t mine, int64_t *offset, int64_t *total);

/** Collective. Reduce x[n] in place over all ranks; bitwise equal results on every rank.
 *  n must agree between ranks and may be 0. */
void es_comm_sum_f32(const es_comm *c, float *x, int64_t n);
void es_comm_sum_f64(const es_comm *c, double *x, int64_t n);
void es_comm_sum_i64(const es_comm *c, int64_t *x, int64_t n);
void es_comm_max_f64(const es_comm *c, double *x, int64_t n);
void es_comm_max_i64(const es_comm *c, int64_t *x, int64_t n);

/** Collective. Copy `bytes` bytes from rank `root` to all. */
void es_comm_bcast(const es_comm *c, void *data, size_t bytes, int root);
/** Collective over lane k of this rank, one rank a node: `bytes` bytes of that on node
 *  `root`. */
void es_comm_bcast_lane(const es_comm *c, int k, void *data, size_t bytes, int root);
/** Collective over lane k of this rank. Sum over its nodes, in place. */
void es_comm_sum_lane_f64(const es_comm *c, int k, double *x, int64_t n);
/** Not collective. Number of lanes of this rank: one or none where nodes are of one
 *  size. */
int es_comm_lanes(const es_comm *c);

/** Collective. Concatenate every rank's `count` items of `size` bytes, in rank order, on
 *  every rank. Counts may differ between ranks and be 0; `size` must agree. Either on all
 *  ranks of a count above 0 `mine` is where it belongs in `all`, or on none, and they do
 *  not overlap; which of both is agreed on with the counts. A rank sends about log2 P
 *  messages where there is little, and about as many bytes as it receives.
 *  @param all  [sum of counts] (see es_comm_scan); each rank contributes less than 2^31
 *              items
 *  Allocates nothing.
 *  @return ES_OK, ES_EARG (a count < 0 or >= 2^31): the same on all ranks */
es_status es_comm_allgather(const es_comm *c, const void *mine, int64_t count,
                            size_t size, void *all);

/** Collective. One place round the ring of ranks: `mine` goes to the next rank, `theirs`
 *  comes from the one before; the last rank's goes to the first. They do not overlap.
 *  @param m  numbers that the rank before sends, as it gives them in n */
void es_comm_ring_f32(const es_comm *c, const float *mine, int64_t n, float *theirs,
                      int64_t m);

/** Collective. MPI_Barrier. */
void es_comm_barrier(const es_comm *c);

#endif
