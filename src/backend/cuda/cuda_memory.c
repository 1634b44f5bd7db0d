/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_memory.c  Memory of the device, transfers through pinned buffers, marks. */
#include <string.h>
#include "cuda_state.h"
#include "eigenstep/mem.h"

es_status es_cuda_ok(cudaError_t e, const char *what) {
  if (e == cudaSuccess) return ES_OK;
  (void) cudaGetLastError(); /* or the next launch would report it again */
  es_error("backend cuda: %s: %s", what, cudaGetErrorString(e));
  return e == cudaErrorMemoryAllocation ? ES_ENOMEM : ES_EDEVICE;
}

es_status es_cuda_failed(const char *library, bool no_memory, const char *what,
                         const char *why) {
  ES_CHECK(!no_memory, ES_ENOMEM, "backend cuda: %s: %s has no memory left", what,
           library);
  es_error("backend cuda: %s: %s: %s", what, library, why);
  return ES_EDEVICE;
}

/* --- memory ------------------------------------------------------------------------ */

static es_status keep_block(es_cuda *s, void *p, size_t bytes) {
  es_cuda_blocks *k = &s->blocks;
  if (k->n == k->cap) {
    const size_t cap = k->cap > 0 ? 2 * k->cap : 64;
    es_cuda_block *grown = NULL;
    ES_TRY(ES_NEW(cap, &grown));
    if (k->n > 0) memcpy(grown, k->at, k->n * sizeof *grown);
    es_free(&k->at);
    k->at = grown;
    k->cap = cap;
  }
  k->at[k->n++] = (es_cuda_block){p, bytes};
  return ES_OK;
}

static es_status no_memory(cudaError_t e, size_t bytes, const char *what) {
  size_t free = 0, total = 0;
  if (e != cudaErrorMemoryAllocation) return es_cuda_ok(e, what);
  (void) cudaGetLastError();
  (void) cudaMemGetInfo(&free, &total);
  es_error(
      "%s: no room for %.3f MB on the GPU (%.3f of %.3f GB are free); take a smaller "
      "batch per rank",
      what, 1e-6 * (double) bytes, 1e-9 * (double) free, 1e-9 * (double) total);
  return ES_ENOMEM;
}

es_status es_cuda_alloc(es_backend *b, size_t bytes, const char *what, void **p) {
  es_cuda *s = es_cuda_of(b);
  void *made = NULL;
  const cudaError_t e = cudaMalloc(&made, bytes > 0 ? bytes : 1);
  if (e != cudaSuccess) return no_memory(e, bytes, what);
  es_status st = es_cuda_ok(cudaMemsetAsync(made, 0, bytes, s->stream), what);
  if (st == ES_OK) st = keep_block(s, made, bytes);
  if (st != ES_OK) {
    (void) cudaFree(made);
    return st;
  }
  b->allocated += bytes;
  *p = made;
  return ES_OK;
}

/* cudaFree waits for what is queued. After a failure of the device it fails, too: that
 * has been reported. */
void es_cuda_release(es_backend *b, void **p) {
  es_cuda *s = es_cuda_of(b);
  if (*p == NULL) return;
  es_cuda_graphs_drop(b);
  for (size_t i = 0; i < s->blocks.n; i++) {
    es_cuda_block *k = &s->blocks.at[i];
    if (k->p != *p) continue;
    b->allocated -= k->bytes;
    *k = s->blocks.at[--s->blocks.n];
    break;
  }
  if (cudaFree(*p) != cudaSuccess) (void) cudaGetLastError();
  *p = NULL;
}

es_status es_cuda_reserve(es_backend *b, size_t bytes) {
  es_cuda *s = es_cuda_of(b);
  if (bytes <= s->scratch_size) return ES_OK;
  /* cudaFree waits, too, but would not notice that NCCL has failed */
  ES_TRY(es_cuda_await(b, s->stream, "waiting for the GPU"));
  es_cuda_release(b, &s->scratch);
  s->scratch_size = 0;
  ES_TRY(es_cuda_alloc(b, bytes, "scratch of the backend", &s->scratch));
  s->scratch_size = bytes;
  return ES_OK;
}

es_status es_cuda_trim(es_backend *b, size_t bytes) {
  es_cuda *s = es_cuda_of(b);
  if (s->scratch_size == bytes) return ES_OK;
  es_cuda_release(b, &s->scratch);
  s->scratch_size = 0;
  return es_cuda_reserve(b, bytes);
}

es_status es_cuda_stage_open(es_cuda_stage *g) {
  for (int i = 0; i < 2; i++) {
    void *half = NULL;
    ES_TRY(es_cuda_ok(cudaMallocHost(&half, ES_CUDA_STAGE), "pinned memory"));
    g->half[i] = half;
    ES_TRY(es_cuda_ok(cudaEventCreateWithFlags(&g->free[i], cudaEventDisableTiming),
                      "creating an event"));
  }
  return ES_OK;
}

