/* SPDX-License-Identifier: BSD-3-Clause */
/** @file once.c  Files that several programs may write at one time. */
#define _POSIX_C_SOURCE 200809L
#include "once.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/path.h"

enum { PATH = 1200, HOST = 128 };

void es_once_own_name(const char *path, char *name, size_t size) {
  char host[HOST] = "";
  gethostname(host, sizeof host - 1);
  snprintf(name, size, "%s.%s.%ld", path, host, (long) getpid());
}

/* A new file of this process; what a former one of its number has left goes. */
static int open_own(const char *path, char name[PATH]) {
  es_once_own_name(path, name, PATH);
  unlink(name);
  return open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
}

/* @return 0, EEXIST, or another errno value */
static int publish(const char *name, const char *path, int fd) {
  struct stat s;
  if (link(name, path) == 0) return 0;
  const int err = errno;
  /* over NFS a link may have been made although its answer was lost */
  return fstat(fd, &s) == 0 && s.st_nlink == 2 ? 0 : err;
}

es_status es_once_create(const char *path, const char *text, int *out) {
  char name[PATH];
  *out = -1;
  if (access(path, F_OK) == 0) return ES_OK;
  const int fd = open_own(path, name);
  ES_CHECK(fd >= 0, ES_EIO, "cannot create '%s': %s", name, strerror(errno));
  flock(fd, LOCK_EX | LOCK_NB); /* where there are no locks heartbeats alone count */
  int err = es_path_write_all(fd, text, strlen(text));
  if (err == 0 && fsync(fd) != 0) err = errno;
  if (err == 0) err = publish(name, path, fd);
  unlink(name);
  if (err == 0) {
    *out = fd;
    return ES_OK;
  }
  close(fd);
  ES_CHECK(err == EEXIST, ES_EIO, "cannot create '%s': %s%s", path, strerror(err),
           err == EPERM || err == ENOTSUP || err == ENOSYS
               ? " (a sweep's folder needs a file system with hard links)"
               : "");
  return ES_OK;
}

es_status es_once_replace(const char *path, const char *text) {
  char name[PATH];
  const int fd = open_own(path, name);
  ES_CHECK(fd >= 0, ES_EIO, "cannot create '%s': %s", name, strerror(errno));
  int err = es_path_write_all(fd, text, strlen(text));
  if (err == 0 && fsync(fd) != 0) err = errno;
  if (close(fd) != 0 && err == 0) err = errno;
  if (err == 0 && rename(name, path) != 0) err = errno;
  if (err != 0) unlink(name);
  ES_CHECK(err == 0, ES_EIO, "cannot write '%s': %s", path, strerror(err));
  return ES_OK;
}
