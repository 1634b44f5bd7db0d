/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_bn.c  Batch normalisation with residual and ReLU (Ioffe, Szegedy 2015).
 *
 *  N = images x pixels of a group, over all ranks of desc.sync; m, v = mean and biased
 *  variance of a channel; s = 1 / sqrt(v + eps).
 *  forward   y = [relu]((x - m) s gain + bias [+ residual])
 *  backward  g = dy where y > 0;  dbias += sum g;  dgain += s sum g (x - m)  (own);
 *            dx = gain s (g - mean g - (x - m) s^2 mean(g (x - m)))   (means over all)
 *  Where y > 0 is computed again from x, or, behind a residual, kept as a bit an element.
 *  The moments of x may come with the arguments; otherwise they take a pass.
 *  The only communication is one sum per pass of [groups, 2 C + 1] doubles; a rank
 *  without images contributes zeros. */
#include <math.h>
#include <string.h>
#include "onednn_bn.h"
#include "onednn_type.h"

typedef struct bn {
  es_blas_op base;
  double *sums;       /**< [groups, 2 C]: of the pass at hand, then [groups] counts */
  float *mean, *istd; /**< [groups, C], kept from forward to backward */
  float *scale, *offset, *slope; /**< [C], of the group at hand */
  unsigned char *mask;        /**< gates of all groups; NULL without residual or relu */
  double count[ES_BN_GROUPS]; /**< N of the last forward */
  bool batch;                 /**< the last forward took the batch's statistics */
} bn;

static es_status check(const es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  ES_CHECK(a->groups >= 1 && a->groups <= ES_BN_GROUPS && a->n % a->groups == 0, ES_EARG,
           "%s: got %d images in %d groups, expected 1 to %d groups of equal size",
           es_blas_name(op), a->n, a->groups, ES_BN_GROUPS);
  return ES_OK;
}

/** What all passes of group g share. The scale is gain s of the forward at hand. */
static es_bn_pass pass_of_group(const es_op *op, const es_op_args *a, int g) {
  bn *p = (bn *) op;
  const es_op_desc *d = &op->desc;
  const int c = d->in.c;
  const int64_t rows = a->n / a->groups * es_blas_pixels(d->in);
  const bool bf16 = es_onednn_bf16(op->backend);
  const float *istd = p->istd + (int64_t) g * c;
  double *sum = p->sums + 2 * (int64_t) g * c;
  const int64_t mask_bytes = (int64_t) es_onednn_bn_mask_bytes(c);
  for (int j = 0; j < c; j++) p->scale[j] = a->w[j] * istd[j];
  return (es_bn_pass){.bf16 = bf16,
                      .relu = d->relu,
                      .gate = !d->relu ? ES_GATE_OPEN
                                       : (d->residual ? ES_GATE_MASK : ES_GATE_X),
                      .threads = op->backend->threads,
                      .width = c,
                      .rows = rows,
                      .x = es_from(bf16, a->x, g * rows * c),
                      .mask = p->mask != NULL ? p->mask + g * rows * mask_bytes : NULL,
                      .mean = p->mean + (int64_t) g * c,
                      .scale = p->scale,
                      .bias = a->b,
                      .offset = p->offset,
                      .slope = p->slope,
                      .sum = sum,
                      .product = sum + c};
}

/** sums <- over all ranks. */
static void sum_over_ranks(const es_op *op, double *sums, int64_t n) {
  if (op->desc.sync != NULL) es_comm_sum_f64(op->desc.sync, sums, n);
}

static void gather_moments(es_op *op, const es_op_args *a) {
  bn *p = (bn *) op;
  const int c = op->desc.in.c, groups = a->groups;
  const int64_t rows = a->n / groups * es_blas_pixels(op->desc.in);
  const int64_t all = 2 * (int64_t) groups * c;
  double *counts = p->sums + all;
  if (a->moments != NULL)
    memcpy(p->sums, a->moments, (size_t) all * sizeof *p->sums);
  else
    memset(p->sums, 0, (size_t) all * sizeof *p->sums);
  for (int g = 0; g < groups; g++) {
    double *sum = p->sums + 2 * (int64_t) g * c;
    counts[g] = (double) rows;
    if (a->moments != NULL) continue;
    const void *x = es_from(es_onednn_bf16(op->backend), a->x, g * rows * c);
    es_onednn_moments(op->backend, rows, c, x, sum, sum + c);
  }
  sum_over_ranks(op, p->sums, all + groups);
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
  p->batch = a->mode != ES_BN_RUNNING;
  if (p->batch) gather_moments(op, a);
  for (int g = 0; g < a->groups; g++)
    if (p->batch)
      finish_moments(op, a, g, a->mode == ES_BN_TRAIN);
    else
      take_running(op, a, g);
  for (int g = a->groups - 1; g >= 0; g--) { /* the last one is still in the cache */
    es_bn_pass pass = pass_of_group(op, a, g);
    const int64_t at = g * pass.rows * pass.width;
    if (op->desc.residual) pass.residual = es_from(pass.bf16, a->residual, at);
    pass.y = es_to(pass.bf16, a->y, at);
    es_onednn_bn_apply(&pass);
  }
  return ES_OK;
}

