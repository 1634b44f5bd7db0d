/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_act.c  Activations [N, H, W, C]: to and from the host's [N, C, H, W], and
 *  the ops that only move or cut them: flatten and relu. */
#include "blas.h"

size_t es_blas_act_bytes(es_backend *b, es_act_type t, int n) {
  (void) b;
  const es_shape s = t.shape;
  return (size_t) n * (size_t) s.c * (size_t) s.h * (size_t) s.w * sizeof(float);
}

/** Each of n matrices [rows, cols] to [cols, rows]. */
static void transpose_images(const es_backend *b, int n, int64_t rows, int64_t cols,
                             const float *src, bool add, float *dst) {
  (void) b; /* without OpenMP */
  const int64_t size = rows * cols;
#pragma omp parallel for num_threads(b->threads) schedule(static)
  for (int i = 0; i < n; i++)
    es_blas_transpose(rows, cols, src + i * size, add, dst + i * size);
}

es_status es_blas_act_write(es_backend *b, es_act_type t, int n, const float *nchw,
                            es_act dst) {
  transpose_images(b, n, t.shape.c, es_blas_pixels(t.shape), nchw, false, dst);
  return ES_OK;
}

es_status es_blas_act_read(es_backend *b, es_act_type t, int n, const es_act src,
                           float *nchw) {
  transpose_images(b, n, es_blas_pixels(t.shape), t.shape.c, src, false, nchw);
  return ES_OK;
}

static es_status flatten_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  const es_shape s = op->desc.in;
  transpose_images(op->backend, a->n, es_blas_pixels(s), s.c, a->x, false, a->y);
  return ES_OK;
}

static es_status flatten_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  if (!op->desc.need_dx) return ES_OK;
  const es_shape s = op->desc.in;
  transpose_images(op->backend, a->n, s.c, es_blas_pixels(s), a->dy, a->add_dx, a->dx);
  return ES_OK;
}

es_status es_blas_plan_flatten(es_backend *b, const es_op_desc *d, es_op **op) {
  ES_TRY(es_blas_op_new(b, d, sizeof(es_blas_op), 0, op));
  (*op)->forward = flatten_forward;
  (*op)->backward = flatten_backward;
  return ES_OK;
}

static int64_t elements(const es_op *op, int n) {
  return n * es_blas_pixels(op->desc.in) * op->desc.in.c;
}

/** Written so that a NaN stays a NaN. */
static es_status relu_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  const float *x = a->x;
  float *y = a->y;
  const int64_t n = elements(op, a->n);
#pragma omp parallel for simd num_threads(op->backend->threads) schedule(static)
  for (int64_t i = 0; i < n; i++) y[i] = x[i] < 0.0f ? 0.0f : x[i];
  return ES_OK;
}

static es_status relu_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  if (!op->desc.need_dx) return ES_OK;
  const float *y = a->y, *dy = a->dy;
  float *dx = a->dx;
  const int64_t n = elements(op, a->n);
  const bool add = a->add_dx;
#pragma omp parallel for simd num_threads(op->backend->threads) schedule(static)
  for (int64_t i = 0; i < n; i++) {
    const float g = y[i] > 0.0f ? dy[i] : 0.0f;
    dx[i] = add ? dx[i] + g : g;
  }
  return ES_OK;
}

es_status es_blas_plan_relu(es_backend *b, const es_op_desc *d, es_op **op) {
  ES_TRY(es_blas_op_new(b, d, sizeof(es_blas_op), 0, op));
  (*op)->forward = relu_forward;
  (*op)->backward = relu_backward;
  (*op)->flops = (double) es_blas_pixels(d->in) * d->in.c;
  return ES_OK;
}
