/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_bn.c  Batch normalisation with residual and ReLU (Ioffe, Szegedy 2015).
 *
 *  N = images x pixels of a group, over all ranks of desc.sync; m, v = mean and biased
 *  variance of a channel; s = 1 / sqrt(v + eps).
 *  forward   y = [relu]((x - m) s gain + bias [+ residual])
 *  backward  g = dy where y > 0;  dbias += sum g;  dgain += s sum g (x - m)  (own);
 *            dx = gain s (g - mean g - (x - m) s^2 mean(g (x - m)))   (means over all)
 *  The only communication is one sum per pass of [groups, 2 C + 1] doubles; a rank
 *  without images contributes zeros. With desc.shards the sums are made shard by shard
 *  and added as tree.h says. */
#include <math.h>
#include <string.h>
#include "blas_bn.h"
#include "eigenstep/tree.h"

typedef struct bn {
  es_blas_op base;
  double *sums;       /**< [groups, 2 C]: of the pass at hand, then [groups] counts; with
                           shards a stack of those */
  float *mean, *istd; /**< [groups, C], kept from forward to backward */
  float *scale, *offset, *slope; /**< [C], of the group at hand */
  double count[ES_BN_GROUPS];    /**< N of the last forward */
  bool batch;                    /**< the last forward took the batch's statistics */
} bn;

static es_status check(const es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  ES_CHECK(a->groups >= 1 && a->groups <= ES_BN_GROUPS && a->n % a->groups == 0, ES_EARG,
           "%s: got %d images in %d groups, expected 1 to %d groups of equal size",
           es_blas_name(op), a->n, a->groups, ES_BN_GROUPS);
  ES_CHECK(
      op->desc.shards == 0 || (a->groups <= 2 && a->n % (2 * op->desc.shards) == 0),
      ES_EARG,
      "%s: got %d images in %d groups, expected two views of %d equal shards in 1 or "
      "2 groups",
      es_blas_name(op), a->n, a->groups, op->desc.shards);
  return ES_OK;
}

static int64_t group_rows(const es_op *op, const es_op_args *a) {
  return a->n / a->groups * es_blas_pixels(op->desc.in);
}

/** Rows [first, first + n) of group `group`, summed in one go. */
typedef struct run {
  int group;
  int64_t first, n;
} run;

typedef void sum_run(const es_op *op, const es_op_args *a, const run *r, double *sum);

static int64_t sums_width(const es_op *op, int groups) {
  return (2 * (int64_t) op->desc.in.c + 1) * groups;
}

/** sums[groups, 2 C + 1] <- `add` over this rank's images. Without shards a group is one
 *  run; with them each view has one in every shard. */
static void sum_here(const es_op *op, const es_op_args *a, sum_run *add, double *sums) {
  const es_op_desc *d = &op->desc;
  const int shards = d->shards > 0 ? d->shards : 1, views = d->shards > 0 ? 2 : a->groups;
  const int64_t n = a->n / (views * shards) * es_blas_pixels(d->in);
  const int64_t width = sums_width(op, a->groups);
  double *top = sums;
  for (int s = 0; s < shards; s++, top += width) {
    memset(top, 0, (size_t) width * sizeof *top);
    for (int v = 0; v < views; v++) {
      const run r = {v * a->groups / views, (v * shards + s) * n, n};
      add(op, a, &r, top);
    }
    for (int carry = es_tree_carries(s); carry > 0; carry--, top -= width)
      for (int64_t i = 0; i < width; i++) top[i - width] += top[i];
  }
}

static void sum_over_ranks(const es_op *op, const es_op_args *a, double *sums) {
  const es_comm *c = op->desc.sync;
  if (c == NULL) return;
  if (op->desc.shards > 0)
    es_tree_sum_f64(c, sums, sums_width(op, a->groups));
  else
    es_comm_sum_f64(c, sums, sums_width(op, a->groups));
}

/** Where the count of group g lies, behind all sums. */
static double *count_of(const es_op *op, const es_op_args *a, double *sums, int g) {
  return sums + 2 * (int64_t) a->groups * op->desc.in.c + g;
}

