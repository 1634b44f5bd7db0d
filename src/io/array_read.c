/* SPDX-License-Identifier: BSD-3-Clause */
/** @file array_read.c  Blocks of an array in a file.
 *
 *  A block is read in the order of the file, in runs of numbers that follow each other;
 *  where that is Fortran's, indices are turned round afterwards. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "array_private.h"
#include "eigenstep/mem.h"

enum { ROUND = 1 << 16 }; /* numbers converted at a time */

es_status es_array_bytes(const es_array_file *a, int64_t at, void *bytes, int64_t n) {
  for (char *p = bytes; n > 0;) {
    const ssize_t got = pread(a->fd, p, (size_t) n, (off_t) at);
    if (got < 0 && errno == EINTR) continue;
    ES_CHECK(got >= 0, ES_EIO, "cannot read '%s': %s", a->path, strerror(errno));
    ES_CHECK(got > 0, ES_EFORMAT, "'%s': got the end of the file at byte %lld, too early",
             a->path, (long long) at);
    p += got;
    at += got;
    n -= got;
  }
  return ES_OK;
}

const es_array_info *es_array_shape(const es_array_file *a) {
  return &a->info;
}

void es_array_close(es_array_file **a) {
  if (*a == NULL) return;
  if ((*a)->fd >= 0) close((*a)->fd);
  es_free(&(*a)->path);
  es_free(a);
}

/* n numbers that follow each other from number `first` on. */
static es_status read_run(const es_array_file *a, int64_t first, int64_t n, void *raw,
                          double *out) {
  const int64_t size = a->type.size;
  for (int64_t k = 0; k < n; k += ROUND) {
    const int64_t m = n - k < ROUND ? n - k : ROUND;
    ES_TRY(es_array_bytes(a, a->data + (first + k) * size, raw, m * size));
    es_number_to_f64(a->type, raw, m, out + k);
  }
  return ES_OK;
}

/* A block of an array of this shape in C order. */
static es_status read_block(const es_array_file *a, const int64_t *dim,
                            const int64_t *start, const int64_t *count, double *out) {
  const int n = a->info.ndim;
  int64_t at[ES_ARRAY_DIMS] = {0}, run = 1, blocks = 1;
  int cut = n; /* dimensions from `cut` on follow each other */
  while (cut > 0 && (cut == n || count[cut] == dim[cut])) run *= count[--cut];
  for (int i = 0; i < cut; i++) blocks *= count[i];
  void *raw = NULL;
  es_status st = es_alloc((size_t) ROUND * 8, "a part of an array", &raw);
  for (int64_t b = 0; b < blocks && run > 0 && st == ES_OK; b++, out += run) {
    int64_t first = 0;
    for (int i = 0; i < n; i++) first = first * dim[i] + start[i] + at[i];
    st = read_run(a, first, run, raw, out);
    for (int i = cut - 1; i >= 0 && ++at[i] == count[i]; i--) at[i] = 0;
  }
  es_free(&raw);
  return st;
}

/* [count reversed] -> [count], both row-major. */
static void turn_round(int n, const int64_t *count, const double *in, double *out) {
  int64_t at[ES_ARRAY_DIMS] = {0}, all = 1;
  for (int i = 0; i < n; i++) all *= count[i];
  for (int64_t k = 0; k < all; k++) {
    int64_t from = 0;
    for (int i = n - 1; i >= 0; i--) from = from * count[i] + at[i];
    out[k] = in[from];
    for (int i = n - 1; i >= 0 && ++at[i] == count[i]; i--) at[i] = 0;
  }
}

es_status es_array_read(const es_array_file *a, const int64_t *start,
                        const int64_t *count, double *out) {
  const int n = a->info.ndim;
  int64_t dim[ES_ARRAY_DIMS], from[ES_ARRAY_DIMS], len[ES_ARRAY_DIMS], all = 1;
  for (int i = 0; i < n; i++) {
    ES_CHECK(start[i] >= 0 && count[i] >= 0 && start[i] <= a->info.dim[i] - count[i],
             ES_EARG, "'%s': got a block outside of dimension %d", a->path, i);
    const int to = a->fortran ? n - 1 - i : i;
    dim[to] = a->info.dim[i];
    from[to] = start[i];
    len[to] = count[i];
    all *= count[i];
  }
  if (!a->fortran) return read_block(a, dim, from, len, out);
  double *turned = NULL;
  ES_TRY(ES_NEW(all, &turned));
  const es_status st = read_block(a, dim, from, len, turned);
  if (st == ES_OK) turn_round(n, count, turned, out);
  es_free(&turned);
  return st;
}
