/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_file.c  Files of a data set: read at a position, never mapped. A mapped
 *  file that another program shortens ends the process with a bus error; a read that
 *  comes short is a sentence. The ranks of a node share the system's cached pages. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_private.h"
#include "eigenstep/mem.h"

/** A descriptor and the size of a regular file. @return NULL, or why not */
static const char *open_file(const char *path, int *out, int64_t *size) {
  struct stat info;
  const char *why = NULL;
  /* not blocking: a pipe would be waited for */
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return strerror(errno);
  if (fstat(fd, &info) != 0)
    why = strerror(errno);
  else if (!S_ISREG(info.st_mode))
    why = "expected a file";
  if (why != NULL) {
    close(fd);
    return why;
  }
  *out = fd;
  *size = (int64_t) info.st_size;
  return NULL;
}

/** Bytes read before the end of the file, n if all are there; -1 with errno. */
static int64_t read_at(int fd, int64_t at, void *bytes, size_t n) {
  size_t have = 0;
  while (have < n) {
    const ssize_t got =
        pread(fd, (char *) bytes + have, n - have, (off_t) (at + (int64_t) have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    have += (size_t) got;
  }
  return (int64_t) have;
}

es_status es_data_file_open(const char *path, const char *hint, es_data_file *f) {
  es_data_file new = {.fd = -1};
  const char *why = open_file(path, &new.fd, &new.size);
  ES_CHECK(why == NULL, ES_EIO, "cannot open '%s': %s%s", path, why, hint);
  const es_status st = es_strdup(path, &new.path);
  if (st != ES_OK) {
    close(new.fd);
    return st;
  }
  *f = new;
  return ES_OK;
}

void es_data_file_close(es_data_file *f) {
  if (f->path != NULL) close(f->fd);
  es_free(&f->path);
}

es_status es_data_file_read(const es_data_file *f, int64_t at, void *bytes, size_t n) {
  const int64_t got = read_at(f->fd, at, bytes, n);
  ES_CHECK(got >= 0, ES_EIO, "cannot read '%s': %s", f->path, strerror(errno));
  ES_CHECK(got == (int64_t) n, ES_EIO,
           "'%s': got the end of the file at byte %lld, expected %lld bytes as when it "
           "was opened: something has shortened it since",
           f->path, (long long) (at + got), (long long) f->size);
  return ES_OK;
}

es_status es_data_file_hash(const es_data_file *f, const char *name, uint64_t *hash) {
  enum { SAMPLES = 4096 };
  const uint64_t size = (uint64_t) f->size;
  const int64_t stride = f->size / SAMPLES + 1;
  uint64_t h = es_hash_bytes(*hash, name, strlen(name));
  h = es_hash_bytes(h, &size, sizeof size);
  for (int64_t i = 0; i < f->size; i += stride) {
    uint8_t byte;
    ES_TRY(es_data_file_read(f, i, &byte, 1));
    h = es_hash_bytes(h, &byte, 1);
  }
  *hash = h;
  return ES_OK;
}

const char *es_data_file_part(const char *path, int64_t at, void *bytes, size_t room,
                              size_t *n, int64_t *size) {
  int fd;
  const char *why = open_file(path, &fd, size);
  if (why != NULL) return why;
  const int64_t got = read_at(fd, at < 0 ? *size + at : at, bytes, room);
  if (got < 0) why = strerror(errno);
  close(fd);
  if (got >= 0) *n = (size_t) got;
  return why;
}

es_status es_path_join(const char *folder, const char *name, char *path) {
  const int n = snprintf(path, ES_PATH_MAX, "%s/%s", folder, name);
  ES_CHECK(n < ES_PATH_MAX, ES_ECONFIG,
           "'%.80s...': got a path of %d characters, expected at most %d", folder, n,
           ES_PATH_MAX - 1);
  return ES_OK;
}

es_status es_data_need_path(const es_data_params *p) {
  ES_CHECK(
      p->path[0] != '\0', ES_ECONFIG,
      "data.path is not set; data.name = %s expected a %s there; without it generated "
      "images take its place by data.name=deadleaves data.path= data.split=",
      p->name, strcmp(p->name, "hdf5") == 0 ? "file" : "folder");
  return ES_OK;
}

uint64_t es_hash_bytes(uint64_t hash, const void *bytes, size_t n) {
  const uint8_t *b = bytes;
  for (size_t i = 0; i < n; i++) hash = (hash ^ b[i]) * UINT64_C(0x100000001b3);
  return hash;
}