/** What both backward passes of group g read and write. */
static es_bn_pass grad_of_group(const es_op *op, const es_op_args *a, int g) {
  es_bn_pass pass = pass_of_group(op, a, g);
  const int64_t at = g * pass.rows * pass.width;
  pass.add_dx = a->add_dx;
  pass.add_dresidual = a->add_dresidual;
  pass.dy = es_from(pass.bf16, a->dy, at);
  if (op->desc.need_dx) pass.dx = es_to(pass.bf16, a->dx, at);
  if (a->dresidual != NULL) pass.dresidual = es_to(pass.bf16, a->dresidual, at);
  return pass;
}

/** Coefficients of dx from the sums over all ranks. */
static void set_coefficients(const bn *p, const es_op_args *a, int g, int c) {
  const float *istd = p->istd + (int64_t) g * c;
  const double *sum = p->sums + 2 * (int64_t) g * c, n = p->count[g];
  for (int j = 0; j < c; j++) {
    const double s = istd[j], scale = a->w[j] * s;
    p->offset[j] = (float) (scale * sum[j] / n);
    p->slope[j] = (float) (scale * s * s * sum[c + j] / n);
  }
}

static es_status backward(es_op *op, const es_op_args *a) {
  bn *p = (bn *) op;
  ES_TRY(check(op, a));
  ES_CHECK(p->batch, ES_EARG, "%s: backward needs a forward with the batch's statistics",
           es_blas_name(op));
  const int c = op->desc.in.c;
  memset(p->sums, 0, (size_t) (2 * (int64_t) a->groups * c) * sizeof *p->sums);
  for (int g = 0; g < a->groups; g++) {
    const es_bn_pass pass = grad_of_group(op, a, g);
    const float *istd = p->istd + (int64_t) g * c;
    es_onednn_bn_sums(&pass);
    for (int j = 0; j < c; j++) {
      a->db[j] += (float) pass.sum[j];
      a->dw[j] += (float) (istd[j] * pass.product[j]);
    }
  }
  sum_over_ranks(op, p->sums, 2 * (int64_t) a->groups * c);
  for (int g = a->groups - 1; g >= 0 && a->n > 0; g--) {
    const es_bn_pass pass = grad_of_group(op, a, g);
    set_coefficients(p, a, g, c);
    es_onednn_bn_back(&pass);
  }
  return ES_OK;
}

es_status es_onednn_plan_bn(es_backend *b, const es_op_desc *d, es_op **op) {
  const size_t c = (size_t) d->in.c;
  const size_t doubles = (2 * c + 1) * ES_BN_GROUPS, floats = (2 * ES_BN_GROUPS + 3) * c;
  const size_t rows = (size_t) d->max_n * (size_t) es_blas_pixels(d->in);
  const size_t gates = rows * es_onednn_bn_mask_bytes(d->in.c);
  const size_t vectors = doubles * sizeof(double) + floats * sizeof(float);
  const bool mask = d->residual && d->relu;
  ES_TRY(es_blas_op_new(b, d, sizeof(bn), vectors + (mask ? gates : 0), op));
  bn *p = (bn *) *op;
  p->sums = p->base.work;
  p->mean = (float *) (p->sums + doubles);
  p->istd = p->mean + ES_BN_GROUPS * c;
  p->scale = p->istd + ES_BN_GROUPS * c;
  p->offset = p->scale + c;
  p->slope = p->offset + c;
  p->mask = mask ? (unsigned char *) (p->slope + c) : NULL;
  (*op)->forward = forward;
  (*op)->backward = backward;
  (*op)->flops = 8.0 * (double) es_blas_pixels(d->in) * d->in.c;
  return ES_OK;
}
