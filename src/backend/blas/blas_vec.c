/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_vec.c  Plain f32 vectors, column sums and transposes of the `blas` backend.
 *
 *  Every loop has a fixed partition, so a result does not depend on the thread count. */
#include <math.h>
#include <string.h>
#include "blas.h"
#include "eigenstep/tree.h"

enum {
  RUN = 64,     /* rows summed in f32 before they join a double */
  BLOCK = 4096, /* elements of a partial sum of a dot product */
  BLOCKS = 512, /* partial sums on the stack */
  TILE = 16,    /* of a transpose: 16 floats are a cache line */
  WIDTH = 256   /* columns summed at a time, on the stack */
};

es_status es_blas_upload(es_backend *b, es_buf dst, const float *src, size_t n) {
  (void) b;
  if (n > 0) memcpy(dst, src, n * sizeof(float));
  return ES_OK;
}

es_status es_blas_download(es_backend *b, float *dst, const es_buf src, size_t n) {
  (void) b;
  if (n > 0) memcpy(dst, src, n * sizeof(float));
  return ES_OK;
}

es_status es_blas_copy(es_backend *b, es_buf dst, const es_buf src, size_t n) {
  (void) b;
  if (n > 0) memcpy(dst, src, n * sizeof(float));
  return ES_OK;
}

es_status es_blas_download64(es_backend *b, double *dst, const es_buf64 src, size_t n) {
  (void) b;
  if (n > 0) memcpy(dst, src, n * sizeof(double));
  return ES_OK;
}

es_status es_blas_zero(es_backend *b, void *p, size_t bytes) {
  (void) b;
  if (bytes > 0) memset(p, 0, bytes);
  return ES_OK;
}

/* Each call has done its work when it returns: nothing to wait for. */
es_status es_blas_sync(es_backend *b) {
  (void) b;
  return ES_OK;
}

es_status es_blas_record(es_backend *b, es_mark *m) {
  (void) b;
  *m = 1;
  return ES_OK;
}

es_status es_blas_wait(es_backend *b, es_mark m) {
  (void) b;
  (void) m;
  return ES_OK;
}

/** x'x, x'y, y'y of n <= BLOCK elements. */
static void gram_of(size_t n, const float *x, const float *y, double sum[3]) {
  double xx = 0.0, xy = 0.0, yy = 0.0;
#pragma omp simd reduction(+ : xx, xy, yy)
  for (size_t i = 0; i < n; i++) {
    const double u = x[i], v = y[i];
    xx += u * u;
    xy += u * v;
    yy += v * v;
  }
  sum[0] = xx;
  sum[1] = xy;
  sum[2] = yy;
}

static double dot_of(size_t n, const float *x, const float *y) {
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (size_t i = 0; i < n; i++) sum += (double) x[i] * (double) y[i];
  return sum;
}

/** r[sums] += x'y (1) or the Gram matrix (3), from BLOCKS partial sums at a time: these
 *  by threads, their sum in order. */
static void add_products(int threads, size_t n, const float *x, const float *y, int sums,
                         double *r) {
  (void) threads; /* without OpenMP */
  double part[3 * BLOCKS], total[3] = {0};
  for (size_t begin = 0; begin < n; begin += (size_t) BLOCK * BLOCKS) {
    const size_t left = (n - begin + BLOCK - 1) / BLOCK;
    const int blocks = left < BLOCKS ? (int) left : BLOCKS;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int k = 0; k < blocks; k++) {
      const size_t at = begin + (size_t) k * BLOCK;
      const size_t count = n - at < BLOCK ? n - at : BLOCK;
      if (sums == 1)
        part[k] = dot_of(count, x + at, y + at);
      else
        gram_of(count, x + at, y + at, part + 3 * k);
    }
    for (int k = 0; k < blocks; k++)
      for (int i = 0; i < sums; i++) total[i] += part[sums * k + i];
  }
  for (int i = 0; i < sums; i++) r[i] += total[i];
}

es_status es_blas_dot(es_backend *b, size_t n, const es_buf x, const es_buf y,
                      es_buf64 r) {
  add_products(b->threads, n, x, y, 1, r);
  return ES_OK;
}

es_status es_blas_gram(es_backend *b, size_t n, const es_buf x, const es_buf y,
                       es_buf64 r) {
  add_products(b->threads, n, x, y, 3, r);
  return ES_OK;
}

es_status es_blas_scale(es_backend *b, size_t n, double alpha, es_buf x) {
  const float f = (float) alpha;
#pragma omp parallel for simd num_threads(b->threads) schedule(static)
  for (size_t i = 0; i < n; i++) x[i] *= f;
  return ES_OK;
}

