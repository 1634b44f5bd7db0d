/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_bn.c  Batch normalisation with residual and ReLU; its formulas and sums are
 *  those of bn_stats.h. */
#include "backend/bn_stats.h"
#include "blas_bn.h"

typedef struct bn {
  es_blas_op base;
  es_bn_stats stats;
} bn;

static void add_moments(const es_op *op, const es_op_args *a, const es_bn_run *r,
                        double *sum) {
  const int c = op->desc.in.c;
  es_blas_bn_moments(op->backend->threads, r->n, c, (const float *) a->x + r->first * c,
                     sum, sum + c);
}

/** y from the statistics of the last forward. */
static void apply(es_op *op, const es_op_args *a) {
  es_bn_stats *s = &((bn *) op)->stats;
  const int c = op->desc.in.c;
  const int64_t rows = es_bn_rows(op, a);
  for (int g = 0; g < a->groups; g++) {
    es_bn_scale(op, a, g, s);
    const int64_t at = g * rows * c;
    const float *residual =
        op->desc.bn.residual ? (const float *) a->bn.residual + at : NULL;
    es_blas_bn_apply_rows(op->backend->threads, rows,
                          &(es_blas_bn_apply){.width = c,
                                              .x = (const float *) a->x + at,
                                              .residual = residual,
                                              .mean = s->mean + (int64_t) g * c,
                                              .scale = s->scale,
                                              .bias = a->param.b,
                                              .relu = op->desc.bn.relu,
                                              .y = (float *) a->y + at});
  }
}

static es_status forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_bn_check(op, a));
  es_bn_take(op, a, add_moments, &((bn *) op)->stats);
  apply(op, a);
  return ES_OK;
}

static es_status replay(es_op *op, const es_op_args *a) {
  ES_TRY(es_bn_check(op, a));
  apply(op, a);
  return ES_OK;
}

/** What both backward passes read and write in group g, from row `first` on; its sums. */
static es_blas_bn_grad grad_of_rows(const es_op *op, const es_op_args *a, int g,
                                    int64_t first, double *sum) {
  const es_bn_stats *s = &((const bn *) op)->stats;
  const es_op_desc *d = &op->desc;
  const int c = d->in.c;
  const int64_t at = first * c;
  const float *dy = (const float *) a->dy + at;
  return (es_blas_bn_grad){
      .width = c,
      .x = (const float *) a->x + at,
      .dy = dy,
      .gate = d->bn.relu ? (const float *) a->y + at : dy,
      .relu = d->bn.relu,
      .mean = s->mean + (int64_t) g * c,
      .scale = s->scale,
      .offset = s->offset,
      .slope = s->slope,
      .sum = sum,
      .out = {.dx = d->need_dx ? (float *) a->dx + at : NULL,
              .dresidual = d->bn.residual ? (float *) a->bn.dresidual + at : NULL,
              .add_dx = a->add_dx,
              .add_dresidual = a->bn.add_dresidual},
  };
}

static void add_gradients(const es_op *op, const es_op_args *a, const es_bn_run *r,
                          double *sum) {
  const es_blas_bn_grad grad = grad_of_rows(op, a, r->group, r->first, sum);
  es_blas_bn_gradients(op->backend->threads, r->n, &grad);
}

static es_status backward(es_op *op, const es_op_args *a) {
  es_bn_stats *s = &((bn *) op)->stats;
  ES_TRY(es_bn_check(op, a));
  ES_CHECK(s->forwarded, ES_EARG, "%s: got a backward without a forward before it",
           es_blas_name(op));
  const int64_t rows = es_bn_rows(op, a);
  es_bn_gradients(op, a, add_gradients, s);
  for (int g = 0; g < a->groups && rows > 0; g++) {
    double *sum = s->sums + 2 * (int64_t) g * op->desc.in.c;
    const es_blas_bn_grad grad = grad_of_rows(op, a, g, g * rows, sum);
    es_bn_coefficients(op, a, g, s);
    es_blas_bn_back_rows(op->backend->threads, rows, &grad);
  }
  return ES_OK;
}

es_status es_blas_plan_bn(es_backend *b, const es_op_desc *d, es_op **op) {
  ES_TRY(es_blas_op_new(b, d, sizeof(bn), es_bn_stats_bytes(d), op));
  bn *p = (bn *) *op;
  es_bn_stats_place(d, p->base.work, &p->stats);
  (*op)->forward = forward;
  (*op)->backward = backward;
  (*op)->replay = d->bn.residual ? NULL : replay;
  (*op)->flops = 8.0 * (double) es_blas_pixels(d->in) * d->in.c;
  return ES_OK;
}
