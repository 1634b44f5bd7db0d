/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bn_stats.h  Statistics of batch normalisation, for all CPU backends: which rows
 *  are summed together, over ranks, in tree order where asked; what follows from the
 *  sums. How rows are summed and rewritten is the backend's.
 *
 *  N = images x pixels of a group, over all ranks of desc.sync; m, v = mean and biased
 *  variance of a channel; s = 1 / sqrt(v + eps).
 *  forward   y = [relu]((x - m) s gain + bias [+ residual])
 *  backward  g = dy where y > 0;  dbias += sum g;  dgain += s sum g (x - m)  (own);
 *            dx = gain s (g - mean g - (x - m) s^2 mean(g (x - m)))   (means over all)
 *            and, with constant m and v (es_bn_is_constant), dx = gain s g
 *  The only communication is one sum per pass of [groups, 2 C + 1] doubles, none with
 *  constant statistics outside shards; a rank without images contributes zeros. With
 *  desc.bn.shards the sums are made shard by shard and added as tree.h says. */
#ifndef ES_BN_STATS_H
#define ES_BN_STATS_H

#include "eigenstep/backend.h"

typedef struct es_bn_stats {
  double *sums;       /**< [groups, 2 C] of the current pass, then [groups] counts; with
                           shards a stack of those */
  float *mean, *istd; /**< [groups, C] m, s: kept from forward to backward */
  float *scale, *offset, *slope; /**< [C], of the current group: dx = scale g - offset -
                                      slope (x - mean) */
  double count[ES_BN_GROUPS];    /**< N of the last forward */
  bool forwarded;                /**< there was a forward */
  bool constant;                 /**< and it took given statistics, not the batch's */
} es_bn_stats;

/** Rows [first, first + n) of group `group`, summed in one go. */
typedef struct es_bn_run {
  int group;
  int64_t first, n;
} es_bn_run;
/** sum[2 C] += two sums of each channel over a run: of x and x^2, or g and g (x - m). */
typedef void es_bn_sum(const es_op *op, const es_op_args *a, const es_bn_run *r,
                       double *sum);

/** Bytes of the arrays, and place them in so many bytes at `work`. */
size_t es_bn_stats_bytes(const es_op_desc *d);
void es_bn_stats_place(const es_op_desc *d, void *work, es_bn_stats *s);
/** Are n and groups possible? */
es_status es_bn_check(const es_op *op, const es_op_args *a);
/** Rows of a group on this rank. */
int64_t es_bn_rows(const es_op *op, const es_op_args *a);

/** Collective over desc.sync. m and s of all groups, from the batch (a->moments if
 *  given, else by `add`) or as given, as the mode says. */
void es_bn_take(const es_op *op, const es_op_args *a, es_bn_sum *add, es_bn_stats *s);
/** scale = gain s of group g. */
void es_bn_scale(const es_op *op, const es_op_args *a, int g, es_bn_stats *s);
/** Collective over desc.sync. Gradients of gain and bias, and the sums over all ranks. */
void es_bn_gradients(const es_op *op, const es_op_args *a, es_bn_sum *add,
                     es_bn_stats *s);
/** scale, offset and slope of group g from the sums over all ranks. */
void es_bn_coefficients(const es_op *op, const es_op_args *a, int g, es_bn_stats *s);

#endif
