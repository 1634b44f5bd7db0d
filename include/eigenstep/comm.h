/* SPDX-License-Identifier: BSD-3-Clause */
/** @file comm.h  A private duplicate of an MPI communicator, and the few collectives we
 *  use.
 *
 *  MPI errors stay fatal on it; what is checked is our own status (es_comm_agree). */
#ifndef ES_COMM_H
#define ES_COMM_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>
#include "eigenstep/status.h"

typedef struct es_comm {
  MPI_Comm mpi; /**< owned duplicate */
  int rank, size;
  int node_rank, node_size; /**< among the ranks that share this node's memory */
  int nodes;                /**< number of nodes */
  int owners;          /**< size of the smallest node: all have ranks 0 to owners - 1 */
  MPI_Comm node;       /**< owned: the ranks of this node, in the order of node_rank */
  MPI_Comm inter_node; /**< owned: one rank a node, those of this node_rank; MPI_COMM_NULL
                        where node_rank >= owners */
  MPI_Comm abort_comm; /**< owned duplicate: where ranks that fail look for each other */
} es_comm;

/** Collective. Duplicate `parent`. A node is what shares memory. */
es_status es_comm_create(MPI_Comm parent, es_comm **c);
/** Collective. The same, with nodes of at most `per_node` ranks: what shares memory is
 *  divided further (by domains of memory, or to see several nodes on one). */
es_status es_comm_create_nodes(MPI_Comm parent, int per_node, es_comm **c);
/** Collective. */
void es_comm_destroy(es_comm **c);

/** Collective. The worst status of all ranks, the same on every rank: errors beat
 *  ES_STOPPED beats ES_OK. Logs nothing. */
es_status es_comm_agree(const es_comm *c, es_status s);

/** For work in which one rank may fail while the others are in a collective that it
 *  cannot reach any more, as between the layers of a network. Returns `s` where it is no
 *  error, and an error that all ranks come with within ES_ABORT_SECONDS of each other. A
 *  rank that fails without the others prints its sentence and ends the program
 *  (MPI_Abort): STATUS stays RUNNING, as after a kill. */
es_status es_comm_abort_if_alone(const es_comm *c, es_status s);
enum { ES_ABORT_SECONDS = 5 };

/** Collective. Check that all ranks hold the same `bytes` bytes (length and content).
 *  @param what  name in the message
 *  @return ES_OK or ES_EINTERNAL (rank 0 logs which rank differs first): same on all
 *          ranks */
es_status es_comm_assert_equal(const es_comm *c, const void *data, size_t bytes,
                               const char *what);

/** This rank's contiguous share of n items: [*first, *first + *count). Shares differ
 *  by at most one, the larger first; n < size leaves ranks with none. Not collective. */
void es_comm_local_range(const es_comm *c, int64_t n, int64_t *first, int64_t *count);

/** Collective. Exclusive prefix sum: *offset = sum of `mine` over lower ranks,
 *  *total = over all ranks. Either may be NULL. */
void es_comm_scan(const es_comm *c, int64_t mine, int64_t *offset, int64_t *total);

/** Collective. In place over all ranks, x[n]; the same bits on every rank. n must agree,
 *  0 is fine. */
void es_comm_sum_f32(const es_comm *c, float *x, int64_t n);
void es_comm_sum_f64(const es_comm *c, double *x, int64_t n);
void es_comm_sum_i64(const es_comm *c, int64_t *x, int64_t n);
void es_comm_max_f64(const es_comm *c, double *x, int64_t n);
void es_comm_max_i64(const es_comm *c, int64_t *x, int64_t n);

/** Collective. Copy `bytes` bytes from rank `root` to all. */
void es_comm_bcast(const es_comm *c, void *data, size_t bytes, int root);

/** Collective. Concatenate every rank's `count` items of `size` bytes, in rank order, on
 *  every rank. Counts may differ between ranks and be 0; `size` must agree.
 *  @param all  room for the sum of counts (es_comm_scan gives it); a single rank's part
 *              stays below 2^31 items
 *  @return ES_OK, ES_EARG (a count < 0 or >= 2^31), ES_ENOMEM: same on all ranks */
es_status es_comm_allgather(const es_comm *c, const void *mine, int64_t count,
                            size_t size, void *all);

/** Collective. */
void es_comm_barrier(const es_comm *c);

#endif
