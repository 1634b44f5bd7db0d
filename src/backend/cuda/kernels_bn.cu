/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernels_bn.cu  Launches of the kernels of batch normalisation. */
#include "kernels.h"

#include "bn_body.h"
#include "dispatch.h"

static int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/** Rows of `lanes` threads, 16 each, are a part. */
static int64_t parts_of(const es_cuda_runs *g) {
  const int n = g->c % ES_CUDA_PACK == 0 ? ES_CUDA_PACK : 1;
  return ceil_div(g->rows, (int64_t) es_columns_of(g->c, n).lanes * ES_CUDA_ROWS);
}

int es_cuda_chunks(const es_cuda_runs *g) {
  const int64_t parts = parts_of(g);
  return (int) (parts < ES_CUDA_CHUNKS ? parts : ES_CUDA_CHUNKS);
}

int64_t es_cuda_most_parts(const es_cuda_runs *g) {
  const int64_t limited = (int64_t) g->runs * ES_CUDA_CHUNKS;
  const int64_t parts = parts_of(g) + g->runs; /* the last part of a run is not full */
  return parts < limited ? parts : limited;
}

template <class Terms, int N>
static cudaError_t sums(cudaStream_t s, const es_cuda_runs *g, const Terms &terms,
                        double *parts) {
  const int chunks = es_cuda_chunks(g);
  const int64_t blocks = (int64_t) g->runs * chunks * es_columns_of(g->c, N).tiles;
  const es_grid grid = {(unsigned) blocks, ES_CUDA_THREADS,
                        2 * N * ES_CUDA_THREADS * sizeof(double)};
  return es_cuda_launch(s, grid, es_column_sums_body<Terms, N>{*g, chunks, terms, parts});
}

template <class T, int N>
static cudaError_t moments(cudaStream_t s, const es_cuda_runs *g, const void *x,
                           double *parts) {
  return sums<es_moment_terms<T, N>, N>(
      s, g, es_moment_terms<T, N>{g->c, (const T *) x, {}}, parts);
}

cudaError_t es_cuda_moments(cudaStream_t s, const es_cuda_runs *g, const void *x,
                            double *parts) {
  const bool packs = g->c % ES_CUDA_PACK == 0 && es_cuda_aligned(x, g->bf16);
  if (g->bf16)
    return packs ? moments<es_bf16, ES_CUDA_PACK>(s, g, x, parts)
                 : moments<es_bf16, 1>(s, g, x, parts);
  return packs ? moments<float, ES_CUDA_PACK>(s, g, x, parts)
               : moments<float, 1>(s, g, x, parts);
}

template <class T, int N>
static cudaError_t gradient_sums(cudaStream_t s, const es_cuda_bn_grad *a,
                                 double *parts) {
  return sums<es_gradient_terms<T, N>, N>(
      s, &a->of, es_gradient_terms<T, N>{{*a, {}, {}, {}}}, parts);
}

static bool packs_of(const es_cuda_bn_grad *a) {
  const bool bf16 = a->of.bf16;
  return a->of.c % ES_CUDA_PACK == 0 && es_cuda_aligned(a->x, bf16) &&
         es_cuda_aligned(a->y, bf16) && es_cuda_aligned(a->dy, bf16);
}

cudaError_t es_cuda_bn_sums(cudaStream_t s, const es_cuda_bn_grad *a, double *parts) {
  const bool packs = packs_of(a);
  if (a->of.bf16)
    return packs ? gradient_sums<es_bf16, ES_CUDA_PACK>(s, a, parts)
                 : gradient_sums<es_bf16, 1>(s, a, parts);
  return packs ? gradient_sums<float, ES_CUDA_PACK>(s, a, parts)
               : gradient_sums<float, 1>(s, a, parts);
}

cudaError_t es_cuda_bn_total(cudaStream_t s, const es_cuda_total *a) {
  const int width = 2 * a->c, columns = ES_CUDA_THREADS / ES_CUDA_TOTAL_LANES;
  const int64_t tiles = ceil_div(width, columns);
  const es_grid grid = {(unsigned) (a->shards * a->groups * tiles), ES_CUDA_THREADS,
                        ES_CUDA_THREADS * sizeof(double)};
  double *const out = a->shards > 1 ? a->leaves : a->sums;
  const cudaError_t e = es_cuda_launch(s, grid, es_total_body{*a, out});
  if (e != cudaSuccess || a->shards == 1) return e;
  return es_cuda_each(s, (int64_t) a->groups * width, es_tree_one{*a});
}

cudaError_t es_cuda_bn_finish(cudaStream_t s, const es_cuda_bn_statistics *a) {
  return es_cuda_each(s, a->c, es_statistics_one{*a});
}

cudaError_t es_cuda_bn_given(cudaStream_t s, const es_cuda_bn_statistics *a) {
  return es_cuda_each(s, (int64_t) a->groups * a->c, es_given_one{*a});
}

cudaError_t es_cuda_bn_parameters(cudaStream_t s, const es_cuda_bn_params *a) {
  return es_cuda_each(s, a->of.c, es_bn_parameters_one{*a});
}

cudaError_t es_cuda_bn_coefficients(cudaStream_t s, const es_cuda_bn_slopes *a) {
  return es_cuda_each(s, (int64_t) a->groups * a->c, es_bn_slopes_one{*a});
}

template <class Body>
static cudaError_t by_rows(cudaStream_t s, const es_cuda_runs *g, int n,
                           const Body &body) {
  const es_columns l = es_columns_of(g->c, n);
  const int64_t blocks = ceil_div(g->rows, (int64_t) l.lanes * ES_CUDA_ROWS);
  return es_cuda_launch(
      s, es_grid{(unsigned) (g->runs * blocks * l.tiles), ES_CUDA_THREADS, 0}, body);
}

template <class T>
static cudaError_t forward(cudaStream_t s, const es_cuda_bn_apply *a, bool packs) {
  return packs ? by_rows(s, &a->of, ES_CUDA_PACK, es_bn_apply_body<T, ES_CUDA_PACK>{*a})
               : by_rows(s, &a->of, 1, es_bn_apply_body<T, 1>{*a});
}

cudaError_t es_cuda_bn_forward(cudaStream_t s, const es_cuda_bn_apply *a) {
  const bool bf16 = a->of.bf16;
  const bool packs = a->of.c % ES_CUDA_PACK == 0 && es_cuda_aligned(a->x, bf16) &&
                     es_cuda_aligned(a->residual, bf16) && es_cuda_aligned(a->y, bf16);
  return bf16 ? forward<es_bf16>(s, a, packs) : forward<float>(s, a, packs);
}

template <class T>
static cudaError_t backward(cudaStream_t s, const es_cuda_bn_back *a, bool packs) {
  return packs ? by_rows(s, &a->in.of, ES_CUDA_PACK, es_bn_back_body<T, ES_CUDA_PACK>{*a})
               : by_rows(s, &a->in.of, 1, es_bn_back_body<T, 1>{*a});
}

cudaError_t es_cuda_bn_backward(cudaStream_t s, const es_cuda_bn_back *a) {
  const bool bf16 = a->in.of.bf16;
  const bool packs = packs_of(&a->in) && es_cuda_aligned(a->dx, bf16) &&
                     es_cuda_aligned(a->dresidual, bf16);
  return bf16 ? backward<es_bf16>(s, a, packs) : backward<float>(s, a, packs);
}
