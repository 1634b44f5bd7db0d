/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernels_window.cu  Launches of the kernels on windows, weights and biases. */
#include "kernels.h"

#include "dispatch.h"
#include "window_body.h"

template <class T, int N>
static cudaError_t gather(cudaStream_t s, const es_cuda_window *g, const void *x,
                          void *col) {
  const int64_t rows = (int64_t) g->n * g->oh * g->ow * g->k * g->k;
  return es_cuda_each(s, rows * (g->c / N),
                      es_gather_one<T, N>{*g, (const T *) x, (T *) col});
}

cudaError_t es_cuda_gather(cudaStream_t s, const es_cuda_window *g, const void *x,
                           void *col) {
  const bool packs = g->c % ES_CUDA_PACK == 0 && es_cuda_aligned(x, g->bf16) &&
                     es_cuda_aligned(col, g->bf16);
  if (g->bf16)
    return packs ? gather<es_bf16, ES_CUDA_PACK>(s, g, x, col)
                 : gather<es_bf16, 1>(s, g, x, col);
  return packs ? gather<float, ES_CUDA_PACK>(s, g, x, col)
               : gather<float, 1>(s, g, x, col);
}

template <class T>
static cudaError_t scatter(cudaStream_t s, const es_cuda_window *g, const float *col,
                           bool add, void *x) {
  return es_cuda_each(s, (int64_t) g->n * g->h * g->w * g->c,
                      es_scatter_one<T>{*g, col, (T *) x, add});
}

cudaError_t es_cuda_scatter(cudaStream_t s, const es_cuda_window *g, const float *col,
                            bool add, void *x) {
  return g->bf16 ? scatter<es_bf16>(s, g, col, add, x)
                 : scatter<float>(s, g, col, add, x);
}

template <class T>
static cudaError_t pack(cudaStream_t s, const es_cuda_filter *g, const float *w,
                        void *packed) {
  return es_cuda_each(s, g->o * g->i * g->taps,
                      es_filter_pack_one<T>{*g, w, (T *) packed});
}

cudaError_t es_cuda_pack(cudaStream_t s, const es_cuda_filter *g, const float *w,
                         void *packed) {
  return g->bf16 ? pack<es_bf16>(s, g, w, packed) : pack<float>(s, g, w, packed);
}

template <class T>
static cudaError_t unpack(cudaStream_t s, const es_cuda_filter *g, const void *packed,
                          bool add, float *dw) {
  return es_cuda_each(s, g->o * g->i * g->taps,
                      es_filter_unpack_one<T>{*g, (const T *) packed, add, dw});
}

cudaError_t es_cuda_unpack(cudaStream_t s, const es_cuda_filter *g, const void *packed,
                           bool add, float *dw) {
  return g->bf16 ? unpack<es_bf16>(s, g, packed, add, dw)
                 : unpack<float>(s, g, packed, add, dw);
}

template <class T>
static cudaError_t add_bias(cudaStream_t s, const es_cuda_rows *g, const float *b,
                            void *y) {
  return es_cuda_each(s, g->rows * g->c, es_bias_one<T>{g->c, b, (T *) y});
}

cudaError_t es_cuda_add_bias(cudaStream_t s, const es_cuda_rows *g, const float *b,
                             void *y) {
  return g->bf16 ? add_bias<es_bf16>(s, g, b, y) : add_bias<float>(s, g, b, y);
}

cudaError_t es_cuda_take_sums(cudaStream_t s, int c, const double *sum, bool set,
                              float *db) {
  return es_cuda_each(s, c, es_take_sums_one{sum, set, db});
}
