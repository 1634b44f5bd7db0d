/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dispatch.h  What the launchers, kernels_*.cu, share: when elements can be moved
 *  in packs, and a kernel for every element. */
#ifndef ES_CUDA_DISPATCH_H
#define ES_CUDA_DISPATCH_H

#include <stdint.h>
#include "value_body.h"

/** Elements of a pack, where rows and addresses allow it. */
enum { ES_CUDA_PACK = 4, ES_CUDA_MOST_BLOCKS = 4096 };

/** Does a pack begin at this address? NULL is no hindrance. */
inline bool es_cuda_aligned(const void *p, bool bf16) {
  return (uintptr_t) p % (bf16 ? 2 * ES_CUDA_PACK : 4 * ES_CUDA_PACK) == 0;
}

/** Queue `one` for every i < n. */
template <class One> cudaError_t es_cuda_each(cudaStream_t s, int64_t n, const One &one) {
  const int64_t blocks = (n + ES_CUDA_THREADS - 1) / ES_CUDA_THREADS;
  const es_grid g = {
      (unsigned) (blocks < ES_CUDA_MOST_BLOCKS ? blocks : ES_CUDA_MOST_BLOCKS),
      ES_CUDA_THREADS, 0};
  return es_cuda_launch(s, g, es_each_body<One>{n, one});
}

#endif