static void add_moments(const es_op *op, const es_op_args *a, const run *r, double *sum) {
  const int c = op->desc.in.c;
  double *of_group = sum + 2 * (int64_t) r->group * c;
  es_blas_bn_moments(op->backend->threads, r->n, c, (const float *) a->x + r->first * c,
                     of_group, of_group + c);
  *count_of(op, a, sum, r->group) += (double) r->n;
}

static void gather_moments(es_op *op, const es_op_args *a) {
  bn *p = (bn *) op;
  sum_here(op, a, add_moments, p->sums);
  sum_over_ranks(op, a, p->sums);
  memcpy(p->count, count_of(op, a, p->sums, 0), (size_t) a->groups * sizeof *p->count);
}

/** Mean and inverse deviation of group g; the running averages follow it if `update`. */
static void finish_moments(es_op *op, const es_op_args *a, int g, bool update) {
  bn *p = (bn *) op;
  const int c = op->desc.in.c;
  const double *sum = p->sums + 2 * (int64_t) g * c, n = p->count[g];
  const double unbiased = n > 1.0 ? n / (n - 1.0) : 1.0; /* one value has no spread */
  const double rate = op->desc.momentum;
  float *mean = p->mean + (int64_t) g * c, *istd = p->istd + (int64_t) g * c;
  if (n == 0.0) return;
  for (int j = 0; j < c; j++) {
    const double m = sum[j] / n;
    const double spread = sum[c + j] / n - m * m; /* rounding may leave -0.0... */
    const double v = spread < 0.0 ? 0.0 : spread;
    mean[j] = (float) m;
    istd[j] = (float) (1.0 / sqrt(v + op->desc.eps));
    if (!update) continue;
    a->mean[j] = (float) ((1.0 - rate) * a->mean[j] + rate * m);
    a->var[j] = (float) ((1.0 - rate) * a->var[j] + rate * v * unbiased);
  }
}

static void take_running(const es_op *op, const es_op_args *a, int g) {
  bn *p = (bn *) op;
  const int c = op->desc.in.c;
  memcpy(p->mean + (int64_t) g * c, a->mean, (size_t) c * sizeof(float));
  for (int j = 0; j < c; j++)
    p->istd[(int64_t) g * c + j] = (float) (1.0 / sqrt(a->var[j] + op->desc.eps));
}

static es_status forward(es_op *op, const es_op_args *a) {
  bn *p = (bn *) op;
  ES_TRY(check(op, a));
  const int c = op->desc.in.c;
  const int64_t rows = group_rows(op, a);
  p->batch = a->mode != ES_BN_RUNNING;
  if (p->batch) gather_moments(op, a);
  for (int g = 0; g < a->groups; g++) {
    if (p->batch)
      finish_moments(op, a, g, a->mode == ES_BN_TRAIN);
    else
      take_running(op, a, g);
    const float *istd = p->istd + (int64_t) g * c;
    for (int j = 0; j < c; j++) p->scale[j] = a->w[j] * istd[j];
    const int64_t at = g * rows * c;
    const float *residual = op->desc.residual ? (const float *) a->residual + at : NULL;
    es_blas_bn_apply_rows(op->backend->threads, rows,
                          &(es_blas_bn_apply){.width = c,
                                              .x = (const float *) a->x + at,
                                              .residual = residual,
                                              .mean = p->mean + (int64_t) g * c,
                                              .scale = p->scale,
                                              .bias = a->b,
                                              .relu = op->desc.relu,
                                              .y = (float *) a->y + at});
  }
  return ES_OK;
}

/** What both backward passes read and write in group g, from row `first` on; its sums. */
static es_blas_bn_grad grad_of_rows(const es_op *op, const es_op_args *a, int g,
                                    int64_t first, double *sum) {
  const bn *p = (const bn *) op;
  const es_op_desc *d = &op->desc;
  const int c = d->in.c;
  const int64_t at = first * c;
  const float *dy = (const float *) a->dy + at;
  return (es_blas_bn_grad){
      .width = c,
      .x = (const float *) a->x + at,
      .dy = dy,
      .gate = d->relu ? (const float *) a->y + at : dy,
      .relu = d->relu,
      .add_dx = a->add_dx,
      .add_dresidual = a->add_dresidual,
      .mean = p->mean + (int64_t) g * c,
      .scale = p->scale,
      .offset = p->offset,
      .slope = p->slope,
      .sum = sum,
      .product = sum + c,
      .dx = d->need_dx ? (float *) a->dx + at : NULL,
      .dresidual = d->residual ? (float *) a->dresidual + at : NULL,
  };
}

