/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_bn.c  Batch normalisation with residual and ReLU; its formulas and sums
 *  are those of bn_stats.h.
 *
 *  Whether y > 0 is computed again from x, or, with a residual, stored as one bit an
 *  element. The moments of x may be given; otherwise they take a pass. */
#include "backend/bn_stats.h"
#include "onednn_bn.h"
#include "onednn_type.h"

typedef struct bn {
  es_blas_op base;
  es_bn_stats stats;
  unsigned char *mask; /**< gates of all rows; NULL without residual or relu */
} bn;

/** What all passes over `n` rows of group g from `first` on share; the scale is that of
 *  the forward at hand. */
static es_bn_pass pass_of(const es_op *op, const es_op_args *a, int g, int64_t first,
                          int64_t n) {
  bn *p = (bn *) op;
  es_bn_stats *s = &p->stats;
  const es_op_desc *d = &op->desc;
  const int c = d->in.c;
  const bool bf16 = es_onednn_bf16(&op->desc);
  const int64_t mask_bytes = (int64_t) es_onednn_bn_mask_bytes(c);
  es_bn_scale(op, a, g, s);
  return (es_bn_pass){.bf16 = bf16,
                      .relu = d->bn.relu,
                      .gate = !d->bn.relu ? ES_GATE_OPEN
                                          : (d->bn.residual ? ES_GATE_MASK : ES_GATE_X),
                      .threads = op->backend->threads,
                      .width = c,
                      .rows = n,
                      .x = es_from(bf16, a->x, first * c),
                      .mask = p->mask != NULL ? p->mask + first * mask_bytes : NULL,
                      .of = {.mean = s->mean + (int64_t) g * c,
                             .scale = s->scale,
                             .bias = a->param.b,
                             .offset = s->offset,
                             .slope = s->slope}};
}

static void add_moments(const es_op *op, const es_op_args *a, const es_bn_run *r,
                        double *sum) {
  const int c = op->desc.in.c;
  const bool bf16 = es_onednn_bf16(&op->desc);
  const void *x = es_from(bf16, a->x, r->first * c);
  es_onednn_moments(op->backend->threads, bf16, r->n, c, x, sum);
}

/** y from the statistics of the last forward. */
static void apply(const es_op *op, const es_op_args *a) {
  const int64_t rows = es_bn_rows(op, a);
  for (int g = a->groups - 1; g >= 0; g--) { /* the last one is still in the cache */
    es_bn_pass pass = pass_of(op, a, g, g * rows, rows);
    const int64_t at = g * rows * pass.width;
    if (op->desc.bn.residual)
      pass.front.residual = es_from(pass.bf16, a->bn.residual, at);
    pass.front.y = es_to(pass.bf16, a->y, at);
    es_onednn_bn_apply(&pass);
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

/** What both backward passes read and write. */
static es_bn_pass grad_of(const es_op *op, const es_op_args *a, int g, int64_t first,
                          int64_t n) {
  es_bn_pass pass = pass_of(op, a, g, first, n);
  const int64_t at = first * pass.width;
  pass.back.add_dx = a->add_dx;
  pass.back.add_dresidual = a->bn.add_dresidual;
  pass.back.dy = es_from(pass.bf16, a->dy, at);
  if (op->desc.need_dx) pass.back.dx = es_to(pass.bf16, a->dx, at);
  if (a->bn.dresidual != NULL)
    pass.back.dresidual = es_to(pass.bf16, a->bn.dresidual, at);
  return pass;
}

static void add_gradients(const es_op *op, const es_op_args *a, const es_bn_run *r,
                          double *sum) {
  es_bn_pass pass = grad_of(op, a, r->group, r->first, r->n);
  pass.sum = sum;
  es_onednn_bn_sums(&pass);
}

static es_status backward(es_op *op, const es_op_args *a) {
  es_bn_stats *s = &((bn *) op)->stats;
  ES_TRY(es_bn_check(op, a));
  ES_CHECK(s->forwarded, ES_EARG, "%s: got a backward without a forward before it",
           es_blas_name(op));
  const int64_t rows = es_bn_rows(op, a);
  es_bn_gradients(op, a, add_gradients, s);
  for (int g = a->groups - 1; g >= 0 && rows > 0; g--) {
    const es_bn_pass pass = grad_of(op, a, g, g * rows, rows);
    es_bn_coefficients(op, a, g, s);
    es_onednn_bn_back(&pass);
  }
  return ES_OK;
}

es_status es_onednn_plan_bn(es_backend *b, const es_op_desc *d, es_op **op) {
  const size_t rows = (size_t) d->max_n * (size_t) es_blas_pixels(d->in);
  const size_t gates =
      d->bn.residual && d->bn.relu ? rows * es_onednn_bn_mask_bytes(d->in.c) : 0;
  const size_t stats = es_bn_stats_bytes(d);
  ES_TRY(es_blas_op_new(b, d, sizeof(bn), stats + gates, op));
  bn *p = (bn *) *op;
  es_bn_stats_place(d, p->base.work, &p->stats);
  p->mask = gates > 0 ? (unsigned char *) p->base.work + stats : NULL;
  (*op)->forward = forward;
  (*op)->backward = backward;
  (*op)->replay = d->bn.residual ? NULL : replay;
  (*op)->flops = 8.0 * (double) es_blas_pixels(d->in) * d->in.c;
  return ES_OK;
}
