/* SPDX-License-Identifier: BSD-3-Clause */
/** @file reduction.h  Sum over ranks of an array that is still being filled, and the
 *  partition of the work on it.
 *
 *  The array of each rank is in shared memory of its node and is filled from its end to
 *  its start. It is cut into buckets, a bucket into a range for each lane (comm.h). As
 *  soon as all ranks of a node have filled a bucket, each sums the ranges of its lanes
 *  over the node, in the order of ranks; then they are summed over nodes by non-blocking
 *  all-reduces in the lanes. So after `finish` a rank has the sum in its own ranges,
 *  which together are the array on every node: it updates them, and after `barrier` every
 *  rank reads the results.
 *
 *  One round: ready ... ready, finish, [update own ranges], barrier, and more of these
 *  where the ranks of a node wait for one another again. */
#ifndef ES_REDUCTION_H
#define ES_REDUCTION_H

#include "eigenstep/partition.h"
#include "eigenstep/shared.h"

typedef struct es_reduction es_reduction;

/** What is summed, and how. */
typedef struct es_reduction_options {
  const es_shared *x; /**< a part of n floats for each rank of the node; borrowed */
  const es_shared *counters; /**< a part of es_reduction_counters() bytes for each rank of
                                  the node, zeroed; borrowed */
  int64_t n;
  int64_t bucket; /**< elements of a bucket, >= 1 */
  int threads;    /**< of the sum over a node, >= 1 */
} es_reduction_options;

size_t es_reduction_counters(void);
/** Elements of a usual bucket for nodes of so many lanes (comm.h). */
int64_t es_reduction_bucket(int lanes);

/** Collective. What is borrowed must outlive.
 *  @return ES_OK, ES_ENOMEM: same on all ranks */
es_status es_reduction_create(const es_comm *c, const es_reduction_options *o,
                              es_reduction **r);
/** Collective. A round that was begun and not ended is completed first. */
void es_reduction_destroy(es_reduction **r);

/** Elements [from, n) of this rank's array are final in this round. Sums the buckets that
 *  all ranks of the node have filled; never waits. */
void es_reduction_ready(es_reduction *r, int64_t from);
/** Not collective. Sums in flight advance: to be called again and again while this rank
 *  waits for something else, as MPI makes progress in its calls only. */
void es_reduction_progress(es_reduction *r);
/** Collective. The whole of this rank's array is final; wait until its own ranges hold
 *  the sum over all ranks, the same bits in every run of the same ranks.
 *  @param flags  [n] numbers that become their maxima over all ranks in the same wait;
 *                NULL: none */
void es_reduction_finish(es_reduction *r, int64_t *flags, int n);
/** Collective over the node. Wait until all ranks are here. After the first of a round,
 *  what they wrote into their ranges can be read, and no rank reads this rank's array any
 *  more. */
void es_reduction_barrier(es_reduction *r);

/** This rank's ranges: one a bucket and lane, in the order in which they are filled. */
const es_partition *es_reduction_partition(const es_reduction *r);

#endif
