/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_launch.h  A kernel body becomes a launch: the version for the device.
 *
 *  A body is a trivially copyable struct with `__device__ void operator()(const
 *  es_thread &t) const`; it is passed by value. Not collective. */
#ifndef ES_CUDA_LAUNCH_H
#define ES_CUDA_LAUNCH_H

#include <cuda_runtime_api.h>
#include <stddef.h>

/** The place of a thread, all that a body knows of the machine. */
struct es_thread {
  __device__ unsigned thread() const {
    return threadIdx.x;
  }
  __device__ unsigned threads() const {
    return blockDim.x;
  }
  __device__ unsigned block() const {
    return blockIdx.x;
  }
  __device__ unsigned blocks() const {
    return gridDim.x;
  }
  /** The shared array of the block, as many bytes as the launch gave, aligned to 16. */
  template <class T> __device__ T *shared() const {
    extern __shared__ double2 es_shared_array[];
    return reinterpret_cast<T *>(es_shared_array);
  }
  /** All threads of the block come here before any goes on. */
  __device__ void barrier() const {
    __syncthreads();
  }
};

/** Blocks, threads a block, bytes of the shared array. */
struct es_grid {
  unsigned blocks, threads;
  size_t shared;
};

/** Most threads of a block. */
enum { ES_CUDA_THREADS = 256 };

template <class Body>
__global__ void __launch_bounds__(ES_CUDA_THREADS) es_cuda_run(const Body body) {
  body(es_thread());
}

/** Queue a kernel. No block, no launch. */
template <class Body>
cudaError_t es_cuda_launch(cudaStream_t stream, const es_grid &g, const Body &body) {
  if (g.blocks == 0) return cudaSuccess;
  es_cuda_run<Body><<<g.blocks, g.threads, g.shared, stream>>>(body);
  return cudaGetLastError();
}

#endif
