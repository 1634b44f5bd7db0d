/* SPDX-License-Identifier: BSD-3-Clause */
/** @file mem.c  Counted, 64-byte aligned host memory.
 *
 *  Each block is preceded by a header in its own cache line. Memory comes from calloc:
 *  large blocks are untouched zero pages, so a page is placed on the NUMA node of the
 *  thread that first writes it, and the resident size is the size in use. */
#define _DEFAULT_SOURCE
#include "eigenstep/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ALIGN = 64, LARGE = 1 << 24 };

typedef struct header {
  void *raw;    /**< pointer returned by calloc */
  size_t bytes; /**< size requested */
} header;

static atomic_size_t now, peak;
static _Atomic int64_t count;

static void count_in(size_t bytes) {
  const size_t total = atomic_fetch_add(&now, bytes) + bytes;
  size_t high = atomic_load(&peak);
  while (total > high && !atomic_compare_exchange_weak(&peak, &high, total)) continue;
  atomic_fetch_add(&count, 1);
}

void es_mem_charge(ptrdiff_t bytes) {
  if (bytes >= 0)
    count_in((size_t) bytes);
  else
    atomic_fetch_sub(&now, (size_t) -bytes);
}

/** Strip the & of "&name" (ES_NEW passes the text of its argument). */
static const char *plain(const char *what) {
  return *what == '&' ? what + 1 : what;
}

es_status es_alloc(size_t bytes, const char *what, void **p) {
  const size_t most = PTRDIFF_MAX - 2 * ALIGN; /* an object cannot be larger */
  char *raw = bytes <= most ? calloc(1, bytes + 2 * ALIGN) : NULL;
  ES_CHECK(raw != NULL, ES_ENOMEM,
           "out of memory: cannot allocate %zu bytes for %s (%zu bytes in use)", bytes,
           plain(what), es_mem_now());
  const size_t past = (size_t) ((uintptr_t) raw % ALIGN);
  char *block = raw + (ALIGN - past) + ALIGN; /* between ALIGN + 1 and 2 ALIGN later */
  const header h = {raw, bytes};
  memcpy(block - ALIGN, &h, sizeof h);
  memcpy(p, &block,
         sizeof block); /* *p may be of any pointer type: avoids an aliased store */
  count_in(bytes);
  return ES_OK;
}

es_status es_alloc_n(size_t n, size_t size, const char *what, void **p) {
  ES_CHECK(
      size == 0 || n <= SIZE_MAX / size, ES_ENOMEM,
      "out of memory: got a request for %zu elements of %zu bytes for %s, expected a "
      "size below 2^64 bytes",
      n, size, plain(what));
  return es_alloc(n * size, what, p);
}

void es_free_(void **p) {
  char *block;
  memcpy(&block, p, sizeof block);
  if (block == NULL) return;
  header h;
  memcpy(&h, block - ALIGN, sizeof h);
  atomic_fetch_sub(&now, h.bytes);
  free(h.raw);
  block = NULL;
  memcpy(p, &block, sizeof block);
}

void es_mem_large_pages(void *p, size_t bytes) {
  const size_t page = (size_t) sysconf(_SC_PAGESIZE);
  const size_t past = (page - (uintptr_t) p % page) % page;
  if (bytes >= LARGE) (void) madvise((char *) p + past, bytes - past, MADV_HUGEPAGE);
}

void es_mem_discard(void *p, size_t bytes) {
  const uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE), at = (uintptr_t) p;
  const uintptr_t first = (at + page - 1) / page * page, end = (at + bytes) / page * page;
  if (end > first) (void) madvise((void *) first, end - first, MADV_DONTNEED);
}

size_t es_mem_now(void) {
  return atomic_load(&now);
}

size_t es_mem_peak(void) {
  return atomic_load(&peak);
}

void es_mem_peak_reset(void) {
  atomic_store(&peak, atomic_load(&now));
}

int64_t es_mem_count(void) {
  return atomic_load(&count);
}

size_t es_mem_rss_peak(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return (size_t) usage.ru_maxrss * 1024; /* Linux counts kibibytes */
}

size_t es_mem_rss_now(void) {
  FILE *f = fopen("/proc/self/statm", "r");
  if (f == NULL) return 0;
  unsigned long size = 0, resident = 0;
  const bool known = fscanf(f, "%lu %lu", &size, &resident) == 2;
  fclose(f);
  return known ? resident * (size_t) sysconf(_SC_PAGESIZE) : 0;
}

es_status es_mem_check(size_t bytes, const char *what) {
  void *const at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ES_CHECK(at != MAP_FAILED, ES_ENOMEM,
           "out of memory: cannot map %zu bytes of address space for %s; raise the limit "
           "(ulimit -v)",
           bytes, what);
  munmap(at, bytes);
  return ES_OK;
}

double es_mem_available(void) {
  char line[128];
  double kibibytes = 0;
  FILE *f = fopen("/proc/meminfo", "r");
  while (f != NULL && fgets(line, sizeof line, f) != NULL)
    if (sscanf(line, "MemAvailable: %lf kB", &kibibytes) == 1) break;
  if (f != NULL) fclose(f);
  return 1024 * kibibytes;
}

es_status es_strdup(const char *s, char **copy) {
  const size_t bytes = strlen(s) + 1;
  char *text;
  ES_TRY(es_alloc(bytes, "a string", (void **) &text));
  memcpy(text, s, bytes);
  *copy = text;
  return ES_OK;
}
