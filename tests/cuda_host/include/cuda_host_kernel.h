/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_host_kernel.h  Kernels on the CPU: what cuda_launch.h needs of the double.
 *  */
#ifndef ES_CUDA_HOST_KERNEL_H
#define ES_CUDA_HOST_KERNEL_H

#include "cuda_runtime_api.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cuda_host_place {
  unsigned thread, threads, block, blocks;
  void *shared; /**< array of the block, aligned to 16 bytes */
} cuda_host_place;

typedef struct cuda_host_grid {
  unsigned blocks, threads;
  size_t shared; /**< bytes */
} cuda_host_grid;

typedef struct cuda_host_kernel {
  void (*run)(const void *body, const cuda_host_place *place); /**< one thread */
  const char *name;
  const void *body; /**< copied by the launch */
  size_t bytes;
  unsigned most_threads; /**< a block, that it was compiled for */
} cuda_host_kernel;

/** Queue it; cudaGetLastError() says whether that failed. */
void cuda_host_launch(cudaStream_t stream, const cuda_host_grid *g,
                      const cuda_host_kernel *k);
/** Called by the threads of a block: wait for all of them. */
void cuda_host_barrier(void);

#ifdef __cplusplus
}
#endif
#endif
