/* SPDX-License-Identifier: BSD-3-Clause */
/** @file embedding_source.c  An address of embeddings -> open files. */
#include "embedding_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/file_kind.h"
#include "eigenstep/h5_input.h"
#include "eigenstep/mem.h"

#define EXPECTED "FILE.h5:/DATASET, FILE.npy or FILE.safetensors:NAME"

static es_status copy_part(const char *from, size_t n, es_string to) {
  ES_CHECK(n < sizeof(es_string), ES_ECONFIG,
           "got a name of %zu characters, expected at most %zu", n,
           sizeof(es_string) - 1);
  memcpy(to, from, n);
  to[n] = '\0';
  return ES_OK;
}

/* The file before the name: up to the first ":/" (an HDF5 name may have colons of its
 * own), or else the last colon before which there is a file. */
static size_t file_length(const char *address) {
  const char *const slash = strstr(address, ":/");
  if (slash != NULL && slash != address) return (size_t) (slash - address);
  for (size_t n = strlen(address); n-- > 1;) {
    es_string file;
    if (address[n] != ':' || n >= sizeof file) continue;
    memcpy(file, address, n);
    file[n] = '\0';
    if (es_file_kind_of(file) != ES_FILE_MISSING) return n;
  }
  return strlen(address);
}

/* "A.npy,B.npy" where there is no file of that whole name. */
static es_status split_files(const char *address, es_source *s) {
  const char *comma = strchr(address, ',');
  s->sets = 1;
  ES_TRY(copy_part(address, strlen(address), s->file[0]));
  if (es_file_kind_of(address) != ES_FILE_MISSING || comma == NULL) return ES_OK;
  s->sets = 2;
  ES_TRY(copy_part(address, (size_t) (comma - address), s->file[0]));
  return copy_part(comma + 1, strlen(comma + 1), s->file[1]);
}

/* "/A,/B" and "A,B". */
static es_status split_names(const char *names, es_source *s) {
  const char *const comma = strstr(names, s->kind == ES_FILE_HDF5 ? ",/" : ",");
  s->sets = comma != NULL ? 2 : 1;
  memcpy(s->file[1], s->file[0], sizeof s->file[0]);
  const size_t n = comma != NULL ? (size_t) (comma - names) : strlen(names);
  ES_TRY(copy_part(names, n, s->set[0]));
  return comma != NULL ? copy_part(comma + 1, strlen(comma + 1), s->set[1]) : ES_OK;
}

/* A file that begins as none that is known: is it another one by its name? */
static es_status check_ending(const char *file) {
  const char *const dot = strrchr(file, '.');
  const bool npy = dot != NULL && strcmp(dot, ".npy") == 0;
  const bool tensors = dot != NULL && strcmp(dot, ".safetensors") == 0;
  ES_CHECK(!npy && !tensors, ES_EFORMAT,
           "'%s' does not begin as a %s file does: it is cut short or damaged; write or "
           "fetch it again",
           file, dot);
  return ES_OK;
}

/* Why nothing can be read from it. */
static const char *why_missing(const char *file) {
  struct stat s;
  if (stat(file, &s) != 0) return strerror(errno);
  if (S_ISDIR(s.st_mode)) return "it is a folder";
  return access(file, R_OK) != 0 ? strerror(errno) : "it cannot be read";
}

