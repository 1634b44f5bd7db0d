/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_pool.c  Maximum over windows, and global mean. */
#include <string.h>
#include "blas.h"

/* --- maximum ------------------------------------------------------------------------ */

/* The plan's work space: unsigned char winner [max_n, oh, ow, c], the tap that won. */

/** Visit the taps of output (y, x) inside the map: offset in pixels of image, or -1. */
static int64_t tap_pixel(const es_op_desc *d, int y, int x, int tap) {
  const int iy = y * d->window.stride - d->window.pad + tap / d->window.k;
  const int ix = x * d->window.stride - d->window.pad + tap % d->window.k;
  if (iy < 0 || iy >= d->in.h || ix < 0 || ix >= d->in.w) return -1;
  return (int64_t) iy * d->in.w + ix;
}

/** The first of equals wins, as in PyTorch; a NaN wins over all. */
static void compete(int c, const float *x, unsigned char tap, float *best,
                    unsigned char *winner) {
#pragma omp simd
  for (int i = 0; i < c; i++) {
    const bool wins = x[i] > best[i] || x[i] != x[i];
    best[i] = wins ? x[i] : best[i];
    winner[i] = wins ? tap : winner[i];
  }
}

static void give_back(int c, const float *dy, unsigned char tap,
                      const unsigned char *winner, float *dx) {
#pragma omp simd
  for (int i = 0; i < c; i++) dx[i] += winner[i] == tap ? dy[i] : 0.0f;
}

static void max_of(const es_op_desc *d, const float *x, int oy, int ox, float *best,
                   unsigned char *winner) {
  bool first = true;
  for (int tap = 0; tap < d->window.k * d->window.k; tap++) {
    const int64_t pixel = tap_pixel(d, oy, ox, tap);
    if (pixel < 0) continue;
    const float *from = x + pixel * d->in.c;
    if (first) {
      memcpy(best, from, (size_t) d->in.c * sizeof *best);
      memset(winner, tap, (size_t) d->in.c);
    }
    if (!first) compete(d->in.c, from, (unsigned char) tap, best, winner);
    first = false;
  }
}

static es_status max_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  const es_op_desc *d = &op->desc;
  const int64_t in = es_blas_pixels(d->in) * d->in.c;
  const int rows = a->n * d->out.h;
  unsigned char *winner = ((es_blas_op *) op)->work;
#pragma omp parallel for num_threads(op->backend->threads) schedule(static)
  for (int r = 0; r < rows; r++) {
    const float *x = (const float *) a->x + r / d->out.h * in;
    for (int ox = 0; ox < d->out.w; ox++) {
      const int64_t to = ((int64_t) r * d->out.w + ox) * d->in.c;
      max_of(d, x, r % d->out.h, ox, (float *) a->y + to, winner + to);
    }
  }
  return ES_OK;
}

static void max_image_back(const es_op_desc *d, const float *dy,
                           const unsigned char *winner, float *dx) {
  for (int oy = 0; oy < d->out.h; oy++)
    for (int ox = 0; ox < d->out.w; ox++, dy += d->in.c, winner += d->in.c)
      for (int tap = 0; tap < d->window.k * d->window.k; tap++) {
        const int64_t pixel = tap_pixel(d, oy, ox, tap);
        if (pixel >= 0)
          give_back(d->in.c, dy, (unsigned char) tap, winner, dx + pixel * d->in.c);
      }
}

static es_status max_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  const es_op_desc *d = &op->desc;
  if (!d->need_dx) return ES_OK;
  const int64_t in = es_blas_pixels(d->in) * d->in.c;
  const int64_t out = es_blas_pixels(d->out) * d->in.c;
  const unsigned char *winner = ((es_blas_op *) op)->work;
#pragma omp parallel for num_threads(op->backend->threads) schedule(static)
  for (int i = 0; i < a->n; i++) {
    float *dx = (float *) a->dx + i * in;
    if (!a->add_dx) memset(dx, 0, (size_t) in * sizeof *dx);
    max_image_back(d, (const float *) a->dy + i * out, winner + i * out, dx);
  }
  return ES_OK;
}

es_status es_blas_plan_maxpool(es_backend *b, const es_op_desc *d, es_op **op) {
  const int64_t out = es_blas_pixels(d->out) * d->in.c;
  const size_t winners = (size_t) d->max_n * (size_t) out;
  ES_TRY(es_blas_op_new(b, d, sizeof(es_blas_op), winners, op));
  (*op)->forward = max_forward;
  (*op)->backward = max_backward;
  (*op)->flops = (double) out * d->window.k * d->window.k;
  return ES_OK;
}

/* --- mean --------------------------------------------------------------------------- */

/* The plan's work space: double sums [c]. */

static es_status mean_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  const int c = op->desc.in.c;
  const int64_t pixels = es_blas_pixels(op->desc.in);
  double *sums = ((es_blas_op *) op)->work;
  for (int i = 0; i < a->n; i++) {
    const float *x = (const float *) a->x + i * pixels * c;
    float *y = (float *) a->y + (int64_t) i * c;
    memset(sums, 0, (size_t) c * sizeof *sums);
    es_blas_column_sums(pixels, c, x, sums);
    for (int j = 0; j < c; j++) y[j] = (float) (sums[j] / (double) pixels);
  }
  return ES_OK;
}

static void spread(int c, float share, const float *dy, bool add, float *dx) {
#pragma omp simd
  for (int j = 0; j < c; j++) dx[j] = add ? dx[j] + share * dy[j] : share * dy[j];
}

static es_status mean_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  if (!op->desc.need_dx) return ES_OK;
  const int c = op->desc.in.c;
  const int64_t pixels = es_blas_pixels(op->desc.in);
  const float share = 1.0f / (float) pixels;
#pragma omp parallel for num_threads(op->backend->threads) schedule(static)
  for (int64_t p = 0; p < a->n * pixels; p++)
    spread(c, share, (const float *) a->dy + p / pixels * c, a->add_dx,
           (float *) a->dx + p * c);
  return ES_OK;
}

es_status es_blas_plan_avgpool(es_backend *b, const es_op_desc *d, es_op **op) {
  ES_TRY(es_blas_op_new(b, d, sizeof(es_blas_op), (size_t) d->in.c * sizeof(double), op));
  (*op)->forward = mean_forward;
  (*op)->backward = mean_backward;
  (*op)->flops = (double) es_blas_pixels(d->in) * d->in.c;
  return ES_OK;
}
