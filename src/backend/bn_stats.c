/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bn_stats.c  Statistics of batch normalisation (Ioffe, Szegedy 2015); bn_stats.h.
 */
#include "bn_stats.h"

#include <math.h>
#include <string.h>
#include "eigenstep/tree.h"

size_t es_bn_stats_bytes(const es_op_desc *d) {
  const size_t c = (size_t) d->in.c, slots = (size_t) es_tree_stack_size(d->bn.shards);
  return slots * (2 * c + 1) * ES_BN_GROUPS * sizeof(double) +
         (2 * ES_BN_GROUPS + 3) * c * sizeof(float);
}

void es_bn_stats_place(const es_op_desc *d, void *work, es_bn_stats *s) {
  const size_t c = (size_t) d->in.c, slots = (size_t) es_tree_stack_size(d->bn.shards);
  s->sums = work;
  s->mean = (float *) (s->sums + slots * (2 * c + 1) * ES_BN_GROUPS);
  s->istd = s->mean + ES_BN_GROUPS * c;
  s->scale = s->istd + ES_BN_GROUPS * c;
  s->offset = s->scale + c;
  s->slope = s->offset + c;
}

es_status es_bn_check(const es_op *op, const es_op_args *a) {
  const char *name =
      op->desc.name != NULL ? op->desc.name : es_op_kind_name(op->desc.kind);
  ES_CHECK(a->n >= 0 && a->n <= op->desc.max_n, ES_EARG,
           "%s: got %d images, expected 0 to %d", name, a->n, op->desc.max_n);
  ES_CHECK(a->groups >= 1 && a->groups <= ES_BN_GROUPS && a->n % a->groups == 0, ES_EARG,
           "%s: got %d images in %d groups, expected 1 to %d groups of equal size", name,
           a->n, a->groups, ES_BN_GROUPS);
  ES_CHECK(a->bn.mode != ES_BN_COLLECT || a->bn.collected != NULL, ES_EARG,
           "%s: got nowhere to collect statistics", name);
  ES_CHECK(
      op->desc.bn.shards == 0 || (a->groups <= 2 && a->n % (2 * op->desc.bn.shards) == 0),
      ES_EARG,
      "%s: got %d images in %d groups, expected two views of %d equal shards in 1 or "
      "2 groups",
      name, a->n, a->groups, op->desc.bn.shards);
  return ES_OK;
}

static int64_t pixels(const es_op *op) {
  return (int64_t) op->desc.in.h * op->desc.in.w;
}

int64_t es_bn_rows(const es_op *op, const es_op_args *a) {
  return a->n / a->groups * pixels(op);
}

static int64_t sums_width(const es_op *op, int groups) {
  return (2 * (int64_t) op->desc.in.c + 1) * groups;
}

/** The counts of the groups: stored after all sums. */
static double *counts_of(const es_op *op, const es_op_args *a, double *sums) {
  return sums + 2 * (int64_t) a->groups * op->desc.in.c;
}

/** sums[groups, 2 C + 1] <- `add` over this rank's images. Without shards a group is one
 *  run; with them each view has one in every shard. */
static void sum_here(const es_op *op, const es_op_args *a, es_bn_sum *add, double *sums) {
  const es_op_desc *d = &op->desc;
  const int shards = d->bn.shards > 0 ? d->bn.shards : 1,
            views = d->bn.shards > 0 ? 2 : a->groups;
  const int64_t n = a->n / (views * shards) * pixels(op);
  const int64_t width = sums_width(op, a->groups);
  double *top = sums;
  for (int s = 0; s < shards; s++, top += width) {
    memset(top, 0, (size_t) width * sizeof *top);
    for (int v = 0; v < views; v++) {
      const es_bn_run r = {v * a->groups / views, (v * shards + s) * n, n};
      add(op, a, &r, top + 2 * (int64_t) r.group * d->in.c);
      counts_of(op, a, top)[r.group] += (double) n;
    }
    for (int carry = es_tree_merges(s); carry > 0; carry--, top -= width)
      for (int64_t i = 0; i < width; i++) top[i - width] += top[i];
  }
}

static void sum_over_ranks(const es_op *op, const es_op_args *a, double *sums) {
  const es_comm *c = op->desc.bn.sync;
  if (c == NULL) return;
  if (op->desc.bn.shards > 0)
    es_tree_sum_f64(c, sums, sums_width(op, a->groups));
  else
    es_comm_sum_f64(c, sums, sums_width(op, a->groups));
}

/** The moments that came with the arguments. */
static void adopt(const es_op *op, const es_op_args *a, double *sums) {
  memcpy(sums, a->moments, (size_t) (2 * a->groups * op->desc.in.c) * sizeof *sums);
  for (int g = 0; g < a->groups; g++)
    counts_of(op, a, sums)[g] = (double) es_bn_rows(op, a);
}

