/* SPDX-License-Identifier: BSD-3-Clause */
/** @file vec_body.h  Kernels on plain f32 vectors; their formulas are in kernels.h. */
#ifndef ES_CUDA_VEC_BODY_H
#define ES_CUDA_VEC_BODY_H

#include <math.h>
#include "kernels.h"
#include "value_body.h"

struct es_scale_one {
  float alpha;
  float *x;
  __device__ void operator()(int64_t i) const {
    x[i] *= alpha;
  }
};

struct es_normalize_one {
  const double *square;
  float *x;
  __device__ void operator()(int64_t i) const {
    x[i] *= (float) (1.0 / (sqrt(*square) + 1e-7));
  }
};

struct es_axpby_one {
  es_cuda_axpby a;
  __device__ void operator()(int64_t i) const {
    a.y[i] = a.beta == 0.0f ? a.alpha * a.x[i] : a.alpha * a.x[i] + a.beta * a.y[i];
  }
};

/** room[k threads] = sums over the block of value[k], for thread 0 to read. All
 * threads of the block call it; their number is a power of two. */
template <int K>
__device__ inline void es_sum_block(const es_thread &t, const double (&value)[K],
                                    double *room) {
  for (int k = 0; k < K; k++) room[k * t.threads() + t.thread()] = value[k];
  for (unsigned half = t.threads() / 2; half > 0; half /= 2) {
    t.barrier();
    if (t.thread() >= half) continue;
    for (int k = 0; k < K; k++) {
      double *at = room + k * t.threads() + t.thread();
      *at += at[half];
    }
  }
}

/** parts [3, blocks] = sums of x'x, x'y, y'y over the elements of each block */
struct es_gram_body {
  es_cuda_gram a;
  __device__ void operator()(const es_thread &t) const {
    double sum[3] = {0.0, 0.0, 0.0};
    const size_t step = (size_t) t.blocks() * t.threads();
    for (size_t i = (size_t) t.block() * t.threads() + t.thread(); i < a.n; i += step) {
      const double u = a.x[i], v = a.y[i];
      sum[1] += u * v;
      if (a.dot) continue;
      sum[0] += u * u;
      sum[2] += v * v;
    }
    double *room = t.shared<double>();
    es_sum_block(t, sum, room);
    if (t.thread() > 0) return;
    for (int k = 0; k < 3; k++)
      a.parts[k * t.blocks() + t.block()] = room[k * t.threads()];
  }
};

/** r += parts [3, blocks], one block for all */
struct es_gram_total_body {
  es_cuda_gram a;
  unsigned blocks;
  __device__ void operator()(const es_thread &t) const {
    double sum[3] = {0.0, 0.0, 0.0};
    for (unsigned i = t.thread(); i < blocks; i += t.threads())
      for (int k = 0; k < 3; k++) sum[k] += a.parts[k * blocks + i];
    double *room = t.shared<double>();
    es_sum_block(t, sum, room);
    if (t.thread() > 0) return;
    if (a.dot)
      a.r[0] += room[t.threads()];
    else
      for (int k = 0; k < 3; k++) a.r[k] += room[k * t.threads()];
  }
};

#endif
