/* SPDX-License-Identifier: BSD-3-Clause */
/** @file memory.c  Device memory that only device code can touch.
 *
 *  Buffers lie in one reserved range of addresses, none of which is ever given out twice.
 *  A page has access rights only from the moment that device code touches it until the
 *  host goes on: the fault is caught, and the buffer opened if the address is inside one.
 *  Any other address is a mistake: of the host, which follows a device address, or of a
 *  kernel, which left its buffer. A buffer ends at a page that is never accessible, to 16
 *  bytes; what is between, and before its start on its page, must not change. New memory
 *  is NaN in every type. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "host.h"

enum { ALIGN = 16, POISON = 0xFF, MOST = 1 << 16, PINNED = 1 << 10 };
#define RESERVED ((size_t) 1 << 38) /* addresses, not memory */
#define CAPACITY ((size_t) 4 << 30) /* bytes of the device */

typedef struct buffer {
  char *pages, *start;  /**< its pages; what the caller holds */
  size_t mapped, bytes; /**< of its pages; as asked for */
  bool open;
} buffer;

static struct {
  char *arena, *next; /**< reserved; not yet given out */
  size_t page, used;
  const char *running; /**< name of the device code that runs, NULL for none */
  int n, n_open, n_pinned;
  buffer buffers[MOST]; /**< ascending */
  buffer pinned[PINNED];
  const char *wall;         /**< page behind a guarded array of the host */
  const char *wall_message; /**< of who touches it */
  struct sigaction before;
} state;

/** The buffer with an address among its pages, NULL for none. */
static buffer *at(const void *p) {
  const char *const address = p;
  int lo = 0, hi = state.n;
  while (lo < hi) {
    const int mid = (lo + hi) / 2;
    if (state.buffers[mid].pages <= address)
      lo = mid + 1;
    else
      hi = mid;
  }
  buffer *const b = lo > 0 ? &state.buffers[lo - 1] : NULL;
  return b != NULL && address < b->pages + b->mapped ? b : NULL;
}

