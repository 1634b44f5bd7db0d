/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ckpt_sets.c  The checkpoints in a folder (called on rank 0 only).
 *
 *    step_00000120/state.h5, DONE     complete
 *    step_00000130.tmp/               being written, or left over from a killed run
 *    latest -> step_00000120          for users and job scripts; not read by this program
 *
 *  A folder without DONE is incomplete. DONE is created last and removed first. */
#include "ckpt_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/path.h"

enum { PATH_BYTES = 1200 };

void es_ckpt_path(char path[1200], const char *dir, int64_t step, const char *suffix) {
  snprintf(path, PATH_BYTES, "%s/step_%08" PRId64 "%s", dir, step, suffix);
}

static bool is_complete(const char *dir, int64_t step) {
  char path[PATH_BYTES];
  struct stat s;
  es_ckpt_path(path, dir, step, "/DONE");
  return stat(path, &s) == 0;
}

/* Parse "step_N...": returns N and sets *rest to the text after it, or returns -1. */
static int64_t step_of(const char *name, const char **rest) {
  int64_t step = -1;
  int end = 0;
  if (sscanf(name, "step_%18" SCNd64 "%n", &step, &end) != 1 || end == 0) {
    *rest = "";
    return -1;
  }
  *rest = name + end;
  return step;
}

/* Largest step < bound of a complete checkpoint, or -1. */
static int64_t newest_below(const char *dir, int64_t bound) {
  int64_t best = -1;
  DIR *d = opendir(dir);
  for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
    const char *rest;
    const int64_t step = step_of(e->d_name, &rest);
    if (*rest == '\0' && step > best && step < bound && is_complete(dir, step)) {
      best = step;
    }
  }
  if (d) closedir(d);
  return best;
}

int64_t es_ckpt_newest(const char *dir) {
  return newest_below(dir, INT64_MAX);
}

int es_ckpt_begin(const char *dir, int64_t step, char tmp[1200]) {
  es_ckpt_path(tmp, dir, step, ".tmp");
  int err = es_path_make_dirs(dir);
  if (!err) err = es_path_remove_dir(tmp);
  if (!err && mkdir(tmp, 0777) != 0) err = errno;
  return err;
}

/* Replace the link `latest` atomically (create a temporary link, rename). */
static int point_latest(const char *dir, const char *set) {
  char link[PATH_BYTES], new[PATH_BYTES + 8];
  snprintf(link, sizeof link, "%s/latest", dir);
  snprintf(new, sizeof new, "%s.tmp", link);
  unlink(new);
  if (symlink(strrchr(set, '/') + 1, new) != 0) return errno;
  return rename(new, link) != 0 ? errno : 0;
}

/* Remove a checkpoint. DONE goes first, so that a partly removed one is incomplete. */
static int remove_set(const char *path) {
  char done[PATH_BYTES + 8];
  snprintf(done, sizeof done, "%s/DONE", path);
  if (unlink(done) != 0 && errno != ENOENT) return errno;
  return es_path_remove_dir(path);
}

int es_ckpt_commit(const char *dir, int64_t step) {
  char tmp[PATH_BYTES], set[PATH_BYTES], done[PATH_BYTES];
  es_ckpt_path(tmp, dir, step, ".tmp");
  es_ckpt_path(set, dir, step, "");
  es_ckpt_path(done, dir, step, "/DONE");
  int err = remove_set(set); /* an older checkpoint of the same step */
  if (!err) err = es_path_sync(tmp);
  if (!err && rename(tmp, set) != 0) err = errno;
  if (!err) err = es_path_replace(done, "", 0);
  if (!err) err = es_path_sync(set);
  if (!err) err = point_latest(dir, set);
  return err ? err : es_path_sync(dir);
}

int es_ckpt_prune(const char *dir, int64_t step, int keep) {
  int64_t oldest = step + 1;
  for (int i = 0; i < keep && oldest >= 0; i++) oldest = newest_below(dir, oldest);
  int err = 0;
  DIR *d = opendir(dir);
  if (!d) return errno;
  for (struct dirent *e = readdir(d); e && !err; e = readdir(d)) {
    const char *rest;
    const int64_t its = step_of(e->d_name, &rest);
    const bool left = !strcmp(rest, ".tmp") || (*rest == '\0' && !is_complete(dir, its));
    if (its < 0 || (!left && (*rest != '\0' || its >= oldest))) continue;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%.200s", dir, e->d_name);
    err = remove_set(path);
  }
  closedir(d);
  return err;
}
