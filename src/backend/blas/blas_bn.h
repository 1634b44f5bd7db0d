/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_bn.h  The passes of batch normalisation (blas_bn_loops.c) as blas_bn.c uses
 *  them. Matrices are [rows, width], vectors [width]. */
#ifndef ES_BLAS_BN_H
#define ES_BLAS_BN_H

#include "blas.h"

/** y = (x - mean) scale + bias [+ residual], then ReLU. */
typedef struct es_blas_bn_apply {
  int width;
  const float *x, *residual; /**< residual may be NULL */
  const float *mean, *scale, *bias;
  bool relu;
  float *y;
} es_blas_bn_apply;

/** What backward writes: either may be NULL. */
typedef struct es_blas_bn_out {
  float *dx, *dresidual;
  bool add_dx, add_dresidual;
} es_blas_bn_out;

/** With g = dy where the output was positive (or everywhere):
 *  sums: sum[0] += sum g, sum[1] += sum g (x - mean);
 *  rows: dx = scale g - offset - slope (x - mean), dresidual = g. */
typedef struct es_blas_bn_grad {
  int width;
  bool relu;
  const float *x, *dy;
  const float *gate; /**< the output; anything readable if not relu */
  const float *mean, *scale, *offset, *slope;
  double *sum; /**< [2, width] */
  es_blas_bn_out out;
} es_blas_bn_grad;

/** sum += column sums of x, square += column sums of x^2. */
void es_blas_bn_moments(int threads, int64_t rows, int width, const float *x, double *sum,
                        double *square);
void es_blas_bn_apply_rows(int threads, int64_t rows, const es_blas_bn_apply *p);
void es_blas_bn_gradients(int threads, int64_t rows, const es_blas_bn_grad *g);
void es_blas_bn_back_rows(int threads, int64_t rows, const es_blas_bn_grad *p);

#endif
