/* SPDX-License-Identifier: BSD-3-Clause */
/** @file value_body.h  Elements of activations, f32 or bf16, one by one and in packs;
 *  and kernels that do the same to every element. */
#ifndef ES_CUDA_VALUE_BODY_H
#define ES_CUDA_VALUE_BODY_H

#include <cuda_launch.h>
#include <stdint.h>
#include <string.h>

/** The upper half of an f32. */
struct es_bf16 {
  uint16_t bits;
};

__device__ inline float es_get(float v) {
  return v;
}

__device__ inline float es_get(es_bf16 v) {
  const uint32_t wide = (uint32_t) v.bits << 16;
  float f;
  memcpy(&f, &wide, sizeof f);
  return f;
}

__device__ inline void es_put(float *to, float v) {
  *to = v;
}

/** To nearest, ties to even; a NaN stays one. */
__device__ inline void es_put(es_bf16 *to, float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  const uint32_t half = 0x7fffu + (bits >> 16 & 1u);
  to->bits = (uint16_t) (v != v ? bits >> 16 | 0x40u : (bits + half) >> 16);
}

/** N elements that are moved at once. */
template <class T, int N> struct alignas(N * sizeof(T)) es_pack { T v[N]; };

template <class T, int N> __device__ inline void es_load(const T *from, float (&to)[N]) {
  const es_pack<T, N> p = *reinterpret_cast<const es_pack<T, N> *>(from);
  for (int i = 0; i < N; i++) to[i] = es_get(p.v[i]);
}

/** to[N] = v, or to + v */
template <class T, int N>
__device__ inline void es_store(T *to, const float (&v)[N], bool add) {
  es_pack<T, N> p;
  float old[N] = {};
  if (add) es_load(to, old);
  for (int i = 0; i < N; i++) es_put(&p.v[i], add ? old[i] + v[i] : v[i]);
  *reinterpret_cast<es_pack<T, N> *>(to) = p;
}

/** `one(i)` for every i < n. */
template <class One> struct es_each_body {
  int64_t n;
  One one;
  __device__ void operator()(const es_thread &t) const {
    const int64_t step = (int64_t) t.blocks() * t.threads();
    for (int64_t i = (int64_t) t.block() * t.threads() + t.thread(); i < n; i += step)
      one(i);
  }
};

#endif
