/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernels_vec.cu  Launches of the kernels on plain f32 vectors, and of updates. */
#include "kernels.h"

#include "dispatch.h"
#include "update_body.h"
#include "vec_body.h"

cudaError_t es_cuda_sum_products(cudaStream_t s, const es_cuda_gram *a) {
  const size_t needed = (a->n + ES_CUDA_THREADS - 1) / ES_CUDA_THREADS;
  const unsigned blocks = needed < ES_CUDA_PARTS ? (unsigned) needed : ES_CUDA_PARTS;
  const size_t room = 3 * ES_CUDA_THREADS * sizeof(double);
  const es_grid grid = {blocks, ES_CUDA_THREADS, room};
  const cudaError_t e = es_cuda_launch(s, grid, es_gram_body{*a});
  if (e != cudaSuccess || blocks == 0) return e;
  return es_cuda_launch(s, es_grid{1, ES_CUDA_THREADS, room},
                        es_gram_total_body{*a, blocks});
}

cudaError_t es_cuda_scale(cudaStream_t s, size_t n, float alpha, float *x) {
  return es_cuda_each(s, (int64_t) n, es_scale_one{alpha, x});
}

cudaError_t es_cuda_normalize(cudaStream_t s, size_t n, const double *square, float *x) {
  return es_cuda_each(s, (int64_t) n, es_normalize_one{square, x});
}

cudaError_t es_cuda_add(cudaStream_t s, size_t n, const float *x, float *y) {
  const es_cuda_axpby a = {n, 1.0f, 1.0f, x, y};
  return es_cuda_combine(s, &a);
}

cudaError_t es_cuda_combine(cudaStream_t s, const es_cuda_axpby *a) {
  return es_cuda_each(s, (int64_t) a->n, es_axpby_one{*a});
}

cudaError_t es_cuda_update_sgd(cudaStream_t s, const es_cuda_sgd *a) {
  return es_cuda_each(s, (int64_t) a->n, es_sgd_one{*a});
}

cudaError_t es_cuda_update_adamw(cudaStream_t s, const es_cuda_adamw *a) {
  return es_cuda_each(s, (int64_t) a->n, es_adamw_one{*a});
}
