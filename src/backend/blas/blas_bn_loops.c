/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_bn_loops.c  The passes of batch normalisation over [rows, C].
 *
 *  Sums: f32 over runs of at most 64 rows, then double. Values are taken relative to the
 *  first row of the run, so a mean far from zero costs no digits; what is left is the f32
 *  rounding of a run, below 64 x 2^-24 = 4e-6 of a standard deviation at worst, about
 *  5e-7 for independent errors. Columns are independent and rows are taken in order: the
 *  sums do not depend on the number of threads. */
#include "blas_bn.h"

enum {
  RUN = 64,         /* rows summed in f32 */
  WIDE = 256,       /* columns at a time, on the stack */
  NARROW = 64,      /* the same where threads share the columns */
  ROWS_AT_ONCE = 64 /* of a thread in the passes by rows */
};

static int min_int(int a, int b) {
  return a < b ? a : b;
}

static int64_t min_int64(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/** One run of n <= WIDE columns. */
static void moments_of_run(int64_t rows, int width, int n, const float *x, double *sum,
                           double *square) {
  float s1[WIDE] = {0}, s2[WIDE] = {0};
  for (int64_t r = 1; r < rows; r++) {
    const float *row = x + r * width;
#pragma omp simd
    for (int c = 0; c < n; c++) {
      const float d = row[c] - x[c];
      s1[c] += d;
      s2[c] += d * d;
    }
  }
  for (int c = 0; c < n; c++) {
    const double shift = x[c], first = s1[c];
    sum[c] += first + (double) rows * shift;
    square[c] += s2[c] + shift * (2.0 * first + (double) rows * shift);
  }
}

void es_blas_bn_moments(int threads, int64_t rows, int width, const float *x, double *sum,
                        double *square) {
  const int block = threads > 1 ? NARROW : WIDE;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int c = 0; c < width; c += block)
    for (int64_t first = 0; first < rows; first += RUN)
      moments_of_run(min_int64(RUN, rows - first), width, min_int(block, width - c),
                     x + first * width + c, sum + c, square + c);
}

/** s1 += sum g, s2 += sum g (x - mean); g = dy where `gate` is positive, else 0. */
static void gradients_of_run(const es_blas_bn_grad *g, int64_t rows, int64_t first,
                             int c0, int n) {
  float s1[WIDE] = {0}, s2[WIDE] = {0};
  const float *mean = g->mean + c0;
  for (int64_t r = first; r < first + rows; r++) {
    const int64_t at = r * g->width + c0;
    const float *x = g->x + at, *dy = g->dy + at, *gate = g->gate + at;
    const bool relu = g->relu;
#pragma omp simd
    for (int c = 0; c < n; c++) {
      const float v = !relu || gate[c] > 0.0f ? dy[c] : 0.0f;
      s1[c] += v;
      s2[c] += v * (x[c] - mean[c]);
    }
  }
  double *const product = g->sum + g->width;
  for (int c = 0; c < n; c++) {
    g->sum[c0 + c] += s1[c];
    product[c0 + c] += s2[c];
  }
}

void es_blas_bn_gradients(int threads, int64_t rows, const es_blas_bn_grad *g) {
  const int block = threads > 1 ? NARROW : WIDE;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int c = 0; c < g->width; c += block)
    for (int64_t first = 0; first < rows; first += RUN)
      gradients_of_run(g, min_int64(RUN, rows - first), first, c,
                       min_int(block, g->width - c));
}

/** A row stays in the first-level cache between these loops. A NaN stays a NaN. */
static void apply_row(const es_blas_bn_apply *p, int64_t at) {
  const float *x = p->x + at, *mean = p->mean, *scale = p->scale, *bias = p->bias;
  float *y = p->y + at;
  const int n = p->width;
  if (p->residual != NULL) {
    const float *residual = p->residual + at;
#pragma omp simd
    for (int c = 0; c < n; c++)
      y[c] = (x[c] - mean[c]) * scale[c] + bias[c] + residual[c];
  } else {
#pragma omp simd
    for (int c = 0; c < n; c++) y[c] = (x[c] - mean[c]) * scale[c] + bias[c];
  }
  if (!p->relu) return;
#pragma omp simd
  for (int c = 0; c < n; c++) y[c] = y[c] < 0.0f ? 0.0f : y[c];
}

void es_blas_bn_apply_rows(int threads, int64_t rows, const es_blas_bn_apply *p) {
  (void) threads; /* without OpenMP */
#pragma omp parallel for num_threads(threads) schedule(static, ROWS_AT_ONCE)
  for (int64_t r = 0; r < rows; r++) apply_row(p, r * p->width);
}

/** dx [+]= scale g - offset - slope (x - mean); dresidual [+]= g */
static void back_row(const es_blas_bn_grad *p, int64_t at) {
  const float *x = p->x + at, *dy = p->dy + at, *gate = p->gate + at, *mean = p->mean;
  const float *scale = p->scale, *offset = p->offset, *slope = p->slope;
  const int n = p->width;
  const bool relu = p->relu, add_dx = p->out.add_dx, add_dr = p->out.add_dresidual;
  if (p->out.dx != NULL) {
    float *dx = p->out.dx + at;
#pragma omp simd
    for (int c = 0; c < n; c++) {
      const float g = !relu || gate[c] > 0.0f ? dy[c] : 0.0f;
      const float v = scale[c] * g - offset[c] - slope[c] * (x[c] - mean[c]);
      dx[c] = add_dx ? dx[c] + v : v;
    }
  }
  if (p->out.dresidual != NULL) {
    float *dr = p->out.dresidual + at;
#pragma omp simd
    for (int c = 0; c < n; c++) {
      const float g = !relu || gate[c] > 0.0f ? dy[c] : 0.0f;
      dr[c] = add_dr ? dr[c] + g : g;
    }
  }
}

void es_blas_bn_back_rows(int threads, int64_t rows, const es_blas_bn_grad *p) {
  (void) threads;
#pragma omp parallel for num_threads(threads) schedule(static, ROWS_AT_ONCE)
  for (int64_t r = 0; r < rows; r++) back_row(p, r * p->width);
}
