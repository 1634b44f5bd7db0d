/* SPDX-License-Identifier: BSD-3-Clause */
/** @file tree.h  Sums in the order of a fixed binary tree: bitwise equal for any
 *  number of ranks.
 *
 *  S leaves in a fixed order, S a power of two; each of P ranks, a power of two too,
 *  holds S / P consecutive ones. Neighbours are added, then neighbouring pairs, and so
 *  on: (l0 + l1) + (l2 + l3). The lower log2(S/P) levels are a rank's own, the upper ones
 *  run across the ranks; the result does not depend on the number of ranks, since x + y
 *  and y + x are bitwise equal.
 *
 *  A rank need not store all its leaves. It pushes each on a stack and, after leaf i,
 *  merges the top two entries es_tree_merges(i) times:
 *
 *    for (top = 0, i = 0; i < leaves; i++) {
 *      make leaf i in slot[top++];
 *      for (c = es_tree_merges(i); c > 0; c--, top--) slot[top - 2] += slot[top - 1];
 *    }
 *
 *  slot[0] holds the sum in the end, and es_tree_stack_size(leaves) slots are enough. */
#ifndef ES_TREE_H
#define ES_TREE_H

#include <stdbool.h>
#include "eigenstep/comm.h"

/** Not collective. Is n a supported number of ranks or leaves: a power of two, 1
 *  included? */
bool es_tree_supports(int64_t n);
/** Number of merges after leaf `leaf` (from 0): the number of its trailing one bits. */
int es_tree_merges(int leaf);
/** Stack entries needed for `leaves` leaves: log2(leaves) + 1. */
int es_tree_stack_size(int leaves);

/** Collective. x[n] <- sum over ranks in tree order, bitwise equal on every rank. The
 *  size of `c` is a power of two; n must agree between ranks.
 *
 *  Recursive halving, then doubling (Rabenseifner 2004): each rank sends
 *  2 n (1 - 1/P) numbers and allocates no memory. */
void es_tree_sum_f32(const es_comm *c, float *x, int64_t n);
void es_tree_sum_f64(const es_comm *c, double *x, int64_t n);

#endif
