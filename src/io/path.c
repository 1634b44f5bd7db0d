/* SPDX-License-Identifier: BSD-3-Clause */
/** @file path.c  File-system operations for output folders, checkpoints and exports. */
#define _GNU_SOURCE /* renameat2 */
#include "eigenstep/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

int es_path_sync_parent(const char *path) {
  char parent[PATH_BYTES];
  const size_t len = strlen(path);
  if (len >= sizeof parent) return ENAMETOOLONG;
  memcpy(parent, path, len + 1);
  char *slash = strrchr(parent, '/');
  if (slash == NULL) return es_path_sync(".");
  slash[slash == parent] = '\0'; /* the parent of "/x" is "/" */
  return es_path_sync(parent);
}

int es_path_make_dirs(const char *dir) {
  char part[PATH_BYTES];
  const size_t len = strlen(dir);
  if (len >= sizeof part) return ENAMETOOLONG;
  for (size_t i = 1; i <= len; i++) {
    if (dir[i] != '/' && dir[i] != '\0') continue;
    memcpy(part, dir, i);
    part[i] = '\0';
    struct stat s;
    const int made =
        mkdir(part, 0777) == 0 ? 0 : errno; /* stat has an errno of its own */
    if (made == 0) {
      const int err = es_path_sync_parent(part);
      if (err) return err;
    } else if (stat(part, &s) != 0 || !S_ISDIR(s.st_mode)) {
      return made == EEXIST ? ENOTDIR : made;
    }
  }
  return 0;
}

int es_path_write_all(int fd, const void *bytes, size_t n) {
  for (const char *p = bytes; n > 0;) {
    const ssize_t w = write(fd, p, n);
    if (w < 0 && errno != EINTR) return errno;
    if (w > 0) {
      p += w;
      n -= (size_t) w;
    }
  }
  return 0;
}

int es_path_replace(const char *path, const void *bytes, size_t n) {
  char tmp[PATH_BYTES];
  if (snprintf(tmp, sizeof tmp, "%s.tmp", path) >= (int) sizeof tmp) return ENAMETOOLONG;
  const int fd = open(tmp, O_CREAT | O_TRUNC | O_WRONLY, 0666);
  if (fd < 0) return errno;
  int err = es_path_write_all(fd, bytes, n);
  if (!err && fsync(fd) != 0) err = errno;
  if (close(fd) != 0 && !err) err = errno;
  if (!err && rename(tmp, path) != 0) err = errno;
  if (err) unlink(tmp);
  return err ? err : es_path_sync_parent(path);
}

/* The kernel copies where it can; some file systems then share the blocks. */
static int copy_bytes(int from, int to) {
  char block[1 << 16];
  ssize_t n;
  do n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
  while (n > 0);
  if (n == 0) return 0;
  if (lseek(from, 0, SEEK_SET) != 0 || lseek(to, 0, SEEK_SET) != 0) return errno;
  while ((n = read(from, block, sizeof block)) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    const int err = es_path_write_all(to, block, (size_t) n);
    if (err) return err;
  }
  return 0;
}

int es_path_copy(const char *from, const char *to) {
  const int in = open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0) return errno;
  const int out = open(to, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
  int err = out < 0 ? errno : copy_bytes(in, out);
  if (!err && fsync(out) != 0) err = errno;
  if (out >= 0 && close(out) != 0 && !err) err = errno;
  close(in);
  return err;
}

int es_path_exchange(const char *a, const char *b) {
  return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) != 0 ? errno : 0;
}

int es_path_sync(const char *path) {
  const int fd = open(path, O_RDONLY);
  if (fd < 0) return errno;
  const int err = fsync(fd) != 0 && errno != EINVAL ? errno : 0;
  close(fd);
  return err;
}

double es_path_room(const char *path) {
  char at[PATH_BYTES];
  struct statvfs v;
  if (strlen(path) >= sizeof at) return -1;
  strcpy(at, path);
  while (statvfs(at[0] != '\0' ? at : ".", &v) != 0) {
    if (errno != ENOENT || at[0] == '\0' || strcmp(at, "/") == 0) return -1;
    char *const slash = strrchr(at, '/');
    if (slash == NULL)
      at[0] = '\0';
    else
      slash[slash == at] = '\0';
  }
  return (double) v.f_bavail * (double) v.f_frsize;
}

int es_path_is_empty(const char *dir, bool *empty) {
  DIR *d = opendir(dir);
  int entries = 0;
  *empty = d == NULL && errno == ENOENT;
  if (d == NULL) return *empty ? 0 : errno;
  errno = 0;
  for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
    entries += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  const int err = errno;
  closedir(d);
  *empty = err == 0 && entries == 0;
  return err;
}

int es_path_remove_dir(const char *dir) {
  DIR *d = opendir(dir);
  if (!d) return errno == ENOENT ? 0 : errno;
  int err = 0;
  for (struct dirent *e = readdir(d); e && !err; e = readdir(d)) {
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    if (unlinkat(dirfd(d), e->d_name, 0) != 0) err = errno;
  }
  closedir(d);
  if (!err && rmdir(dir) != 0) err = errno;
  return err;
}

static int remove_entry(const char *path, const struct stat *st, int kind,
                        struct FTW *at) {
  (void) st;
  (void) kind;
  (void) at;
  return remove(path) == 0 ? 0 : errno;
}

int es_path_remove_tree(const char *dir) {
  const int open_folders = 16;
  const int err = nftw(dir, remove_entry, open_folders, FTW_DEPTH | FTW_PHYS);
  return err < 0 ? errno : err;
}
