/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernels_act.cu  Launches of the kernels that move, cut and pool activations. */
#include "kernels.h"

#include "act_body.h"
#include "dispatch.h"

template <class From, class To>
static cudaError_t transpose(cudaStream_t s, const es_cuda_transpose *a) {
  const int64_t across = (a->cols + ES_CUDA_TILE - 1) / ES_CUDA_TILE;
  const int64_t down = (a->rows + ES_CUDA_TILE - 1) / ES_CUDA_TILE;
  const es_grid grid = {(unsigned) (a->n * across * down), ES_CUDA_THREADS,
                        ES_CUDA_TILE * (ES_CUDA_TILE + 1) * sizeof(float)};
  return es_cuda_launch(s, grid, es_transpose_body<From, To>{*a});
}

cudaError_t es_cuda_transpose_all(cudaStream_t s, const es_cuda_transpose *a) {
  if (a->from_bf16 && a->to_bf16) return transpose<es_bf16, es_bf16>(s, a);
  if (a->from_bf16) return transpose<es_bf16, float>(s, a);
  return a->to_bf16 ? transpose<float, es_bf16>(s, a) : transpose<float, float>(s, a);
}

template <class T>
static cudaError_t relu(cudaStream_t s, int64_t n, const void *x, void *y) {
  return es_cuda_each(s, n, es_relu_one<T>{(const T *) x, (T *) y});
}

cudaError_t es_cuda_relu(cudaStream_t s, bool bf16, int64_t n, const void *x, void *y) {
  return bf16 ? relu<es_bf16>(s, n, x, y) : relu<float>(s, n, x, y);
}

template <class T>
static cudaError_t add(cudaStream_t s, int64_t n, const void *x, void *y) {
  return es_cuda_each(s, n, es_add_one<T>{(const T *) x, (T *) y});
}

cudaError_t es_cuda_add_acts(cudaStream_t s, bool bf16, int64_t n, const void *x,
                             void *y) {
  return bf16 ? add<es_bf16>(s, n, x, y) : add<float>(s, n, x, y);
}

cudaError_t es_cuda_relu_back(cudaStream_t s, const es_cuda_relu_grad *a) {
  return a->bf16 ? es_cuda_each(s, a->n, es_relu_back_one<es_bf16>{*a})
                 : es_cuda_each(s, a->n, es_relu_back_one<float>{*a});
}

template <class T>
static cudaError_t maxpool(cudaStream_t s, const es_cuda_window *g, const void *x,
                           void *y, unsigned char *winner) {
  const int64_t n = (int64_t) g->n * g->oh * g->ow * g->c;
  return es_cuda_each(s, n, es_maxpool_one<T>{*g, (const T *) x, (T *) y, winner});
}

cudaError_t es_cuda_maxpool(cudaStream_t s, const es_cuda_window *g, const void *x,
                            void *y, unsigned char *winner) {
  return g->bf16 ? maxpool<es_bf16>(s, g, x, y, winner)
                 : maxpool<float>(s, g, x, y, winner);
}

cudaError_t es_cuda_maxpool_back(cudaStream_t s, const es_cuda_maxpool_grad *a) {
  const int64_t n = (int64_t) a->of.n * a->of.h * a->of.w * a->of.c;
  return a->of.bf16 ? es_cuda_each(s, n, es_maxpool_back_one<es_bf16>{*a})
                    : es_cuda_each(s, n, es_maxpool_back_one<float>{*a});
}

template <class T>
static cudaError_t mean(cudaStream_t s, const es_cuda_mean *g, const void *x, void *y) {
  return es_cuda_each(s, (int64_t) g->n * g->c,
                      es_avgpool_one<T>{*g, (const T *) x, (T *) y});
}

cudaError_t es_cuda_avgpool(cudaStream_t s, const es_cuda_mean *g, const void *x,
                            void *y) {
  return g->bf16 ? mean<es_bf16>(s, g, x, y) : mean<float>(s, g, x, y);
}

template <class T>
static cudaError_t mean_back(cudaStream_t s, const es_cuda_mean *g, const void *dy,
                             void *dx) {
  return es_cuda_each(s, g->n * g->pixels * g->c,
                      es_avgpool_back_one<T>{*g, (const T *) dy, (T *) dx});
}

cudaError_t es_cuda_avgpool_back(cudaStream_t s, const es_cuda_mean *g, const void *dy,
                                 void *dx) {
  return g->bf16 ? mean_back<es_bf16>(s, g, dy, dx) : mean_back<float>(s, g, dy, dx);
}
