/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_pool.c  Maximum over windows, and global mean. */
#include "cuda_state.h"

/* The plan's work space: unsigned char winner [max_n, oh, ow, c], the tap that won. */

static es_status max_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_cuda_check(op, a));
  const es_cuda_window g = es_cuda_window_of(&op->desc, a->n);
  return es_cuda_ok(es_cuda_maxpool(es_cuda_of(op->backend)->stream, &g, a->x, a->y,
                                    ((es_cuda_op *) op)->work),
                    es_cuda_name(&op->desc));
}

static es_status max_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_cuda_check(op, a));
  if (!op->desc.need_dx) return ES_OK;
  const es_cuda_maxpool_grad g = {.of = es_cuda_window_of(&op->desc, a->n),
                                  .dy = a->dy,
                                  .winner = ((es_cuda_op *) op)->work,
                                  .dx = a->dx,
                                  .add = a->add_dx};
  return es_cuda_ok(es_cuda_maxpool_back(es_cuda_of(op->backend)->stream, &g),
                    es_cuda_name(&op->desc));
}

es_status es_cuda_plan_maxpool(es_backend *b, const es_op_desc *d, es_op **op) {
  const int64_t out = es_cuda_pixels(d->out) * d->in.c;
  ES_TRY(es_cuda_op_new(b, d, sizeof(es_cuda_op), (size_t) (d->max_n * out), op));
  (*op)->forward = max_forward;
  (*op)->backward = max_backward;
  (*op)->flops = (double) out * d->window.k * d->window.k;
  return ES_OK;
}

static es_cuda_mean mean_of(const es_op *op, const es_op_args *a) {
  return (es_cuda_mean){.n = a->n,
                        .c = op->desc.in.c,
                        .pixels = es_cuda_pixels(op->desc.in),
                        .bf16 = es_cuda_bf16(&op->desc),
                        .add = a->add_dx};
}

static es_status mean_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_cuda_check(op, a));
  const es_cuda_mean g = mean_of(op, a);
  return es_cuda_ok(es_cuda_avgpool(es_cuda_of(op->backend)->stream, &g, a->x, a->y),
                    es_cuda_name(&op->desc));
}

static es_status mean_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_cuda_check(op, a));
  if (!op->desc.need_dx) return ES_OK;
  const es_cuda_mean g = mean_of(op, a);
  return es_cuda_ok(
      es_cuda_avgpool_back(es_cuda_of(op->backend)->stream, &g, a->dy, a->dx),
      es_cuda_name(&op->desc));
}

es_status es_cuda_plan_avgpool(es_backend *b, const es_op_desc *d, es_op **op) {
  ES_TRY(es_cuda_op_new(b, d, sizeof(es_cuda_op), 0, op));
  (*op)->forward = mean_forward;
  (*op)->backward = mean_backward;
  (*op)->flops = (double) es_cuda_pixels(d->in) * d->in.c;
  return ES_OK;
}
