/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_launch.h  A kernel body becomes a launch: the version for the CPU, where
 *  the threads of a block are fibres between barriers. The interface is that of
 *  src/backend/cuda/device/cuda_launch.h. */
#ifndef ES_CUDA_LAUNCH_H
#define ES_CUDA_LAUNCH_H

#include <cuda_runtime_api.h>
#include <stddef.h>
#include <type_traits>
#include "cuda_host_kernel.h"

#define __device__
#define __host__

/** The place of a thread, all that a body knows of the machine. */
struct es_thread {
  const cuda_host_place *place;
  unsigned thread() const {
    return place->thread;
  }
  unsigned threads() const {
    return place->threads;
  }
  unsigned block() const {
    return place->block;
  }
  unsigned blocks() const {
    return place->blocks;
  }
  template <class T> T *shared() const {
    return static_cast<T *>(place->shared);
  }
  void barrier() const {
    cuda_host_barrier();
  }
};

/** Blocks, threads a block, bytes of the shared array. */
struct es_grid {
  unsigned blocks, threads;
  size_t shared;
};

/** Most threads of a block. */
enum { ES_CUDA_THREADS = 256 };

template <class Body> void es_cuda_run(const void *body, const cuda_host_place *place) {
  (*static_cast<const Body *>(body))(es_thread{place});
}

/** Queue a kernel. No block, no launch. */
template <class Body>
cudaError_t es_cuda_launch(cudaStream_t stream, const es_grid &g, const Body &body) {
  static_assert(std::is_trivially_copyable<Body>::value, "a launch copies its arguments");
  const cuda_host_kernel k = {es_cuda_run<Body>, __PRETTY_FUNCTION__, &body, sizeof body,
                              ES_CUDA_THREADS};
  const cuda_host_grid grid = {g.blocks, g.threads, g.shared};
  if (g.blocks == 0) return cudaSuccess;
  cuda_host_launch(stream, &grid, &k);
  return cudaGetLastError();
}

#endif
