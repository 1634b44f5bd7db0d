/* SPDX-License-Identifier: BSD-3-Clause */
/** @file partition.h  Partition of the elements of an array among ranks. */
#ifndef ES_PARTITION_H
#define ES_PARTITION_H

#include "eigenstep/comm.h"

/** Elements [first, first + count). */
typedef struct es_range {
  int64_t first, count;
} es_range;

/** The elements that this rank updates. Each node updates the whole array, so several
 *  ranks may hold the same elements; the ranges of the contributing ranks cover the array
 *  exactly once. */
typedef struct es_partition {
  const es_comm *comm; /**< borrowed; NULL: a single rank owns the whole array */
  int n;
  const es_range *range; /**< [n] */
  bool contributes;      /**< add this rank's part in sums over the array? */
} es_partition;

/** Collective. Turn x[n], sums over this rank's ranges, into sums over the whole array,
 *  bitwise equal on every rank. */
void es_partition_sum(const es_partition *d, double *x, int64_t n);

#endif
