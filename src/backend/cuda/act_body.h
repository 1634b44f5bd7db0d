/* SPDX-License-Identifier: BSD-3-Clause */
/** @file act_body.h  Kernels that move, cut and pool activations; kernels.h has what
 *  they compute. */
#ifndef ES_CUDA_ACT_BODY_H
#define ES_CUDA_ACT_BODY_H

#include "kernels.h"
#include "value_body.h"

enum { ES_CUDA_TILE = 32 }; /* rows and columns of a tile that a block transposes */

/** A block for every tile of every matrix. The tile is in the shared array, one column
 *  wider than it is, so that rows and columns of it are in different banks. */
template <class From, class To> struct es_transpose_body {
  es_cuda_transpose a;
  __device__ void operator()(const es_thread &t) const {
    const int64_t across = (a.cols + ES_CUDA_TILE - 1) / ES_CUDA_TILE;
    const int64_t down = (a.rows + ES_CUDA_TILE - 1) / ES_CUDA_TILE;
    const int64_t image = t.block() / (across * down);
    const int64_t tile = t.block() % (across * down);
    const int64_t r0 = tile / across * ES_CUDA_TILE, c0 = tile % across * ES_CUDA_TILE;
    const From *src = (const From *) a.src + image * a.rows * a.cols;
    To *dst = (To *) a.dst + image * a.rows * a.cols;
    float *room = t.shared<float>();
    const int x = (int) t.thread() % ES_CUDA_TILE, y0 = (int) t.thread() / ES_CUDA_TILE;
    const int lanes = (int) t.threads() / ES_CUDA_TILE;
    for (int y = y0; y < ES_CUDA_TILE; y += lanes)
      if (r0 + y < a.rows && c0 + x < a.cols)
        room[y * (ES_CUDA_TILE + 1) + x] = es_get(src[(r0 + y) * a.cols + c0 + x]);
    t.barrier();
    for (int y = y0; y < ES_CUDA_TILE; y += lanes) {
      if (c0 + y >= a.cols || r0 + x >= a.rows) continue;
      To *to = dst + (c0 + y) * a.rows + r0 + x;
      const float v = room[x * (ES_CUDA_TILE + 1) + y];
      es_put(to, a.add ? es_get(*to) + v : v);
    }
  }
};

template <class T> struct es_relu_one {
  const T *x;
  T *y;
  __device__ void operator()(int64_t i) const {
    const float v = es_get(x[i]);
    es_put(y + i, v < 0.0f ? 0.0f : v);
  }
};

template <class T> struct es_add_one {
  const T *x;
  T *y;
  __device__ void operator()(int64_t i) const {
    es_put(y + i, es_get(y[i]) + es_get(x[i]));
  }
};

template <class T> struct es_relu_back_one {
  es_cuda_relu_grad a;
  __device__ void operator()(int64_t i) const {
    T *dx = (T *) a.dx + i;
    const float g =
        es_get(((const T *) a.y)[i]) > 0.0f ? es_get(((const T *) a.dy)[i]) : 0.0f;
    es_put(dx, a.add ? es_get(*dx) + g : g);
  }
};

/** An element of y: the first of equals wins, a NaN over all. */
template <class T> struct es_maxpool_one {
  es_cuda_window g;
  const T *x;
  T *y;
  unsigned char *winner;
  __device__ void operator()(int64_t i) const {
    const int64_t at = i / g.c, row = at / g.ow;
    const int c = (int) (i - at * g.c);
    const int y0 = (int) (row % g.oh) * g.stride - g.pad;
    const int x0 = (int) (at - row * g.ow) * g.stride - g.pad;
    const T *map = x + row / g.oh * g.h * g.w * g.c + c;
    float best = 0.0f;
    int won = -1;
    for (int tap = 0; tap < g.k * g.k; tap++) {
      const int py = y0 + tap / g.k, px = x0 + tap % g.k;
      if (py < 0 || py >= g.h || px < 0 || px >= g.w) continue;
      const float v = es_get(map[((int64_t) py * g.w + px) * g.c]);
      if (won >= 0 && !(v > best) && v == v) continue;
      best = v;
      won = tap;
    }
    es_put(y + i, best);
    winner[i] = (unsigned char) won;
  }
};

/** An element of dx: the windows that contain it, in their order. */
template <class T> struct es_maxpool_back_one {
  es_cuda_maxpool_grad a;
  __device__ void operator()(int64_t i) const {
    const es_cuda_window &g = a.of;
    const int64_t at = i / g.c, row = at / g.w, image = row / g.h;
    const int c = (int) (i - at * g.c);
    const int y = (int) (row - image * g.h) + g.pad, x = (int) (at - row * g.w) + g.pad;
    const int y0 = y < g.k ? 0 : (y - g.k) / g.stride + 1;
    const int x0 = x < g.k ? 0 : (x - g.k) / g.stride + 1;
    float sum = 0.0f;
    for (int oy = y0; oy < g.oh && oy * g.stride <= y; oy++)
      for (int ox = x0; ox < g.ow && ox * g.stride <= x; ox++) {
        const int tap = (y - oy * g.stride) * g.k + x - ox * g.stride;
        const int64_t from = ((image * g.oh + oy) * g.ow + ox) * g.c + c;
        if (a.winner[from] == tap) sum += es_get(((const T *) a.dy)[from]);
      }
    T *dx = (T *) a.dx + i;
    es_put(dx, a.add ? es_get(*dx) + sum : sum);
  }
};

/** An element of y [n, c]: f32 over 64 pixels, then f64. */
template <class T> struct es_avgpool_one {
  es_cuda_mean g;
  const T *x;
  T *y;
  __device__ void operator()(int64_t i) const {
    const int64_t image = i / g.c;
    const T *from = x + image * g.pixels * g.c + (i - image * g.c);
    double total = 0.0;
    for (int64_t first = 0; first < g.pixels; first += 64) {
      const int64_t last = first + 64 < g.pixels ? first + 64 : g.pixels;
      float sum = 0.0f;
      for (int64_t p = first; p < last; p++) sum += es_get(from[p * g.c]);
      total += sum;
    }
    es_put(y + i, (float) (total / (double) g.pixels));
  }
};

template <class T> struct es_avgpool_back_one {
  es_cuda_mean g;
  const T *dy;
  T *dx;
  __device__ void operator()(int64_t i) const {
    const int64_t pixel = i / g.c;
    const float share = 1.0f / (float) g.pixels;
    const float v = share * es_get(dy[pixel / g.pixels * g.c + (i - pixel * g.c)]);
    es_put(dx + i, g.add ? es_get(dx[i]) + v : v);
  }
};

#endif
