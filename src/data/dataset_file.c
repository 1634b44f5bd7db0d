/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_file.c  Files of a data set: mapped, not read, so that all ranks of a
 *  node share one copy and opening costs no memory. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_private.h"

const char *es_map_try(const char *path, es_mapped *m) {
  struct stat info;
  void *bytes = NULL;
  const char *why = NULL;
  /* not blocking: a pipe would be waited for */
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return strerror(errno);
  if (fstat(fd, &info) != 0)
    why = strerror(errno);
  else if (!S_ISREG(info.st_mode))
    why = "expected a file";
  else if (info.st_size > 0)
    bytes = mmap(NULL, (size_t) info.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) why = strerror(errno);
  if (why == NULL) *m = (es_mapped){bytes, (size_t) info.st_size};
  close(fd);
  return why;
}

es_status es_map_open(const char *path, const char *hint, es_mapped *m) {
  const char *why = es_map_try(path, m);
  ES_CHECK(why == NULL, ES_EIO, "cannot open '%s': %s%s", path, why, hint);
  return ES_OK;
}

void es_map_close(es_mapped *m) {
  if (m->bytes != NULL) munmap((void *) m->bytes, m->size);
  *m = (es_mapped){0};
}

es_status es_path_join(const char *folder, const char *name, char *path) {
  const int n = snprintf(path, ES_PATH_MAX, "%s/%s", folder, name);
  ES_CHECK(n < ES_PATH_MAX, ES_ECONFIG,
           "'%.80s...': got a path of %d characters, expected at most %d", folder, n,
           ES_PATH_MAX - 1);
  return ES_OK;
}

es_status es_data_need_path(const es_data_params *p) {
  ES_CHECK(p->path[0] != '\0', ES_ECONFIG,
           "data.path is not set; data.name = %s expected a %s there", p->name,
           strcmp(p->name, "hdf5") == 0 ? "file" : "folder");
  return ES_OK;
}

uint64_t es_hash_bytes(uint64_t hash, const void *bytes, size_t n) {
  const uint8_t *b = bytes;
  for (size_t i = 0; i < n; i++) hash = (hash ^ b[i]) * UINT64_C(0x100000001b3);
  return hash;
}

uint64_t es_hash_file(uint64_t hash, const char *name, const es_mapped *m) {
  enum { SAMPLES = 4096 };
  const uint64_t size = m->size;
  const size_t stride = m->size / SAMPLES + 1;
  hash = es_hash_bytes(hash, name, strlen(name));
  hash = es_hash_bytes(hash, &size, sizeof size);
  for (size_t i = 0; i < m->size; i += stride)
    hash = es_hash_bytes(hash, m->bytes + i, 1);
  return hash;
}
