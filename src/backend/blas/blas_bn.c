/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_bn.c  Batch normalisation with residual and ReLU (Ioffe, Szegedy 2015).
 *
 *  N = images x pixels of a group, over all ranks of desc.sync; m, v = mean and biased
 *  variance of a channel; s = 1 / sqrt(v + eps).
 *  forward   y = [relu]((x - m) s gain + bias [+ residual])
 *  backward  g = dy where y > 0;  dbias += sum g;  dgain += s sum g (x - m)  (own);
 *            dx = gain s (g - mean g - (x - m) s^2 mean(g (x - m)))   (means over all)
 *  The only communication is one sum per pass of [groups, 2 C + 1] doubles; a rank
 *  without images contributes zeros. */
#include <math.h>
#include <string.h>
#include "blas_bn.h"

typedef struct bn {
  es_blas_op base;
  double *sums;       /**< [groups, 2 C]: of the pass at hand, then [groups] counts */
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
  return ES_OK;
}

static int64_t group_rows(const es_op *op, const es_op_args *a) {
  return a->n / a->groups * es_blas_pixels(op->desc.in);
}

/** sums <- over all ranks; counts behind the sums. */
static void sum_over_ranks(const es_op *op, double *sums, int64_t n) {
  if (op->desc.sync != NULL) es_comm_sum_f64(op->desc.sync, sums, n);
}

static void gather_moments(es_op *op, const es_op_args *a) {
  bn *p = (bn *) op;
  const int c = op->desc.in.c, groups = a->groups;
  const int64_t rows = group_rows(op, a);
  double *counts = p->sums + 2 * (int64_t) groups * c;
  memset(p->sums, 0, (size_t) (2 * (int64_t) groups * c) * sizeof *p->sums);
  for (int g = 0; g < groups; g++) {
    double *sum = p->sums + 2 * (int64_t) g * c;
    es_blas_bn_moments(op->backend->threads, rows, c, (const float *) a->x + g * rows * c,
                       sum, sum + c);
    counts[g] = (double) rows;
  }
  sum_over_ranks(op, p->sums, (2 * (int64_t) c + 1) * groups);
  memcpy(p->count, counts, (size_t) groups * sizeof *counts);
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

/** What both backward passes of group g read and write. */
static es_blas_bn_grad grad_of_group(const es_op *op, const es_op_args *a, int g) {
  const bn *p = (const bn *) op;
  const es_op_desc *d = &op->desc;
  const int c = d->in.c;
  const int64_t at = g * group_rows(op, a) * c;
  double *sum = p->sums + 2 * (int64_t) g * c;
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
  memset(p->sums, 0, (size_t) (2 * (int64_t) a->groups * c) * sizeof *p->sums);
  for (int g = 0; g < a->groups; g++) {
    const es_blas_bn_grad grad = grad_of_group(op, a, g);
    const float *istd = p->istd + (int64_t) g * c;
    es_blas_bn_gradients(threads, rows, &grad);
    for (int j = 0; j < c; j++) {
      a->db[j] += (float) grad.sum[j];
      a->dw[j] += (float) (istd[j] * grad.product[j]);
    }
  }
  sum_over_ranks(op, p->sums, 2 * (int64_t) a->groups * c);
  for (int g = 0; g < a->groups && rows > 0; g++) {
    const es_blas_bn_grad grad = grad_of_group(op, a, g);
    set_coefficients(p, a, g, c);
    es_blas_bn_back_rows(threads, rows, &grad);
  }
  return ES_OK;
}

es_status es_blas_plan_bn(es_backend *b, const es_op_desc *d, es_op **op) {
  const size_t c = (size_t) d->in.c;
  const size_t doubles = (2 * c + 1) * ES_BN_GROUPS, floats = (2 * ES_BN_GROUPS + 3) * c;
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
