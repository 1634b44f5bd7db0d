/* SPDX-License-Identifier: BSD-3-Clause */
/** @file mem.h  Counted, 64-byte aligned host memory. Thread-safe. */
#ifndef ES_MEM_H
#define ES_MEM_H

#include <stddef.h>
#include <stdint.h>
#include "eigenstep/status.h"

/** Allocate `bytes` zeroed bytes, 64-byte aligned (0 bytes gives a valid unique
 *  pointer). *p is written only on success. @return ES_OK or ES_ENOMEM (logged with
 *  size and `what`). */
es_status es_alloc(size_t bytes, const char *what, void **p);

/** es_alloc for n elements of *ptr's type; checks the multiplication for overflow. */
#define ES_NEW(n, ptr) es_alloc_n((size_t) (n), sizeof **(ptr), #ptr, (void **) (ptr))
es_status es_alloc_n(size_t n, size_t size, const char *what, void **p);

/** Free what es_alloc gave and null the pointer; NULL inside is fine. Use:
 *  es_free(&p). */
#define es_free(pp) es_free_((void **) (pp))
void es_free_(void **p);

/** Bytes now allocated, the peak so far, and the number of allocations made so far. */
size_t es_mem_now(void);
size_t es_mem_peak(void);
int64_t es_mem_count(void);

/** Let the peak begin again at what is allocated now. */
void es_mem_peak_reset(void);

/** Peak resident set size of this process in bytes (getrusage). */
size_t es_mem_rss_peak(void);
/** Resident set size now (/proc/self/statm; 0 where there is none). */
size_t es_mem_rss_now(void);

/** A private copy of a string in counted memory. */
es_status es_strdup(const char *s, char **copy);

#endif
