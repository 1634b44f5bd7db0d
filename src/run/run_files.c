/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_files.c  Make an output folder that does not exist or is empty; replace its
 *  text files atomically. */
#include "eigenstep/run_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/collective_error.h"
#include "eigenstep/path.h"

enum { PATH_BYTES = 4096 };

/* Rank 0's part. */
static void make(const char *dir, es_collective_error *n) {
  if (!*dir) {
    es_collective_error_set(n, ES_ECONFIG,
                            "output.dir is empty, expected the name of a folder");
    return;
  }
  bool empty = false;
  int err = es_path_make_dirs(dir);
  if (err) {
    es_collective_error_set(n, ES_EIO, "cannot make the output folder %s: %s", dir,
                            strerror(err));
  } else if (access(dir, R_OK | W_OK | X_OK) != 0) {
    es_collective_error_set(n, ES_EIO, "cannot write in the output folder %s: %s", dir,
                            strerror(errno));
  } else if ((err = es_path_is_empty(dir, &empty)) != 0) {
    es_collective_error_set(n, ES_EIO, "cannot read the output folder %s: %s", dir,
                            strerror(err));
  } else if (!empty) {
    es_collective_error_set(
        n, ES_ECONFIG, "the output folder %s is not empty: choose another output.dir",
        dir);
  }
}

es_status es_run_files_create(const es_comm *c, const char *dir) {
  es_collective_error n = {0};
  if (c->rank == 0) make(dir, &n);
  return es_collective_error_agree(c, &n);
}

/* On a full disk: the few bytes of a file that has its block already. */
static bool rewrite_in_place(const char *path, const char *text) {
  const int fd = open(path, O_WRONLY);
  if (fd < 0) return false;
  const size_t n = strlen(text);
  bool done = es_path_write_all(fd, text, n) == 0;
  done = ftruncate(fd, (off_t) n) == 0 && done;
  return close(fd) == 0 && done;
}

static es_status replace(const char *dir, const char *name, const char *text) {
  char path[PATH_BYTES];
  ES_CHECK(snprintf(path, sizeof path, "%s/%s", dir, name) < (int) sizeof path, ES_EARG,
           "the path %s/%s is too long", dir, name);
  const int err = es_path_replace(path, text, strlen(text));
  if (err == ENOSPC && rewrite_in_place(path, text)) return ES_OK;
  ES_CHECK(err == 0, ES_EIO, "cannot write %s: %s", path, strerror(err));
  return ES_OK;
}

es_status es_run_files_status(const char *dir, const char *line) {
  char text[PATH_BYTES];
  snprintf(text, sizeof text - 1, "%s", line);
  text[strcspn(text, "\n")] = '\0';
  strcat(text, "\n");
  return replace(dir, "STATUS", text);
}

es_status es_run_files_write(const char *dir, const char *name, const char *text) {
  return replace(dir, name, text);
}
