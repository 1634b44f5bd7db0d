/* SPDX-License-Identifier: BSD-3-Clause */
/** @file window_body.h  Windows of a convolution as rows of a matrix and back, weights
 *  in the order of such rows, and biases. */
#ifndef ES_CUDA_WINDOW_BODY_H
#define ES_CUDA_WINDOW_BODY_H

#include "kernels.h"
#include "value_body.h"

/** A pack of N channels of col [n oh ow, k k, c]. */
template <class T, int N> struct es_gather_one {
  es_cuda_window g;
  const T *x;
  T *col;
  __device__ void operator()(int64_t i) const {
    const int packs = g.c / N, taps = g.k * g.k;
    const int64_t row = i / packs, position = row / taps, line = position / g.ow;
    const int c = (int) (i - row * packs) * N, tap = (int) (row - position * taps);
    const int64_t image = line / g.oh;
    const int y = (int) (line - image * g.oh) * g.stride - g.pad + tap / g.k;
    const int px = (int) (position - line * g.ow) * g.stride - g.pad + tap % g.k;
    es_pack<T, N> v = {};
    if (y >= 0 && y < g.h && px >= 0 && px < g.w)
      v = *(const es_pack<T, N> *) (x + ((image * g.h + y) * g.w + px) * g.c + c);
    *(es_pack<T, N> *) (col + i * N) = v;
  }
};

/** An element of x [n, h, w, c]: the windows that contain it, in the order of taps. */
template <class T> struct es_scatter_one {
  es_cuda_window g;
  const float *col;
  T *x;
  bool add;
  __device__ void operator()(int64_t i) const {
    const int64_t at = i / g.c, line = at / g.w, image = line / g.h;
    const int c = (int) (i - at * g.c);
    const int y = (int) (line - image * g.h) + g.pad,
              px = (int) (at - line * g.w) + g.pad;
    float sum = 0.0f;
    for (int tap = 0; tap < g.k * g.k; tap++) {
      const int dy = y - tap / g.k, dx = px - tap % g.k;
      if (dy < 0 || dx < 0 || dy % g.stride != 0 || dx % g.stride != 0) continue;
      const int oy = dy / g.stride, ox = dx / g.stride;
      if (oy >= g.oh || ox >= g.ow) continue;
      sum += col[(((image * g.oh + oy) * g.ow + ox) * g.k * g.k + tap) * g.c + c];
    }
    es_put(x + i, add ? es_get(x[i]) + sum : sum);
  }
};

/** Place in w [o, i, taps] of element `at` of packed [o, taps, i]. */
__device__ inline int64_t es_filter_place(const es_cuda_filter &g, int64_t at) {
  const int64_t row = at / g.i, o = row / g.taps;
  return (o * g.i + (at - row * g.i)) * g.taps + (row - o * g.taps);
}

template <class T> struct es_filter_pack_one {
  es_cuda_filter g;
  const float *w;
  T *packed;
  __device__ void operator()(int64_t at) const {
    es_put(packed + at, w[es_filter_place(g, at)]);
  }
};

template <class T> struct es_filter_unpack_one {
  es_cuda_filter g;
  const T *packed;
  bool add;
  float *dw;
  __device__ void operator()(int64_t at) const {
    float *to = dw + es_filter_place(g, at);
    *to = add ? *to + es_get(packed[at]) : es_get(packed[at]);
  }
};

template <class T> struct es_bias_one {
  int c;
  const float *b;
  T *y;
  __device__ void operator()(int64_t i) const {
    es_put(y + i, es_get(y[i]) + b[i % c]);
  }
};

struct es_take_sums_one {
  const double *sum;
  bool set;
  float *db;
  __device__ void operator()(int64_t i) const {
    db[i] = (set ? 0.0f : db[i]) + (float) sum[i];
  }
};

#endif