/** m and s of group g; the running averages follow if this is training. */
static void finish(const es_op *op, const es_op_args *a, int g, es_bn_stats *s) {
  const int c = op->desc.in.c;
  const double *sum = s->sums + 2 * (int64_t) g * c, n = s->count[g];
  const double unbiased = n > 1.0 ? n / (n - 1.0) : 1.0; /* one value has no spread */
  const double rate = op->desc.bn.momentum;
  float *mean = s->mean + (int64_t) g * c, *istd = s->istd + (int64_t) g * c;
  if (n == 0.0) return;
  for (int j = 0; j < c; j++) {
    const double m = sum[j] / n;
    const double spread = sum[c + j] / n - m * m; /* rounding may leave -0.0... */
    const double v = spread < 0.0 ? 0.0 : spread;
    mean[j] = (float) m;
    istd[j] = (float) (1.0 / sqrt(v + op->desc.bn.eps));
    if (a->bn.mode != ES_BN_TRAIN) continue;
    a->bn.mean[j] = (float) ((1.0 - rate) * a->bn.mean[j] + rate * m);
    a->bn.var[j] = (float) ((1.0 - rate) * a->bn.var[j] + rate * v * unbiased);
  }
}

/** What the batch's sums, over all ranks of sync, add to the statistics of a set. */
static void collect(const es_op *op, const es_op_args *a, const es_bn_stats *s) {
  const int64_t c = op->desc.in.c;
  for (int g = 0; g < a->groups; g++) {
    for (int64_t j = 0; j < 2 * c; j++) a->bn.collected[j] += s->sums[2 * g * c + j];
    a->bn.collected[2 * c] += s->count[g];
  }
}

static void take_given(const es_op *op, const es_op_args *a, int g, es_bn_stats *s) {
  const int c = op->desc.in.c;
  memcpy(s->mean + (int64_t) g * c, a->bn.mean, (size_t) c * sizeof(float));
  for (int j = 0; j < c; j++)
    s->istd[(int64_t) g * c + j] = (float) (1.0 / sqrt(a->bn.var[j] + op->desc.bn.eps));
}

void es_bn_take(const es_op *op, const es_op_args *a, es_bn_sum *add, es_bn_stats *s) {
  s->forwarded = true;
  s->constant = es_bn_is_constant(a->bn.mode);
  if (!s->constant) {
    if (a->moments != NULL)
      adopt(op, a, s->sums);
    else
      sum_here(op, a, add, s->sums);
    sum_over_ranks(op, a, s->sums);
    memcpy(s->count, counts_of(op, a, s->sums), (size_t) a->groups * sizeof *s->count);
    if (a->bn.mode == ES_BN_COLLECT) collect(op, a, s);
  }
  for (int g = 0; g < a->groups; g++)
    if (s->constant)
      take_given(op, a, g, s);
    else
      finish(op, a, g, s);
}

void es_bn_scale(const es_op *op, const es_op_args *a, int g, es_bn_stats *s) {
  const int c = op->desc.in.c;
  const float *istd = s->istd + (int64_t) g * c;
  for (int j = 0; j < c; j++) s->scale[j] = a->param.w[j] * istd[j];
}

/** Gradients of gain and bias from the sums. */
static void keep_gradients(const es_op *op, const es_op_args *a, const es_bn_stats *s) {
  const int c = op->desc.in.c;
  for (int g = 0; g < a->groups; g++) {
    const float *istd = s->istd + (int64_t) g * c;
    const double *sum = s->sums + 2 * (int64_t) g * c;
    for (int j = 0; j < c; j++) {
      a->param.db[j] += (float) sum[j];
      a->param.dw[j] += (float) (istd[j] * sum[c + j]);
    }
  }
}

void es_bn_gradients(const es_op *op, const es_op_args *a, es_bn_sum *add,
                     es_bn_stats *s) {
  sum_here(op, a, add, s->sums);
  /* in shards, rounding to f32 before the last sum would depend on the ranks */
  const es_comm *sync = op->desc.bn.sync;
  const bool ordered = op->desc.bn.shards > 0, first = sync == NULL || sync->rank == 0;
  if (!ordered) keep_gradients(op, a, s);
  if (ordered || !s->constant) sum_over_ranks(op, a, s->sums);
  if (ordered && first) keep_gradients(op, a, s);
}

void es_bn_coefficients(const es_op *op, const es_op_args *a, int g, es_bn_stats *s) {
  const int c = op->desc.in.c;
  const float *istd = s->istd + (int64_t) g * c;
  const double *sum = s->sums + 2 * (int64_t) g * c, n = s->count[g];
  for (int j = 0; j < c; j++) {
    const double d = istd[j], scale = a->param.w[j] * d;
    s->scale[j] = (float) scale;
    s->offset[j] = s->slope[j] = 0.0f;
    if (s->constant) continue;
    s->offset[j] = (float) (scale * sum[j] / n);
    s->slope[j] = (float) (scale * d * d * sum[c + j] / n);
  }
}
