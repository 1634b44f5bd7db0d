/* SPDX-License-Identifier: BSD-3-Clause */
/** @file host.h  What the parts of the host double share: a device on the CPU.
 *
 *  Not thread-safe: one host thread per process makes the calls, as a rank does. */
#ifndef ES_CUDA_HOST_H
#define ES_CUDA_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cuda_runtime_api.h"

/* --- control.c: what the environment asks for, mistakes, what is still held -----------
    */
/** Calls that can be made to fail: CUDA_HOST_FAULT=NAME:RANK:CALL; of
 *  rank -1: on every rank. */
typedef enum cuda_host_call {
  CUDA_HOST_DEVICE,      /**< "device": the count of devices */
  CUDA_HOST_MEMORY,      /**< "memory": cudaMalloc */
  CUDA_HOST_PINNED,      /**< "pinned": cudaMallocHost */
  CUDA_HOST_LAUNCH,      /**< "launch": a kernel */
  CUDA_HOST_COPY,        /**< "copy": cudaMemcpyAsync, cudaMemsetAsync */
  CUDA_HOST_STREAM,      /**< "stream": creation */
  CUDA_HOST_EVENT,       /**< "event": creation and record */
  CUDA_HOST_HANDLE,      /**< "handle": of cuBLAS, cuBLASLt, cuDNN and NCCL */
  CUDA_HOST_PRODUCT,     /**< "product": of cuBLAS and cuBLASLt */
  CUDA_HOST_CONVOLUTION, /**< "convolution": of cuDNN */
  CUDA_HOST_REDUCTION,   /**< "reduction": of NCCL */
  CUDA_HOST_ASYNC,       /**< "async": a sum of NCCL is queued and never ends, as the
                              network fails */
  CUDA_HOST_JOIN,        /**< "join": ncclCommInitRank */
  CUDA_HOST_CAPTURE,     /**< "capture": begin or end of one */
  CUDA_HOST_INSTANCE,    /**< "instance": cudaGraphInstantiate */
  CUDA_HOST_REPLAY,      /**< "replay": cudaGraphLaunch */
  CUDA_HOST_SYNC,        /**< "sync": the host learns that work failed, when it waits; no
                              call succeeds from then on */
  CUDA_HOST_CALLS
} cuda_host_call;

/** Count a call; is it the one that is to fail? */
bool cuda_host_fails(cuda_host_call which);
/** Are there kernels for the devices? */
bool cuda_host_has_kernels(void);
/** Does the stream of this number, from 1, wait for no event? */
bool cuda_host_forgets(int stream);
/** The next of a sequence of random numbers below n, from CUDA_HOST_SEED; n >= 1. */
unsigned cuda_host_random(unsigned n);
/** A mistake of the caller that a device would not show: one sentence, then abort(). */
void cuda_host_mistake(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));
/** Note the result of a runtime call for cudaGetLastError. @return error */
cudaError_t cuda_host_note(cudaError_t error);

/** What has to be given back before the program ends. */
typedef enum cuda_host_kind {
  CUDA_HOST_BUFFERS,
  CUDA_HOST_PINNED_BUFFERS,
  CUDA_HOST_STREAMS,
  CUDA_HOST_EVENTS,
  CUDA_HOST_HANDLES,
  CUDA_HOST_DESCRIPTORS,
  CUDA_HOST_GRAPHS,
  CUDA_HOST_KINDS
} cuda_host_kind;
/** Count what is held. Objects of a count above 0 at the end are reported, and the exit
 *  code becomes 97 if it was 0. */
void cuda_host_hold(cuda_host_kind kind, int change);
/** Zeroed memory of the double's own, or abort. Free with free(). */
void *cuda_host_alloc(size_t bytes);

/* --- aware.c: MPI ----------------------------------------------------------------- */
/** Does the MPI library read and write device memory? */
bool cuda_host_mpi_takes_devices(void);

/* --- memory.c: device memory ----------------------------------------------------------
    */
/** Device code runs until cuda_host_leave: an address that it touches becomes accessible,
 *  if it is inside a buffer. */
void cuda_host_enter(const char *what);
void cuda_host_leave(void);
/** So many bytes of the host, then a page without rights; whoever touches that is told
 *  `message`. One array only. Never freed. */
char *cuda_host_map_guarded(size_t bytes, const char *message);
/** Are [p, p + bytes) inside one device buffer? */
bool cuda_host_is_device(const void *p, size_t bytes);
/** Are they inside one buffer of cudaMallocHost? */
bool cuda_host_is_pinned(const void *p, size_t bytes);

/* --- queue.c: streams -----------------------------------------------------------------
    */
/** Work: run once, in the order of its stream, at a time that the double chooses. */
typedef struct cuda_host_work {
  const char *name; /**< for messages; a constant */
  void (*run)(void *payload);
  bool (*poll)(void *payload); /**< NULL, or after `run`, until it returns true: is the
                                    work done, that waits for other processes? */
  const void *payload;         /**< copied by cuda_host_queue */
  size_t bytes;
  int *kept;      /**< NULL, or in how many graphs it is; updated */
  int64_t *chain; /**< NULL, or the last work of a sequence over several streams that this
                       one belongs to; updated */
} cuda_host_work;

/** Queue work on a stream. Aborts for the default stream. @return its number; 0: the
 *  stream is captured, and keeps it as a node of a graph */
int64_t cuda_host_queue(cudaStream_t s, const cuda_host_work *w);
/** Begin work now, and all that it waits for, as far as that is possible at once; 0: no
 *  work. */
void cuda_host_begin(int64_t number);
/** Run what is left of a stream, of all streams. */
void cuda_host_finish(cudaStream_t s);
void cuda_host_finish_all(void);

/* --- graph.c: captured streams --------------------------------------------------------
    */
/** For a call that is refused while a stream is captured: is one? Then the capture
 *  fails, too. */
bool cuda_host_unsafe(void);
/** The capture that s is in, from 1; 0: none. */
int64_t cuda_host_capture_of(cudaStream_t s);

/* --- number.c: bf16 and f32 matrices --------------------------------------------------
    */
float cuda_host_load(cudaDataType type, const void *p, int64_t i);
void cuda_host_store(cudaDataType type, void *p, int64_t i, float v);
/** To the 10 bits of a TF32 number's fraction. */
float cuda_host_tf32(float v);

#endif
