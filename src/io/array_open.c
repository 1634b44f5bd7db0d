/* SPDX-License-Identifier: BSD-3-Clause */
/** @file array_open.c  Open an array in a .npy or a safetensors file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "array_private.h"
#include "eigenstep/file_kind.h"
#include "eigenstep/mem.h"
#include "safetensors_private.h"

static es_status open_file(const char *path, es_array_file **out, int64_t *size) {
  struct stat s;
  es_array_file *a = NULL;
  ES_TRY(ES_NEW(1, &a));
  a->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is not waited for */
  es_status st = es_strdup(path, &a->path);
  if (st == ES_OK && (a->fd < 0 || fstat(a->fd, &s) != 0 || !S_ISREG(s.st_mode))) {
    es_error("cannot open '%s': %s", path,
             a->fd < 0 ? strerror(errno) : "expected a regular file");
    st = ES_EIO;
  }
  if (st != ES_OK) {
    es_array_close(&a);
    return st;
  }
  *size = (int64_t) s.st_size;
  *out = a;
  return ES_OK;
}

/* Bytes of the numbers; false where they are more than a file can have. */
static bool count_bytes(const es_array_file *a, int64_t *bytes) {
  *bytes = a->type.size;
  for (int i = 0; i < a->info.ndim; i++)
    if (__builtin_mul_overflow(*bytes, a->info.dim[i], bytes)) return false;
  return true;
}

/* Magic, version, length of the header (2 bytes; 4 from version 2 on), header, data. */
static es_status read_npy(es_array_file *a, int64_t size) {
  enum { MOST = 1 << 20 };
  unsigned char start[12];
  char *text = NULL;
  int64_t bytes = 0;
  ES_CHECK(size >= 12, ES_EFORMAT, "'%s': got %lld bytes, expected a .npy file", a->path,
           (long long) size);
  ES_TRY(es_array_bytes(a, 0, start, sizeof start));
  ES_CHECK(memcmp(start, "\x93NUMPY", 6) == 0, ES_EFORMAT,
           "'%s': expected a .npy file; %s", a->path,
           es_file_kind_cure(es_file_kind_of(a->path)));
  ES_CHECK(start[6] >= 1 && start[6] <= 3, ES_EFORMAT,
           "'%s': got version %d of the .npy format, expected 1 to 3", a->path, start[6]);
  const int64_t at = start[6] == 1 ? 10 : 12;
  const int64_t n =
      start[8] | start[9] << 8 |
      (at == 12 ? (int64_t) start[10] << 16 | (int64_t) start[11] << 24 : 0);
  ES_CHECK(n <= MOST && at + n <= size, ES_EFORMAT,
           "'%s': got a header of %lld bytes in a file of %lld", a->path, (long long) n,
           (long long) size);
  ES_TRY(es_alloc((size_t) n + 1, "the header of a .npy file", (void **) &text));
  es_status st = es_array_bytes(a, at, text, n);
  if (st == ES_OK) st = es_npy_parse(a->path, text, (size_t) n, a);
  es_free(&text);
  ES_TRY(st);
  a->data = at + n;
  ES_CHECK(count_bytes(a, &bytes) && bytes <= size - a->data, ES_EFORMAT,
           "'%s': got %lld bytes of numbers, expected more from the shape: truncated?",
           a->path, (long long) (size - a->data));
  return ES_OK;
}

es_status es_array_open_npy(const char *path, es_array_file **out) {
  es_array_file *a = NULL;
  int64_t size;
  ES_TRY(open_file(path, &a, &size));
  const es_status st = read_npy(a, size);
  if (st != ES_OK)
    es_array_close(&a);
  else
    *out = a;
  return st;
}

/* "a, b, ...": the tensors of the file, as many as fit. */
static void list_tensors(const es_safetensors *f, char *text, size_t size) {
  size_t used = 0;
  snprintf(text, size, "none");
  for (size_t i = 0; i < f->n; i++) {
    const char *const name = f->entry[f->by_name[i]].tensor.name;
    if (used + strlen(name) + 8 > size) {
      snprintf(text + used, size - used, ", ...");
      return;
    }
    used += (size_t) snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", name);
  }
}

static es_status find_tensor(const es_safetensors *f, const char *name,
                             es_array_file *a) {
  char have[400];
  const int64_t i = name[0] == '\0' && f->n == 1 ? 0 : es_safetensors_find(f, name);
  if (i < 0) {
    list_tensors(f, have, sizeof have);
    es_error("'%s' has %s%s%s; it has %s", f->path,
             name[0] != '\0' ? "no tensor '" : "several tensors, expected FILE:NAME",
             name, name[0] != '\0' ? "'" : "", have);
    return ES_EFORMAT;
  }
  const es_st_entry *const e = &f->entry[i];
  a->type = e->type->number;
  a->data = f->data + e->begin;
  a->info.ndim = e->tensor.ndim;
  memcpy(a->info.dim, e->tensor.dim, sizeof e->tensor.dim);
  return ES_OK;
}

es_status es_array_open_safetensors(const char *path, const char *name,
                                    es_array_file **out) {
  es_safetensors *f = NULL;
  es_array_file *a = NULL;
  int64_t size;
  ES_TRY(es_safetensors_open(path, &f));
  es_status st = open_file(path, &a, &size);
  if (st == ES_OK) st = find_tensor(f, name, a);
  es_safetensors_close(&f);
  if (st != ES_OK)
    es_array_close(&a);
  else
    *out = a;
  return st;
}