void es_cuda_stage_close(es_cuda_stage *g) {
  for (int i = 0; i < 2; i++) {
    if (g->half[i] != NULL) (void) cudaFreeHost(g->half[i]);
    if (g->free[i] != NULL) (void) cudaEventDestroy(g->free[i]);
  }
}

es_status es_cuda_memory_open(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  ES_TRY(es_cuda_stage_open(&s->stage));
  for (int i = 0; i < ES_CUDA_MARKS; i++)
    ES_TRY(
        es_cuda_ok(cudaEventCreateWithFlags(&s->marks.event[i], cudaEventDisableTiming),
                   "creating an event"));
  void *parts = NULL;
  ES_TRY(
      es_cuda_alloc(b, (3 * ES_CUDA_PARTS + 3) * sizeof(double), "partial sums", &parts));
  s->parts = parts;
  return ES_OK;
}

void es_cuda_memory_close(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  void *parts = s->parts;
  es_cuda_release(b, &parts);
  es_cuda_release(b, &s->scratch);
  es_cuda_stage_close(&s->stage);
  for (int i = 0; i < ES_CUDA_MARKS; i++)
    if (s->marks.event[i] != NULL) (void) cudaEventDestroy(s->marks.event[i]);
  es_free(&s->blocks.at);
}

/* --- transfers --------------------------------------------------------------------- */

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

es_status es_cuda_send(es_backend *b, void *dst, const void *src, size_t bytes) {
  es_cuda *s = es_cuda_of(b);
  for (size_t at = 0; at < bytes; at += ES_CUDA_STAGE) {
    const int k = s->stage.next;
    const size_t part = least(ES_CUDA_STAGE, bytes - at);
    ES_TRY(es_cuda_await_event(b, s->stage.free[k], "waiting for an upload"));
    memcpy(s->stage.half[k], (const char *) src + at, part);
    ES_TRY(es_cuda_ok(cudaMemcpyAsync((char *) dst + at, s->stage.half[k], part,
                                      cudaMemcpyHostToDevice, s->stream),
                      "upload"));
    ES_TRY(es_cuda_ok(cudaEventRecord(s->stage.free[k], s->stream), "upload"));
    s->stage.next = 1 - k;
  }
  return ES_OK;
}

es_status es_cuda_receive(es_backend *b, void *dst, const void *src, size_t bytes) {
  es_cuda *s = es_cuda_of(b);
  for (size_t at = 0; at < bytes; at += ES_CUDA_STAGE) {
    const size_t part = least(ES_CUDA_STAGE, bytes - at);
    ES_TRY(es_cuda_ok(cudaMemcpyAsync(s->stage.half[0], (const char *) src + at, part,
                                      cudaMemcpyDeviceToHost, s->stream),
                      "download"));
    ES_TRY(es_cuda_sync(b));
    memcpy((char *) dst + at, s->stage.half[0], part);
  }
  return ES_OK;
}

es_status es_cuda_upload(es_backend *b, es_buf dst, const float *src, size_t n) {
  return es_cuda_send(b, dst, src, n * sizeof *src);
}

es_status es_cuda_download(es_backend *b, float *dst, const es_buf src, size_t n) {
  return es_cuda_receive(b, dst, src, n * sizeof *dst);
}

es_status es_cuda_download64(es_backend *b, double *dst, const es_buf64 src, size_t n) {
  return es_cuda_receive(b, dst, src, n * sizeof *dst);
}

es_status es_cuda_copy(es_backend *b, es_buf dst, const es_buf src, size_t n) {
  if (n == 0) return ES_OK;
  return es_cuda_ok(cudaMemcpyAsync(dst, src, n * sizeof *dst, cudaMemcpyDeviceToDevice,
                                    es_cuda_of(b)->stream),
                    "copy");
}

es_status es_cuda_zero(es_backend *b, void *p, size_t bytes) {
  if (bytes == 0) return ES_OK;
  return es_cuda_ok(cudaMemsetAsync(p, 0, bytes, es_cuda_of(b)->stream), "zeroing");
}

/* --- order ------------------------------------------------------------------------- */

es_status es_cuda_sync(es_backend *b) {
  return es_cuda_await(b, es_cuda_of(b)->stream, "waiting for the GPU");
}

es_status es_cuda_record(es_backend *b, es_mark *m) {
  es_cuda *s = es_cuda_of(b);
  const es_mark next = s->marks.given + 1;
  ES_TRY(es_cuda_ok(cudaEventRecord(s->marks.event[next % ES_CUDA_MARKS], s->stream),
                    "recording a mark"));
  *m = s->marks.given = next;
  return ES_OK;
}

es_status es_cuda_wait(es_backend *b, es_mark m) {
  es_cuda *s = es_cuda_of(b);
  ES_CHECK(m >= 1 && m <= s->marks.given, ES_EARG,
           "backend cuda: got mark %lld, expected one of 1 to %lld", (long long) m,
           (long long) s->marks.given);
  return es_cuda_await_event(b, s->marks.event[m % ES_CUDA_MARKS], "waiting for a mark");
}
