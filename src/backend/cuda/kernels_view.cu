/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernels_view.cu  Launch of the kernel that makes views. */
#include "kernels.h"

#include "view_body.h"

/** Shared memory of a block: partial sums in f64, or the weights of a blur. */
static size_t shared_bytes(int side) {
  const size_t sums = ES_CUDA_THREADS * sizeof(double);
  const size_t kernel = 2 * (size_t) side * sizeof(float);
  return kernel > sums ? kernel : sums;
}

cudaError_t es_cuda_make_views(cudaStream_t s, const es_cuda_views *a) {
  const es_grid g = {(unsigned) (a->n * a->views), ES_CUDA_THREADS,
                     shared_bytes(a->side)};
  return a->bf16 ? es_cuda_launch(s, g, es_view_body<es_bf16>{*a})
                 : es_cuda_launch(s, g, es_view_body<float>{*a});
}
