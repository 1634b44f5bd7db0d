/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_linear.c  Linear layer: y [n, o] = x [n, i] w [o, i]' + b. */
#include <cblas.h>
#include <string.h>
#include "blas.h"

static es_status forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  if (a->n == 0) return ES_OK;
  const int in = op->desc.in.c, out = op->desc.out.c;
  float *y = a->y;
  if (op->desc.bias)
    for (int i = 0; i < a->n; i++)
      memcpy(y + (int64_t) i * out, a->param.b, (size_t) out * sizeof *y);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, a->n, out, in, 1.0f, a->x, in,
              a->param.w, in, op->desc.bias ? 1.0f : 0.0f, y, out);
  return ES_OK;
}

static es_status backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  if (a->n == 0) return ES_OK;
  const int in = op->desc.in.c, out = op->desc.out.c;
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, a->n, 1.0f, a->dy, out,
              a->x, in, 1.0f, a->param.dw, in);
  if (op->desc.bias) {
    double *sums = ((es_blas_op *) op)->work; /* [o] */
    memset(sums, 0, (size_t) out * sizeof *sums);
    es_blas_column_sums(a->n, out, a->dy, sums);
    for (int o = 0; o < out; o++) a->param.db[o] += (float) sums[o];
  }
  if (op->desc.need_dx)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, a->n, in, out, 1.0f, a->dy,
                out, a->param.w, in, a->add_dx ? 1.0f : 0.0f, a->dx, in);
  return ES_OK;
}

es_status es_blas_plan_linear(es_backend *b, const es_op_desc *d, es_op **op) {
  const size_t sums = d->bias ? (size_t) d->out.c * sizeof(double) : 0;
  ES_TRY(es_blas_op_new(b, d, sizeof(es_blas_op), sums, op));
  (*op)->forward = forward;
  (*op)->backward = backward;
  (*op)->flops = 2.0 * d->in.c * (double) d->out.c;
  return ES_OK;
}
