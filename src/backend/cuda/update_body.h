/* SPDX-License-Identifier: BSD-3-Clause */
/** @file update_body.h  Kernels that update parameters and pack them; their formulas are
 *  in kernels.h. */
#ifndef ES_CUDA_UPDATE_BODY_H
#define ES_CUDA_UPDATE_BODY_H

#include <math.h>
#include "kernels.h"
#include "value_body.h"

/** The packed copy of *at, a new value, where there is one; a tensor has less than 2^32
 *  numbers. */
__device__ inline void es_pack_value(const es_cuda_packing &w, const float *at) {
  int low = 0, high = w.n; /* the last tensor that begins at it or before */
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (w.list[middle].from <= at)
      low = middle;
    else
      high = middle;
  }
  if (w.n == 0 || at < w.list[low].from) return;
  const es_cuda_packed &t = w.list[low];
  const int64_t place = at - t.from;
  if (place >= t.of.o * t.of.i * t.of.taps) return;
  const uint32_t taps = (uint32_t) t.of.taps, inner = (uint32_t) t.of.i;
  const uint32_t row = (uint32_t) place / taps, o = row / inner;
  const int64_t to =
      ((int64_t) o * taps + ((uint32_t) place - row * taps)) * inner + (row - o * inner);
  if (t.of.bf16)
    es_put((es_bf16 *) t.to + to, *at);
  else
    es_put((float *) t.to + to, *at);
}

struct es_sgd_one {
  es_cuda_sgd a;
  __device__ void operator()(int64_t i) const {
    const float g = a.scale * (a.g[i] + a.decay * a.p[i]);
    float by = g;
    if (a.m != nullptr) {
      const float m = a.momentum * a.m[i] + g;
      a.m[i] = m;
      by = a.nesterov ? g + a.momentum * m : m;
    }
    a.p[i] -= a.lr * by;
    es_pack_value(a.packing, a.p + i);
  }
};

struct es_adamw_one {
  es_cuda_adamw a;
  __device__ void operator()(int64_t i) const {
    const es_cuda_adamw_rates &by = a.by;
    const float m = by.b1 * a.m[i] + by.new1 * a.g[i];
    const float v = by.b2 * a.v[i] + by.new2 * a.g[i] * a.g[i];
    a.m[i] = m;
    a.v[i] = v;
    a.p[i] -= by.decay * a.p[i] + by.rate * m / (by.root * sqrtf(v) + by.eps);
    es_pack_value(a.packing, a.p + i);
  }
};

#endif
