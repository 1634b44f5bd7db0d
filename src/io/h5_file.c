/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_file.c  Is there a file that all ranks can open, and is it the same one? */
#define _GNU_SOURCE /* O_CLOEXEC */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/file_kind.h"
#include "h5_private.h"

/* HDF5 finds its signature behind a block of another program, too. */
static bool may_be_hdf5(const char *path) {
  const es_file_kind k = es_file_kind_of(path);
  return k == ES_FILE_HDF5 || k == ES_FILE_UNKNOWN || k == ES_FILE_MISSING;
}

es_status es_h5_check_file(const es_comm *c, const char *path, bool write) {
  es_collective_error n = {0};
  struct stat s;
  /* not blocking: a pipe would be waited for */
  const int fd = open(path, (write ? O_RDWR : O_RDONLY) | O_NONBLOCK);
  if (fd < 0) {
    es_collective_error_set(&n, ES_EIO, "cannot open %s: %s", path, strerror(errno));
  } else if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
    es_collective_error_set(&n, ES_EIO, "cannot open %s: expected a file", path);
  } else if (!write && c->rank == 0 && !may_be_hdf5(path)) {
    es_collective_error_set(&n, ES_EFORMAT, "%s is no HDF5 file; %s", path,
                            es_file_kind_cure(es_file_kind_of(path)));
  }
  if (fd >= 0) close(fd);
  return es_collective_error_agree(c, &n);
}

/* Which file it is: some file systems number files differently on each node. */
static int64_t identity(const struct stat *s) {
  const uint64_t words[] = {(uint64_t) s->st_size, (uint64_t) s->st_mtim.tv_sec,
                            (uint64_t) s->st_mtim.tv_nsec};
  uint64_t hash = 0;
  for (int i = 0; i < 3; i++) hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
  return (int64_t) (hash >> 1);
}

es_status es_h5_hold(const es_comm *c, const char *path, int *fd, bool *same) {
  es_collective_error n = {0};
  struct stat s = {0};
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  if (*fd < 0 || fstat(*fd, &s) != 0)
    es_collective_error_set(&n, ES_EIO, "cannot open %s: %s", path, strerror(errno));
  int64_t which[2] = {identity(&s), -identity(&s)};
  const es_status st = es_collective_error_agree_max(c, &n, which, 2);
  *same = which[0] == -which[1];
  if (st != ES_OK && *fd >= 0) close(*fd);
  return st;
}

bool es_h5_let_go(const es_comm *c, const char *path, int fd) {
  struct stat held, now;
  int64_t replaced = fstat(fd, &held) != 0 || stat(path, &now) != 0 ||
                     held.st_dev != now.st_dev || held.st_ino != now.st_ino;
  es_comm_max_i64(c, &replaced, 1);
  close(fd);
  return replaced == 0;
}
