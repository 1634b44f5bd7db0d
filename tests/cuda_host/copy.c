/* SPDX-License-Identifier: BSD-3-Clause */
/** @file copy.c  Copies and fills on streams. A copy from pageable memory of the host is
 *  taken at the call, one to it waits, as the runtime does; only pinned memory is read
 *  and written later. */
#include "host.h"
#include <stdlib.h>
#include <string.h>

typedef struct transfer {
  void *to, *owned; /**< owned: what `from` is, or NULL */
  const void *from;
  size_t bytes;
} transfer;

static void run_copy(void *payload) {
  const transfer *const t = payload;
  memcpy(t->to, t->from, t->bytes);
  free(t->owned);
}

/** Is an end of a copy where the kind says? */
static bool fits(const void *p, size_t bytes, bool device) {
  return cuda_host_is_device(p, bytes) == device;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes,
                            enum cudaMemcpyKind kind, cudaStream_t s) {
  if (bytes == 0) return cudaSuccess;
  if (cuda_host_fails(CUDA_HOST_COPY)) return cuda_host_note(cudaErrorUnknown);
  if (!fits(to, bytes, kind != cudaMemcpyDeviceToHost) ||
      !fits(from, bytes, kind != cudaMemcpyHostToDevice))
    cuda_host_mistake("cudaMemcpyAsync: %zu bytes are not where kind %d says", bytes,
                      (int) kind);
  const void *const host = kind == cudaMemcpyDeviceToHost ? to : from;
  const bool pageable =
      kind != cudaMemcpyDeviceToDevice && !cuda_host_is_pinned(host, bytes);
  transfer t = {to, NULL, from, bytes};
  if (pageable && cuda_host_unsafe())
    return cuda_host_note(cudaErrorStreamCaptureUnsupported);
  if (pageable && kind == cudaMemcpyHostToDevice) {
    t.from = t.owned = cuda_host_alloc(bytes);
    memcpy(t.owned, from, bytes);
  }
  const cuda_host_work w = {
      .name = "cudaMemcpyAsync", .run = run_copy, .payload = &t, .bytes = sizeof t};
  cuda_host_queue(s, &w);
  if (pageable && kind == cudaMemcpyDeviceToHost) cuda_host_finish(s);
  return cudaSuccess;
}

typedef struct fill {
  void *p;
  int value;
  size_t bytes;
} fill;

static void run_fill(void *payload) {
  const fill *const f = payload;
  memset(f->p, f->value, f->bytes);
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t s) {
  if (bytes == 0) return cudaSuccess;
  if (cuda_host_fails(CUDA_HOST_COPY)) return cuda_host_note(cudaErrorUnknown);
  if (!cuda_host_is_device(p, bytes))
    cuda_host_mistake("cudaMemsetAsync: %zu bytes are not in a device buffer", bytes);
  const fill f = {p, value, bytes};
  const cuda_host_work w = {
      .name = "cudaMemsetAsync", .run = run_fill, .payload = &f, .bytes = sizeof f};
  cuda_host_queue(s, &w);
  return cudaSuccess;
}