static void set_access(buffer *b, bool open) {
  if (mprotect(b->pages, b->mapped, open ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
    cuda_host_mistake("cannot change the rights of a buffer of %zu bytes", b->bytes);
  state.n_open += open - b->open;
  b->open = open;
}

/** Say what a fault in the reserved range means. */
static void explain(const char *address) {
  const buffer *nearest = NULL;
  for (int i = 0; i < state.n && state.buffers[i].pages <= address; i++)
    nearest = &state.buffers[i];
  if (state.running == NULL) cuda_host_mistake("the host follows a device address");
  if (nearest == NULL)
    cuda_host_mistake("%s: touches freed device memory", state.running);
  cuda_host_mistake("%s: touches an address %td bytes behind the start of a buffer of "
                    "%zu bytes",
                    state.running, address - nearest->start, nearest->bytes);
}

static void on_fault(int signal, siginfo_t *info, void *context) {
  (void) context;
  const char *const address = info->si_addr;
  if (address >= state.arena && address < state.arena + RESERVED) {
    buffer *const b = at(address);
    if (state.running == NULL || b == NULL) explain(address);
    set_access(b, true);
    return;
  }
  if (state.wall != NULL && address >= state.wall && address < state.wall + state.page)
    cuda_host_mistake("%s: %s", state.running, state.wall_message);
  sigaction(signal, &state.before, NULL); /* and the fault comes again */
}

/** Again before device code runs: cmocka takes the signal for each test. */
static void catch_faults(void) {
  const struct sigaction mine = {.sa_sigaction = on_fault,
                                 .sa_flags = SA_SIGINFO | SA_NODEFER};
  struct sigaction now;
  sigaction(SIGSEGV, &mine, &now);
  if (now.sa_sigaction != on_fault) state.before = now;
}

static void setup(void) {
  if (state.arena != NULL) return;
  state.page = (size_t) sysconf(_SC_PAGESIZE);
  state.arena =
      mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (state.arena == MAP_FAILED) cuda_host_mistake("cannot reserve addresses");
  state.next = state.arena + state.page;
  catch_faults();
}

char *cuda_host_map_guarded(size_t bytes, const char *message) {
  setup();
  char *const p = mmap(NULL, bytes + state.page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) cuda_host_mistake("no memory on the host for %zu bytes", bytes);
  mprotect(p + bytes, state.page, PROT_NONE);
  state.wall = p + bytes;
  state.wall_message = message;
  return p;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
  *total = CAPACITY;
  *available = CAPACITY - state.used;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **p, size_t bytes) {
  setup();
  const size_t size = (bytes + ALIGN - 1) / ALIGN * ALIGN;
  const size_t mapped = (size + state.page - 1) / state.page * state.page;
  const size_t left = (size_t) (state.arena + RESERVED - state.next);
  *p = NULL;
  if (bytes == 0) return cudaSuccess;
  if (cuda_host_unsafe()) return cuda_host_note(cudaErrorStreamCaptureUnsupported);
  if (cuda_host_fails(CUDA_HOST_MEMORY) || bytes > CAPACITY - state.used ||
      state.n == MOST || mapped + state.page > left)
    return cuda_host_note(cudaErrorMemoryAllocation);
  buffer *const b = &state.buffers[state.n++];
  *b = (buffer){.pages = state.next, .mapped = mapped, .bytes = bytes};
  b->start = b->pages + mapped - size;
  state.next += mapped + state.page;
  state.used += bytes;
  set_access(b, true);
  memset(b->pages, POISON, mapped);
  set_access(b, false);
  cuda_host_hold(CUDA_HOST_BUFFERS, 1);
  *p = b->start;
  return cudaSuccess;
}

/** Is [from, to) as cudaMalloc left it? */
static bool untouched(const char *from, const char *to) {
  while (from < to && *from == (char) POISON) from++;
  return from == to;
}

cudaError_t cudaFree(void *p) {
  if (p == NULL) return cudaSuccess;
  if (cuda_host_unsafe()) return cuda_host_note(cudaErrorStreamCaptureUnsupported);
  cuda_host_finish_all(); /* it waits for the device */
  buffer *const b = at(p);
  if (b == NULL || b->start != p) return cuda_host_note(cudaErrorInvalidValue);
  set_access(b, true);
  if (!untouched(b->pages, b->start) ||
      !untouched(b->start + b->bytes, b->pages + b->mapped))
    cuda_host_mistake("something was written beside a buffer of %zu bytes", b->bytes);
  set_access(b, false);
  mmap(b->pages, b->mapped, PROT_NONE, /* drops what was there */
       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  state.used -= b->bytes;
  state.n--;
  memmove(b, b + 1, (size_t) (&state.buffers[state.n] - b) * sizeof *b);
  cuda_host_hold(CUDA_HOST_BUFFERS, -1);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void **p, size_t bytes) {
  *p = NULL;
  if (cuda_host_unsafe()) return cuda_host_note(cudaErrorStreamCaptureUnsupported);
  if (cuda_host_fails(CUDA_HOST_PINNED) || state.n_pinned == PINNED)
    return cuda_host_note(cudaErrorMemoryAllocation);
  buffer *const b = &state.pinned[state.n_pinned++];
  *b = (buffer){.start = cuda_host_alloc(bytes), .bytes = bytes};
  memset(b->start, POISON, bytes);
  cuda_host_hold(CUDA_HOST_PINNED_BUFFERS, 1);
  *p = b->start;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void *p) {
  if (p == NULL) return cudaSuccess;
  if (cuda_host_unsafe()) return cuda_host_note(cudaErrorStreamCaptureUnsupported);
  cuda_host_finish_all();
  int i = 0;
  while (i < state.n_pinned && state.pinned[i].start != p) i++;
  if (i == state.n_pinned) return cuda_host_note(cudaErrorInvalidValue);
  free(p);
  state.pinned[i] = state.pinned[--state.n_pinned];
  cuda_host_hold(CUDA_HOST_PINNED_BUFFERS, -1);
  return cudaSuccess;
}

void cuda_host_enter(const char *what) {
  if (state.running == NULL) catch_faults();
  state.running = what;
}

void cuda_host_leave(void) {
  state.running = NULL;
  for (int i = 0; i < state.n && state.n_open > 0; i++)
    if (state.buffers[i].open) set_access(&state.buffers[i], false);
}

static bool inside(const buffer *b, const void *p, size_t bytes) {
  const char *const from = p;
  return from >= b->start && from + bytes <= b->start + b->bytes;
}

bool cuda_host_is_device(const void *p, size_t bytes) {
  const buffer *const b = at(p);
  return b != NULL && inside(b, p, bytes);
}

bool cuda_host_is_pinned(const void *p, size_t bytes) {
  for (int i = 0; i < state.n_pinned; i++)
    if (inside(&state.pinned[i], p, bytes)) return true;
  return false;
}
