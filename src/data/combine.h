/* SPDX-License-Identifier: BSD-3-Clause */
/** @file combine.h  The inner loop of resizing and blurring: a weighted sum of rows. */
#ifndef ES_COMBINE_H
#define ES_COMBINE_H

#include <stddef.h>

/** out[x] = sum_k weight[k] in[k stride + x] for x < n, k < taps, taps >= 1; `out` is
 *  apart from `in`. Four rows at a time, as going over `out` costs as much as a row. */
static inline void es_combine(int taps, const float *weight, const float *in,
                              size_t stride, int n, float *restrict out) {
  const float *w = weight, *p = in;
  int left = taps;
  if (left >= 4) {
    const float *q = p + stride, *r = q + stride, *s = r + stride;
    for (int x = 0; x < n; x++)
      out[x] = w[0] * p[x] + w[1] * q[x] + w[2] * r[x] + w[3] * s[x];
    w += 4, p = s + stride, left -= 4;
  } else {
    for (int x = 0; x < n; x++) out[x] = w[0] * p[x];
    w++, p += stride, left--;
  }
  for (; left >= 4; w += 4, left -= 4) {
    const float *q = p + stride, *r = q + stride, *s = r + stride;
    for (int x = 0; x < n; x++)
      out[x] += w[0] * p[x] + w[1] * q[x] + w[2] * r[x] + w[3] * s[x];
    p = s + stride;
  }
  for (; left > 0; w++, p += stride, left--)
    for (int x = 0; x < n; x++) out[x] += w[0] * p[x];
}

#endif