es_status es_blas_sgd(es_backend *b, size_t n, const es_sgd_args *a, es_buf p,
                      const es_buf g, es_buf m) {
  const float lr = (float) a->lr, mu = (float) a->momentum;
  const float scale = (float) a->scale, decay = (float) a->weight_decay;
  const float of_gradient = a->nesterov ? 1.0f : 0.0f;
  const float of_momentum = a->nesterov ? mu : 1.0f;
  if (m == NULL) {
#pragma omp parallel for simd num_threads(b->threads) schedule(static)
    for (size_t i = 0; i < n; i++) p[i] -= lr * (scale * (g[i] + decay * p[i]));
    return ES_OK;
  }
#pragma omp parallel for simd num_threads(b->threads) schedule(static)
  for (size_t i = 0; i < n; i++) {
    const float gi = scale * (g[i] + decay * p[i]);
    const float mi = mu * m[i] + gi;
    m[i] = mi;
    p[i] -= lr * (of_gradient * gi + of_momentum * mi);
  }
  return ES_OK;
}

es_status es_blas_adamw(es_backend *b, size_t n, const es_adamw_args *a, es_buf p,
                        const es_buf g, es_buf const moments[2]) {
  const float b1 = (float) a->beta1, new1 = (float) (1.0 - a->beta1);
  const float b2 = (float) a->beta2, new2 = (float) (1.0 - a->beta2);
  const float decay = (float) (a->lr * a->weight_decay), eps = (float) a->eps;
  const float rate = (float) (a->lr / (1.0 - pow(a->beta1, (double) a->step)));
  const float root = (float) (1.0 / sqrt(1.0 - pow(a->beta2, (double) a->step)));
  float *const m = moments[0], *const v = moments[1];
#pragma omp parallel for simd num_threads(b->threads) schedule(static)
  for (size_t i = 0; i < n; i++) {
    const float mi = b1 * m[i] + new1 * g[i];
    const float vi = b2 * v[i] + new2 * g[i] * g[i];
    m[i] = mi;
    v[i] = vi;
    p[i] -= decay * p[i] + rate * mi / (root * sqrtf(vi) + eps);
  }
  return ES_OK;
}

es_status es_blas_add(es_backend *b, size_t n, const es_buf x, es_buf y) {
#pragma omp parallel for simd num_threads(b->threads) schedule(static)
  for (size_t i = 0; i < n; i++) y[i] += x[i];
  return ES_OK;
}

es_status es_blas_allreduce(es_backend *b, const es_comm *c, es_buf p, size_t n) {
  (void) b;
  es_comm_sum_f32(c, p, (int64_t) n);
  return ES_OK;
}

es_status es_blas_treesum(es_backend *b, const es_comm *c, es_buf p, size_t n) {
  (void) b;
  es_tree_sum_f32(c, p, (int64_t) n);
  return ES_OK;
}

/** sum[n] += column sums of at most RUN rows and n <= WIDTH columns. */
static void sum_run(int64_t rows, int width, int n, const float *x, double *sum) {
  float part[WIDTH] = {0};
  for (int64_t r = 0; r < rows; r++) {
    const float *row = x + r * width;
#pragma omp simd
    for (int c = 0; c < n; c++) part[c] += row[c];
  }
  for (int c = 0; c < n; c++) sum[c] += part[c];
}

void es_blas_column_sums(int64_t rows, int width, const float *x, double *sum) {
  for (int64_t first = 0; first < rows; first += RUN) {
    const int64_t count = rows - first < RUN ? rows - first : RUN;
    for (int c = 0; c < width; c += WIDTH)
      sum_run(count, width, width - c < WIDTH ? width - c : WIDTH, x + first * width + c,
              sum + c);
  }
}

static void transpose_tile(int64_t rows, int64_t cols, int64_t r0, int64_t c0,
                           const float *src, bool add, float *dst) {
  const int64_t r1 = r0 + TILE < rows ? r0 + TILE : rows;
  const int64_t c1 = c0 + TILE < cols ? c0 + TILE : cols;
  for (int64_t c = c0; c < c1; c++) {
    float *to = dst + c * rows;
    if (add)
      for (int64_t r = r0; r < r1; r++) to[r] += src[r * cols + c];
    else
      for (int64_t r = r0; r < r1; r++) to[r] = src[r * cols + c];
  }
}

void es_blas_transpose(int64_t rows, int64_t cols, const float *src, bool add,
                       float *dst) {
  for (int64_t r = 0; r < rows; r += TILE)
    for (int64_t c = 0; c < cols; c += TILE)
      transpose_tile(rows, cols, r, c, src, add, dst);
}