/* Rank 0. */
static es_status parse(const char *address, es_source *s) {
  const size_t n = file_length(address);
  const bool named = address[n] == ':';
  ES_CHECK(address[0] != '\0', ES_ECONFIG, "got no embeddings, expected " EXPECTED);
  if (named)
    ES_TRY(copy_part(address, n, s->file[0]));
  else
    ES_TRY(split_files(address, s));
  s->kind = es_file_kind_of(s->file[0]);
  ES_CHECK(s->kind != ES_FILE_MISSING, ES_EIO, "cannot open '%s': %s; expected " EXPECTED,
           s->file[0], why_missing(s->file[0]));
  const bool inside = s->kind == ES_FILE_HDF5 || s->kind == ES_FILE_SAFETENSORS;
  ES_CHECK(inside || s->kind == ES_FILE_NPY || s->kind == ES_FILE_UNKNOWN, ES_EFORMAT,
           "'%s' holds no embeddings that can be read, expected " EXPECTED "; %s",
           s->file[0], es_file_kind_cure((es_file_kind) s->kind));
  if (s->kind == ES_FILE_UNKNOWN) ES_TRY(check_ending(s->file[0]));
  ES_CHECK(s->kind != ES_FILE_UNKNOWN || named, ES_EFORMAT,
           "'%s': %s; expected " EXPECTED, s->file[0],
           es_file_kind_cure(ES_FILE_UNKNOWN));
  if (s->kind == ES_FILE_UNKNOWN) s->kind = ES_FILE_HDF5; /* or HDF5 says what is wrong */
  ES_CHECK(!named || s->kind != ES_FILE_NPY, ES_ECONFIG,
           "'%s' is a .npy file and holds one array, expected no name after it",
           s->file[0]);
  ES_CHECK(s->kind != ES_FILE_HDF5 || !named || address[n + 1] == '/', ES_ECONFIG,
           "'%s': got no dataset, expected FILE.h5:/DATASET", address);
  if (s->kind == ES_FILE_HDF5 && !named) /* a group: what it holds is told */
    return copy_part("/", 1, s->set[0]);
  return named ? split_names(address + n + 1, s) : ES_OK;
}

/* Collective. */
static es_status open_h5(es_source *s) {
  es_h5_info x;
  ES_TRY(es_h5_open(s->comm, s->file[0], false, &s->h5));
  for (int k = 0; k < s->sets; k++) {
    ES_TRY(es_h5_input_stat(s->h5, s->set[k], &x));
    s->shape[k].ndim = x.ndim;
    memcpy(s->shape[k].dim, x.dim, sizeof x.dim);
  }
  return ES_OK;
}

_Static_assert((int) ES_H5_MAXDIM == (int) ES_ARRAY_DIMS, "shapes of both kinds");

/* This rank's view of the files. */
static es_status open_arrays(es_source *s) {
  for (int k = 0; k < s->sets; k++) {
    ES_TRY(s->kind == ES_FILE_NPY
               ? es_array_open_npy(s->file[k], &s->array[k])
               : es_array_open_safetensors(s->file[k], s->set[k], &s->array[k]));
    s->shape[k] = *es_array_shape(s->array[k]);
    if (s->set[k][0] == '\0') snprintf(s->set[k], sizeof s->set[k], "%s", s->file[k]);
  }
  return ES_OK;
}

/* A file may be another one, or cached as it was, on another node. */
static es_status check_shapes(const es_source *s) {
  int64_t shape[2][1 + ES_ARRAY_DIMS] = {0};
  for (int k = 0; k < s->sets; k++) {
    shape[k][0] = s->shape[k].ndim;
    for (int i = 0; i < s->shape[k].ndim; i++) shape[k][1 + i] = s->shape[k].dim[i];
  }
  return es_comm_assert_equal(s->comm, shape, sizeof shape, "shape of the embeddings");
}

es_status es_source_open(const es_comm *c, const char *address, es_source *s) {
  *s = (es_source){.comm = c};
  ES_TRY(es_comm_agree(c, c->rank == 0 ? parse(address, s) : ES_OK));
  es_comm_bcast(c, &s->kind, sizeof s->kind, 0);
  es_comm_bcast(c, &s->sets, sizeof s->sets, 0);
  es_comm_bcast(c, s->file, sizeof s->file, 0);
  es_comm_bcast(c, s->set, sizeof s->set, 0);
  es_status st = s->kind == ES_FILE_HDF5 ? open_h5(s) : es_comm_agree(c, open_arrays(s));
  if (st == ES_OK) st = check_shapes(s);
  if (st != ES_OK) es_source_close(s);
  return st;
}

es_status es_source_close(es_source *s) {
  for (int k = 0; k < 2; k++) es_array_close(&s->array[k]);
  return es_h5_close(&s->h5);
}

es_status es_source_read(const es_source *s, int k, const int64_t *start,
                         const int64_t *count, double *out) {
  if (s->h5 != NULL)
    return es_h5_read_slab(s->h5, s->set[k], ES_H5_F64, start, count, out);
  return es_comm_agree(s->comm, es_array_read(s->array[k], start, count, out));
}
