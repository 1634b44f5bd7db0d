/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_orthogonal.c  Newton-Schulz iteration towards the orthogonal factor of a
 *  matrix (es_orthogonal_args), in f32. With m the shorter side and n the longer, one
 *  iteration takes 3 m^2 n + m^3 multiply-adds: S and S S are symmetric. */
#include <cblas.h>
#include <math.h>
#include <string.h>
#include "blas.h"

static const float linear = 3.4445f, cubic = -4.7750f, quintic = 2.0315f;

/** s [m, m] = x x', or x'x where x is `tall`; both triangles. */
static void gram(int m, int n, bool tall, const float *x, float *s) {
  cblas_ssyrk(CblasRowMajor, CblasLower, tall ? CblasTrans : CblasNoTrans, m, n, 1, x,
              tall ? m : n, 0, s, m);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = i + 1; j < m; j++) s[i * m + j] = s[j * m + i];
}

es_status es_blas_orthogonalize(es_backend *b, const es_orthogonal_args *a, es_buf x,
                                es_buf work) {
  const bool tall = a->rows > a->cols;
  const int m = tall ? a->cols : a->rows, n = tall ? a->rows : a->cols;
  const size_t count = (size_t) m * (size_t) n, square = (size_t) m * (size_t) m;
  float *const y = work, *const s = y + count, *const p = s + square;
  double sum = 0;
  ES_TRY(es_blas_dot(b, count, x, x, &sum));
  ES_TRY(es_blas_scale(b, count, 1 / (sqrt(sum) + 1e-7), x));
  for (int k = 0; k < a->iterations; k++) {
    gram(m, n, tall, x, s);
    gram(m, m, false, s, p); /* S S = S S' */
#pragma omp parallel for simd num_threads(b->threads) schedule(static)
    for (size_t i = 0; i < square; i++) p[i] = cubic * s[i] + quintic * p[i];
    memcpy(y, x, count * sizeof *y);
    cblas_ssymm(CblasRowMajor, tall ? CblasRight : CblasLeft, CblasLower, a->rows,
                a->cols, 1, p, m, y, a->cols, linear, x, a->cols);
  }
  return ES_OK;
}
