/* SPDX-License-Identifier: BSD-3-Clause */
/** @file resample.c  Separable resizing with antialiasing, as Pillow and torchvision do
 *  it: a triangle (bilinear) or Keys' cubic with a = -1/2 (bicubic), stretched by the
 *  reduction when an image shrinks. R. Keys, IEEE Trans. ASSP 29 (1981). */
#include "resample.h"

#include <math.h>
#include <string.h>

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
  return (size_t) n_out * (size_t) (1 + count_taps(2 * scale));
}

es_resample es_resample_plan(es_filter f, int n_in, int n_out, float *work) {
  float (*filter)(float) = f == ES_BICUBIC ? cubic : triangle;
  const float step = (float) n_in / (float) n_out, stretch = fmaxf(step, 1);
  const float support = (f == ES_BICUBIC ? 2.0f : 1.0f) * stretch;
  es_resample r = {.n_in = n_in, .n_out = n_out, .taps = count_taps(support)};
  r.first = (void *) work;
  r.weight = work + n_out;
  for (int i = 0; i < n_out; i++) {
    const float centre = ((float) i + 0.5f) * step;
    const int from = (int) fmaxf(centre - support + 0.5f, 0);
    const int past = (int) fminf(centre + support + 0.5f, (float) n_in);
    float *weight = r.weight + (size_t) i * (size_t) r.taps, sum = 0;
    memset(weight, 0, (size_t) r.taps * sizeof *weight);
    for (int k = 0; k < past - from; k++) {
      weight[k] = filter(((float) (from + k) - centre + 0.5f) / stretch);
      sum += weight[k];
    }
    for (int k = 0; k < past - from; k++) weight[k] /= sum;
    r.first[i] = from;
  }
  return r;
}

/** Number of taps of output i that lie inside the input. */
static int taps_inside(const es_resample *r, int i) {
  const int left = r->n_in - r->first[i];
  return r->taps < left ? r->taps : left;
}

void es_resample_along(const es_resample *r, const float *in, es_window window,
                       float *out) {
  for (int y = 0; y < window.h; y++, out += r->n_out) {
    const float *row = in + (size_t) (window.y + y) * (size_t) window.stride + window.x;
    for (int i = 0; i < r->n_out; i++) {
      const float *weight = r->weight + (size_t) i * (size_t) r->taps;
      const float *from = row + r->first[i];
      const int taps = taps_inside(r, i);
      float sum = 0;
      for (int k = 0; k < taps; k++) sum += weight[k] * from[k];
      out[i] = sum;
    }
  }
}

void es_resample_across(const es_resample *r, const float *in, int width, float *out) {
  const size_t n = (size_t) width;
  for (int i = 0; i < r->n_out; i++) {
    const float *weight = r->weight + (size_t) i * (size_t) r->taps;
    const int taps = taps_inside(r, i);
    float *restrict line = out + (size_t) i * n;
    memset(line, 0, n * sizeof *line);
    for (int k = 0; k < taps; k++) {
      const float *restrict from = in + (size_t) (r->first[i] + k) * n;
      for (size_t x = 0; x < n; x++) line[x] += weight[k] * from[x];
    }
  }
}
