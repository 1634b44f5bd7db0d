/* SPDX-License-Identifier: BSD-3-Clause */
/** @file resample.c  Separable resizing with antialiasing, as Pillow and torchvision do
 *  it: a triangle (bilinear) or Keys' cubic with a = -1/2 (bicubic), stretched by the
 *  reduction when an image shrinks. R. Keys, IEEE Trans. ASSP 29 (1981). */
#include "resample.h"

#include <math.h>

#include "combine.h"

static float triangle(float x) {
  x = fabsf(x);
  return x < 1 ? 1 - x : 0;
}

static float cubic(float x) {
  x = fabsf(x);
  if (x < 1) return (1.5f * x - 2.5f) * x * x + 1;
  return x < 2 ? ((-0.5f * x + 2.5f) * x - 4) * x + 2 : 0;
}

static int count_taps(float support) {
  return 2 * (int) ceilf(support) + 1;
}

size_t es_resample_work(int n_in, int n_out) {
  const float scale = fmaxf((float) n_in / (float) n_out, 1);
  return (size_t) n_out * (size_t) (2 + count_taps(2 * scale));
}

es_resample es_resample_plan(es_filter f, int n_in, int n_out, float *work) {
  const float step = (float) n_in / (float) n_out, stretch = fmaxf(step, 1);
  const float support = (f == ES_BICUBIC ? 2.0f : 1.0f) * stretch, squeeze = 1 / stretch;
  es_resample r = {.n_in = n_in, .n_out = n_out, .most = count_taps(support)};
  r.first = (void *) work;
  r.taps = r.first + n_out;
  r.weight = work + 2 * n_out;
  for (int i = 0; i < n_out; i++) {
    const float centre = ((float) i + 0.5f) * step;
    const int from = (int) fmaxf(centre - support + 0.5f, 0);
    const int past = (int) fminf(centre + support + 0.5f, (float) n_in);
    float *weight = r.weight + (size_t) i * (size_t) r.most, sum = 0;
    for (int k = 0; k < past - from; k++) {
      const float x = ((float) (from + k) - centre + 0.5f) * squeeze;
      weight[k] = f == ES_BICUBIC ? cubic(x) : triangle(x);
      sum += weight[k];
    }
    for (int k = 0; k < past - from; k++) weight[k] /= sum;
    r.first[i] = from;
    r.taps[i] = past - from;
  }
  return r;
}

void es_resample_across(const es_resample *r, const float *in, int width, float *out) {
  const size_t n = (size_t) width;
  for (int i = 0; i < r->n_out; i++)
    es_combine(r->taps[i], r->weight + (size_t) i * (size_t) r->most,
               in + (size_t) r->first[i] * n, n, width, out + (size_t) i * n);
}

/** Rows y, y + 1, ... of a window as columns: tile[x][lane]. Lanes past the last row
 *  repeat it. */
static void transpose_in(const float *in, es_window win, int y, float *restrict tile) {
  for (int lane = 0; lane < ES_RESAMPLE_LANES; lane++) {
    const int row = y + lane < win.h ? y + lane : win.h - 1;
    const float *from = in + (size_t) (win.y + row) * (size_t) win.stride + win.x;
    for (int x = 0; x < win.w; x++) tile[x * ES_RESAMPLE_LANES + lane] = from[x];
  }
}

/** Columns tile[x][lane] as rows y, y + 1, ... of out [h, n]. */
static void transpose_out(const float *tile, int n, int y, int h, float *restrict out) {
  for (int lane = 0; lane < ES_RESAMPLE_LANES && y + lane < h; lane++) {
    float *to = out + (size_t) (y + lane) * (size_t) n;
    for (int x = 0; x < n; x++) to[x] = tile[x * ES_RESAMPLE_LANES + lane];
  }
}

void es_resample_along(const es_resample *r, const float *in, es_window window,
                       float *work, float *out) {
  float *transposed = work, *made = work + (size_t) ES_RESAMPLE_LANES * (size_t) window.w;
  for (int y = 0; y < window.h; y += ES_RESAMPLE_LANES) {
    transpose_in(in, window, y, transposed);
    for (int i = 0; i < r->n_out; i++)
      es_combine(r->taps[i], r->weight + (size_t) i * (size_t) r->most,
                 transposed + r->first[i] * ES_RESAMPLE_LANES, ES_RESAMPLE_LANES,
                 ES_RESAMPLE_LANES, made + i * ES_RESAMPLE_LANES);
    transpose_out(made, r->n_out, y, window.h, out);
  }
}
