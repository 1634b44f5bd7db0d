/* SPDX-License-Identifier: BSD-3-Clause */
/** @file safetensors_write.c  Write a safetensors file: u64 header length, JSON header
 *  padded with spaces to 8 bytes, then the f32 data in the given order without gaps.
 *  Format: https://github.com/huggingface/safetensors#format. Little-endian machines. */
#include "eigenstep/safetensors.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "eigenstep/path.h"

enum { PATH_BYTES = 4096 };

static int64_t bytes_of(const es_st_tensor *t) {
  int64_t n = 4;
  for (int i = 0; i < t->ndim; i++) n *= t->dim[i];
  return n;
}

/* {"dtype":"F32","shape":[...],"data_offsets":[begin,end]} */
static bool add_tensor(cJSON *root, const es_st_tensor *t, int64_t begin) {
  cJSON *entry = cJSON_AddObjectToObject(root, t->name);
  if (!entry || !cJSON_AddStringToObject(entry, "dtype", "F32")) return false;
  cJSON *shape = cJSON_AddArrayToObject(entry, "shape");
  cJSON *range = cJSON_AddArrayToObject(entry, "data_offsets");
  bool ok = shape && range;
  for (int i = 0; ok && i < t->ndim; i++) {
    ok = cJSON_AddItemToArray(shape, cJSON_CreateNumber((double) t->dim[i]));
  }
  const double end = (double) (begin + bytes_of(t));
  ok = ok && cJSON_AddItemToArray(range, cJSON_CreateNumber((double) begin));
  return ok && cJSON_AddItemToArray(range, cJSON_CreateNumber(end));
}

/* The header as text (free with cJSON_free), or NULL when out of memory. */
static char *header_text(const es_st_tensor *t, size_t n,
                         const char *const (*metadata)[2], size_t n_meta) {
  cJSON *root = cJSON_CreateObject();
  cJSON *meta = n_meta ? cJSON_AddObjectToObject(root, "__metadata__") : NULL;
  bool ok = root && (meta || !n_meta);
  for (size_t i = 0; ok && i < n_meta; i++) {
    ok = cJSON_AddStringToObject(meta, metadata[i][0], metadata[i][1]) != NULL;
  }
  int64_t begin = 0;
  for (size_t i = 0; ok && i < n; i++) {
    ok = add_tensor(root, &t[i], begin);
    begin += bytes_of(&t[i]);
  }
  char *text = ok ? cJSON_PrintUnformatted(root) : NULL;
  cJSON_Delete(root);
  return text;
}

/* Returns 0 or an errno value. */
static int write_file(int fd, const char *header, const es_st_tensor *t, size_t n) {
  const uint64_t len = strlen(header), padded = (len + 7) / 8 * 8;
  int err = es_path_write_all(fd, &padded, sizeof padded);
  if (!err) err = es_path_write_all(fd, header, len);
  if (!err) err = es_path_write_all(fd, "        ", padded - len);
  for (size_t i = 0; i < n && !err; i++) {
    err = es_path_write_all(fd, t[i].data, (size_t) bytes_of(&t[i]));
  }
  if (!err && fsync(fd) != 0) err = errno;
  return err;
}

/* Check what a reader requires: names, number of dimensions, unique names. */
static es_status check(const char *path, const es_st_tensor *t, size_t n) {
  for (size_t i = 0; i < n; i++) {
    ES_CHECK(memchr(t[i].name, '\0', sizeof t[i].name) && *t[i].name, ES_EARG,
             "%s: tensor number %zu: expected a name", path, i);
    ES_CHECK(t[i].ndim >= 0 && t[i].ndim <= 4, ES_EARG,
             "%s: tensor %s: got %d dimensions, expected 0 to 4", path, t[i].name,
             t[i].ndim);
    for (int d = 0; d < t[i].ndim; d++) {
      ES_CHECK(t[i].dim[d] >= 0, ES_EARG,
               "%s: tensor %s: got dimension %lld, expected at least 0", path, t[i].name,
               (long long) t[i].dim[d]);
    }
    for (size_t j = 0; j < i; j++) {
      ES_CHECK(strcmp(t[i].name, t[j].name) != 0, ES_EARG,
               "%s: got two tensors named %s, expected unique names", path, t[i].name);
    }
  }
  return ES_OK;
}

es_status es_safetensors_write(const char *path, const es_st_tensor *t, size_t n,
                               const char *const (*metadata)[2], size_t n_meta) {
  char tmp[PATH_BYTES];
  struct stat s;
  ES_TRY(check(path, t, n));
  ES_CHECK(stat(path, &s) != 0 || S_ISREG(s.st_mode), ES_EIO,
           "cannot write %s: it exists and is not a regular file", path);
  ES_CHECK(snprintf(tmp, sizeof tmp, "%s.tmp", path) < (int) sizeof tmp, ES_EARG,
           "path %s: expected at most 4091 characters", path);
  char *header = header_text(t, n, metadata, n_meta);
  ES_CHECK(header, ES_ENOMEM, "out of memory while writing the header of %s", path);
  const int fd = open(tmp, O_CREAT | O_TRUNC | O_WRONLY, 0666);
  int err = fd < 0 ? errno : write_file(fd, header, t, n);
  if (fd >= 0 && close(fd) != 0 && !err) err = errno;
  if (!err && rename(tmp, path) != 0) err = errno;
  if (err && fd >= 0) unlink(tmp);
  if (!err) err = es_path_sync_parent(path);
  cJSON_free(header);
  ES_CHECK(!err, ES_EIO, "cannot write %s: %s", path, strerror(err));
  return ES_OK;
}