static void add_gradients(const es_op *op, const es_op_args *a, const run *r,
                          double *sum) {
  double *of_group = sum + 2 * (int64_t) r->group * op->desc.in.c;
  const es_blas_bn_grad grad = grad_of_rows(op, a, r->group, r->first, of_group);
  es_blas_bn_gradients(op->backend->threads, r->n, &grad);
}

/** Gradients of gain and bias from the sums. */
static void keep_gradients(const es_op *op, const es_op_args *a) {
  const bn *p = (const bn *) op;
  const int c = op->desc.in.c;
  for (int g = 0; g < a->groups; g++) {
    const float *istd = p->istd + (int64_t) g * c;
    const double *sum = p->sums + 2 * (int64_t) g * c;
    for (int j = 0; j < c; j++) {
      a->db[j] += (float) sum[j];
      a->dw[j] += (float) (istd[j] * sum[c + j]);
    }
  }
}

/** Coefficients of dx from the sums over all ranks. */
static void set_coefficients(const bn *p, const es_op_args *a, int g, int c) {
  const float *istd = p->istd + (int64_t) g * c;
  const double *sum = p->sums + 2 * (int64_t) g * c, n = p->count[g];
  for (int j = 0; j < c; j++) {
    const double s = istd[j], scale = a->w[j] * s;
    p->scale[j] = (float) scale;
    p->offset[j] = (float) (scale * sum[j] / n);
    p->slope[j] = (float) (scale * s * s * sum[c + j] / n);
  }
}

static es_status backward(es_op *op, const es_op_args *a) {
  bn *p = (bn *) op;
  ES_TRY(check(op, a));
  ES_CHECK(p->batch, ES_EARG, "%s: backward needs a forward with the batch's statistics",
           es_blas_name(op));
  const int c = op->desc.in.c, threads = op->backend->threads;
  const int64_t rows = group_rows(op, a);
  sum_here(op, a, add_gradients, p->sums);
  /* in shards rounding to f32 before the last sum would tell where the ranks begin */
  const es_comm *sync = op->desc.sync;
  const bool ordered = op->desc.shards > 0, first = sync == NULL || sync->rank == 0;
  if (!ordered) keep_gradients(op, a);
  sum_over_ranks(op, a, p->sums);
  if (ordered && first) keep_gradients(op, a);
  for (int g = 0; g < a->groups && rows > 0; g++) {
    double *sum = p->sums + 2 * (int64_t) g * c;
    const es_blas_bn_grad grad = grad_of_rows(op, a, g, g * rows, sum);
    set_coefficients(p, a, g, c);
    es_blas_bn_back_rows(threads, rows, &grad);
  }
  return ES_OK;
}

es_status es_blas_plan_bn(es_backend *b, const es_op_desc *d, es_op **op) {
  const size_t c = (size_t) d->in.c;
  const size_t slots = (size_t) es_tree_slots(d->shards);
  const size_t doubles = slots * (2 * c + 1) * ES_BN_GROUPS;
  const size_t floats = (2 * ES_BN_GROUPS + 3) * c;
  ES_TRY(es_blas_op_new(b, d, sizeof(bn),
                        doubles * sizeof(double) + floats * sizeof(float), op));
  bn *p = (bn *) *op;
  p->sums = p->base.work;
  p->mean = (float *) (p->sums + doubles);
  p->istd = p->mean + ES_BN_GROUPS * c;
  p->scale = p->istd + ES_BN_GROUPS * c;
  p->offset = p->scale + c;
  p->slope = p->offset + c;
  (*op)->forward = forward;
  (*op)->backward = backward;
  (*op)->flops = 8.0 * (double) es_blas_pixels(d->in) * d->in.c;
  return ES_OK;
}
