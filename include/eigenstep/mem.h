/* SPDX-License-Identifier: BSD-3-Clause */
/** @file mem.h  Counted, 64-byte aligned host memory. Thread-safe, not collective. */
#ifndef ES_MEM_H
#define ES_MEM_H

#include <stddef.h>
#include <stdint.h>
#include "eigenstep/status.h"

/** Allocate `bytes` zeroed bytes, 64-byte aligned (0 bytes gives a valid unique
 *  pointer). *p is written only on success; the caller frees it with es_free.
 *  @return ES_OK or ES_ENOMEM (logged with size and `what`) */
es_status es_alloc(size_t bytes, const char *what, void **p);

/** es_alloc for n elements of *ptr's type; checks the multiplication for overflow. */
#define ES_NEW(n, ptr) es_alloc_n((size_t) (n), sizeof **(ptr), #ptr, (void **) (ptr))
es_status es_alloc_n(size_t n, size_t size, const char *what, void **p);

/** es_free(&p): free memory from es_alloc and set the pointer to NULL; p may be NULL. */
#define es_free(pp) es_free_((void **) (pp))
void es_free_(void **p);

/** Ask for large pages (2 MiB, where the system gives them on request) for an array from
 *  es_alloc that nothing has touched and that will be read as a whole, over and over. A
 *  hint: nothing but speed depends on it. */
void es_mem_large_pages(void *p, size_t bytes);
/** The pages of p[bytes] go back to the system, and are 0 when they are next used. For
 *  what is freed while a run begins: the C library keeps it for later allocations. */
void es_mem_discard(void *p, size_t bytes);

/** Count memory from elsewhere (shared by processes) as this process's; `bytes` < 0 when
 *  it is given back. */
void es_mem_charge(ptrdiff_t bytes);

/** By es_alloc and es_mem_charge: bytes allocated now, their peak, number of allocations
 *  so far. */
size_t es_mem_now(void);
size_t es_mem_peak(void);
int64_t es_mem_count(void);

/** Reset the peak to the number of bytes allocated now. */
void es_mem_peak_reset(void);

/** Peak resident set size of this process in bytes (getrusage). */
size_t es_mem_rss_peak(void);
/** Resident set size now (/proc/self/statm; 0 where there is none). */
size_t es_mem_rss_now(void);

/** Not collective. Could so many bytes be mapped now? For what libraries allocate without
 *  looking at the result. @return ES_OK, ES_ENOMEM (names `what`) */
es_status es_mem_check(size_t bytes, const char *what);

/** Bytes that the node can still give (MemAvailable in /proc/meminfo); 0 where that is
 *  not known. */
double es_mem_available(void);

/** Copy a string into counted memory; the caller frees it. @return ES_OK, ES_ENOMEM */
es_status es_strdup(const char *s, char **copy);

#endif
