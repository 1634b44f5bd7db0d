/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ops_reference.h  Every network op once more, as its formula reads: double
 *  precision, [N, C, H, W], no thought of speed. Tests compare backends with it, and take
 *  its finite differences for gradients. */
#ifndef ES_OPS_REFERENCE_H
#define ES_OPS_REFERENCE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include "eigenstep/backend.h"

/** One execution of an op. mean and var are the running averages, updated as asked,
 *  or the constant statistics. */
typedef struct problem {
  es_op_desc desc;
  int n, groups;
  es_bn_mode mode;
  double *x, *residual, *w, *b, *mean, *var, *y;
} problem;

static inline int64_t size_of(es_shape s) {
  return (int64_t) s.c * s.h * s.w;
}

static inline void reference_conv(const problem *p) {
  const es_op_desc *d = &p->desc;
  double *y = p->y;
  for (int n = 0; n < p->n; n++)
    for (int o = 0; o < d->out.c; o++)
      for (int r = 0; r < d->out.h; r++)
        for (int q = 0; q < d->out.w; q++, y++) {
          *y = 0.0;
          for (int t = 0; t < d->in.c * d->window.k * d->window.k; t++) {
            const int c = t / (d->window.k * d->window.k);
            const int iy =
                r * d->window.stride - d->window.pad + t / d->window.k % d->window.k;
            const int ix = q * d->window.stride - d->window.pad + t % d->window.k;
            if (iy < 0 || iy >= d->in.h || ix < 0 || ix >= d->in.w) continue;
            *y += p->w[o * d->in.c * d->window.k * d->window.k + t] *
                  p->x[(((int64_t) n * d->in.c + c) * d->in.h + iy) * d->in.w + ix];
          }
        }
}

static inline void reference_maxpool(const problem *p) {
  const es_op_desc *d = &p->desc;
  double *y = p->y;
  for (int m = 0; m < p->n * d->in.c; m++)
    for (int r = 0; r < d->out.h; r++)
      for (int q = 0; q < d->out.w; q++, y++) {
        *y = -INFINITY;
        for (int t = 0; t < d->window.k * d->window.k; t++) {
          const int iy = r * d->window.stride - d->window.pad + t / d->window.k;
          const int ix = q * d->window.stride - d->window.pad + t % d->window.k;
          if (iy < 0 || iy >= d->in.h || ix < 0 || ix >= d->in.w) continue;
          *y = fmax(*y, p->x[((int64_t) m * d->in.h + iy) * d->in.w + ix]);
        }
      }
}

/** One channel of one group: images [first, first + count). */
static inline void reference_bn_channel(const problem *p, int first, int count, int c) {
  const es_op_desc *d = &p->desc;
  const int64_t pixels = (int64_t) d->in.h * d->in.w, n = count * pixels;
  double mean = 0.0, var = 0.0;
  for (int64_t i = 0; i < n; i++)
    mean += p->x[((first + i / pixels) * d->in.c + c) * pixels + i % pixels] / (double) n;
  for (int64_t i = 0; i < n; i++) {
    const double v =
        p->x[((first + i / pixels) * d->in.c + c) * pixels + i % pixels] - mean;
    var += v * v / (double) n;
  }
  if (p->mode == ES_BN_TRAIN) {
    const double unbiased = n > 1 ? var * (double) n / (double) (n - 1) : var;
    p->mean[c] = (1.0 - d->bn.momentum) * p->mean[c] + d->bn.momentum * mean;
    p->var[c] = (1.0 - d->bn.momentum) * p->var[c] + d->bn.momentum * unbiased;
  }
  if (es_bn_is_constant(p->mode)) mean = p->mean[c];
  if (es_bn_is_constant(p->mode)) var = p->var[c];
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = ((first + i / pixels) * d->in.c + c) * pixels + i % pixels;
    double y = (p->x[at] - mean) / sqrt(var + d->bn.eps) * p->w[c] + p->b[c];
    if (d->bn.residual) y += p->residual[at];
    p->y[at] = d->bn.relu && y < 0.0 ? 0.0 : y;
  }
}

static inline void reference_bn(const problem *p) {
  const int count = p->n / p->groups;
  for (int g = 0; g < p->groups; g++)
    for (int c = 0; c < p->desc.in.c; c++) reference_bn_channel(p, g * count, count, c);
}

static inline void reference_linear(const problem *p) {
  const int in = p->desc.in.c, out = p->desc.out.c;
  for (int i = 0; i < p->n * out; i++) {
    p->y[i] = p->desc.bias ? p->b[i % out] : 0.0;
    for (int j = 0; j < in; j++)
      p->y[i] += p->w[i % out * in + j] * p->x[i / out * in + j];
  }
}

static inline void reference_forward(const problem *p) {
  const int64_t in = p->n * size_of(p->desc.in);
  const int64_t pixels = (int64_t) p->desc.in.h * p->desc.in.w;
  switch (p->desc.kind) {
  case ES_OP_CONV:
    reference_conv(p);
    break;
  case ES_OP_BN:
    reference_bn(p);
    break;
  case ES_OP_LINEAR:
    reference_linear(p);
    break;
  case ES_OP_MAXPOOL:
    reference_maxpool(p);
    break;
  case ES_OP_AVGPOOL:
    for (int64_t i = 0; i < in / pixels; i++) p->y[i] = 0.0;
    for (int64_t i = 0; i < in; i++) p->y[i / pixels] += p->x[i] / (double) pixels;
    break;
  default: /* relu and flatten: element by element */
    for (int64_t i = 0; i < in; i++)
      p->y[i] = p->desc.kind == ES_OP_RELU && p->x[i] < 0.0 ? 0.0 : p->x[i];
  }
}

/** g[n] = derivatives of L = sum dy y by v[n], an input of p; central differences. In
 *  double with a step of 1e-5 their error is about 1e-10 of the values: far below f32. */
static inline void reference_gradient(const problem *p, const double *dy, double *v,
                                      int64_t n, double *g) {
  const int64_t out = p->n * size_of(p->desc.out);
  const double step = 1e-5;
  for (int64_t i = 0; i < n; i++) {
    const double kept = v[i];
    g[i] = 0.0;
    for (int side = -1; side <= 1; side += 2) {
      v[i] = kept + side * step;
      reference_forward(p);
      for (int64_t j = 0; j < out; j++) g[i] += side * dy[j] * p->y[j] / (2.0 * step);
    }
    v[i] = kept;
  }
}

/** The i-th of a fixed sequence of numbers in (-1, 1), different for each seed. */
static inline double noise(uint64_t seed, uint64_t i) {
  uint64_t z = seed * 0x9E3779B97F4A7C15u + (i + 1) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 31)) * 0x94D049BB133111EBu;
  z = (z ^ (z >> 29)) * 0xBF58476D1CE4E5B9u;
  return (double) (z >> 12) * 0x1p-51 - 1.0;
}

#endif
