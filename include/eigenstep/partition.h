/* SPDX-License-Identifier: BSD-3-Clause */
/** @file partition.h  How ranks divide the elements of an array among them. */
#ifndef ES_PARTITION_H
#define ES_PARTITION_H

#include "eigenstep/comm.h"

/** A run of elements [first, first + count). */
typedef struct es_range {
  int64_t first, count;
} es_range;

/** What this rank works on. Several ranks may hold the same elements (each node does the
 *  work of the whole): the ranges of those that count make up the array, each element
 *  once. */
typedef struct es_partition {
  const es_comm *comm; /**< NULL: this rank has all of it, and is alone */
  int n;
  const es_range *range; /**< [n] */
  bool contributes;      /**< is this rank heard in sums over the array? */
} es_partition;

/** Collective. x[n], sums over this rank's ranges, become sums over the array: the same
 *  bits on every rank. */
void es_partition_sum(const es_partition *d, double *x, int64_t n);

#endif
