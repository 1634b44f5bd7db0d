/* SPDX-License-Identifier: BSD-3-Clause */
/** @file safetensors_read.c  Open a safetensors file and read tensors as f32. */
#include "safetensors_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/file_kind.h"
#include "eigenstep/mem.h"

enum { HEADER_MAX = 100000000 }; /* as in the reference implementation */

/* Read n bytes at an offset; 0, an errno value, or -1 at the end of the file. */
static int read_at(int fd, int64_t at, void *out, int64_t n) {
  for (char *p = out; n > 0;) {
    const ssize_t got = pread(fd, p, (size_t) n, (off_t) at);
    if (got == 0) return -1;
    if (got < 0 && errno != EINTR) return errno;
    if (got > 0) {
      p += got;
      at += got;
      n -= got;
    }
  }
  return 0;
}

static es_status read_checked(const es_safetensors *f, int64_t at, void *out, int64_t n) {
  const int err = read_at(f->fd, at, out, n);
  ES_CHECK(err == 0, err < 0 ? ES_EFORMAT : ES_EIO, "cannot read %s: %s", f->path,
           err < 0 ? "unexpected end of file" : strerror(err));
  return ES_OK;
}

static es_status read_header(es_safetensors *f) {
  struct stat s;
  uint64_t len = 0;
  char *header = NULL;
  ES_CHECK(fstat(f->fd, &s) == 0, ES_EIO, "cannot read %s: %s", f->path, strerror(errno));
  ES_TRY(read_checked(f, 0, &len, sizeof len));
  const es_file_kind kind = es_file_kind_of(f->path);
  ES_CHECK(len <= HEADER_MAX && (int64_t) len <= s.st_size - 8, ES_EFORMAT,
           "%s: got a header of %" PRIu64 " bytes in a file of %" PRId64
           " bytes, expected a safetensors file; %s",
           f->path, len, (int64_t) s.st_size,
           kind == ES_FILE_SAFETENSORS ? "it is cut off, fetch or write it again"
                                       : es_file_kind_cure(kind));
  ES_TRY(es_alloc((size_t) len + 1, "safetensors header", (void **) &header));
  f->data = 8 + (int64_t) len;
  es_status st = read_checked(f, 8, header, (int64_t) len);
  if (st == ES_OK) st = es_safetensors_parse(f, header, (int64_t) s.st_size - f->data);
  es_free(&header);
  return st;
}

es_status es_safetensors_open(const char *path, es_safetensors **out) {
  struct stat s;
  /* O_NONBLOCK: opening a pipe must not block */
  const int fd = open(path, O_RDONLY | O_NONBLOCK);
  ES_CHECK(fd >= 0, ES_EIO, "cannot open %s: %s", path, strerror(errno));
  if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
    close(fd);
    es_error("cannot open %s: expected a regular file", path);
    return ES_EIO;
  }
  es_safetensors *f = NULL;
  es_status st = ES_NEW(1, &f);
  if (st != ES_OK) {
    close(fd);
    return st;
  }
  f->fd = fd;
  st = es_strdup(path, &f->path);
  if (st == ES_OK) st = read_header(f);
  if (st != ES_OK) {
    es_safetensors_close(&f);
    return st;
  }
  *out = f;
  return ES_OK;
}

void es_safetensors_close(es_safetensors **pf) {
  es_safetensors *f = *pf;
  if (!f) return;
  close(f->fd);
  es_free(&f->path);
  es_free(&f->entry);
  es_free(&f->by_name);
  es_free(&f);
  *pf = NULL;
}

size_t es_safetensors_count(const es_safetensors *f) {
  return f->n;
}

void es_safetensors_info(const es_safetensors *f, size_t i, es_st_tensor *info) {
  *info = f->entry[i].tensor;
}

int64_t es_safetensors_find(const es_safetensors *f, const char *name) {
  size_t low = 0, high = f->n;
  while (low < high) {
    const size_t mid = low + (high - low) / 2, i = f->by_name[mid];
    const int order = strcmp(name, f->entry[i].tensor.name);
    if (order == 0) return (int64_t) i;
    if (order < 0) high = mid;
    if (order > 0) low = mid + 1;
  }
  return -1;
}

es_status es_safetensors_read(const es_safetensors *f, size_t i, float *out) {
  ES_CHECK(i < f->n, ES_EARG, "%s: got tensor number %zu, expected a number below %zu",
           f->path, i, f->n);
  enum { ROUND = 4096 }; /* numbers converted at a time */
  const es_st_entry *e = &f->entry[i];
  const es_number type = e->type->number;
  const int64_t n = (e->end - e->begin) / type.size;
  double value[ROUND];
  unsigned char raw[8 * ROUND];
  for (int64_t at = 0; at < n; at += ROUND) {
    const int64_t m = n - at < ROUND ? n - at : ROUND;
    ES_TRY(read_checked(f, f->data + e->begin + at * type.size, raw, m * type.size));
    es_number_to_f64(type, raw, m, value);
    for (int64_t k = 0; k < m; k++) out[at + k] = (float) value[k];
  }
  return ES_OK;
}
