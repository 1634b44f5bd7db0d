/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ckpt_sets.c  The checkpoints in a folder (called on rank 0 only).
 *
 *    step_00000120/state.h5, DONE     complete
 *    step_00000130.tmp/               being written, or left over from a killed run
 *    step_00000120.old/               the checkpoint being replaced by another one of the
 *                                     same step, where the file system cannot exchange
 *                                     two names atomically
 *    latest -> step_00000120          for users and job scripts; not read by this program
 *
 *  A folder without DONE is incomplete. DONE is created before step_N.tmp is renamed and
 *  is removed first, and no complete checkpoint is removed before another one is
 *  complete. */
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

/* suffix: "" or ".old". Where the file system cannot tell, the set is taken for complete:
 * it is not removed, and reading it shows what it is. */
static bool is_complete(const char *dir, int64_t step, const char *suffix) {
  char path[PATH_BYTES + 8];
  struct stat s;
  es_ckpt_path(path, dir, step, suffix);
  strcat(path, "/DONE");
  return stat(path, &s) == 0 || (errno != ENOENT && errno != ENOTDIR);
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

/* The next entry; NULL: with errno 0 at the end. */
static struct dirent *next_entry(DIR *d) {
  errno = 0;
  return readdir(d);
}

int64_t es_ckpt_newest(const char *dir, int64_t bound) {
  int64_t best = -1;
  errno = 0;
  DIR *d = opendir(dir);
  if (d == NULL) {
    if (errno == ENOENT) errno = 0;
    return -1;
  }
  for (struct dirent *e = next_entry(d); e; e = next_entry(d)) {
    const char *rest;
    const int64_t step = step_of(e->d_name, &rest);
    const bool named = *rest == '\0' || strcmp(rest, ".old") == 0;
    if (named && step > best && step < bound && is_complete(dir, step, rest)) best = step;
  }
  const int err = errno;
  closedir(d);
  errno = err;
  return err == 0 ? best : -1;
}

int es_ckpt_list(const char *dir, int most, int64_t *step) {
  int n = 0;
  for (int64_t at = INT64_MAX; n < most && (at = es_ckpt_newest(dir, at)) >= 0; n++)
    step[n] = at;
  if (n < most && errno != 0) return -1;
  for (int i = 0; i < n / 2; i++) {
    const int64_t swap = step[i];
    step[i] = step[n - 1 - i];
    step[n - 1 - i] = swap;
  }
  return n;
}

int es_ckpt_count(const char *dir) {
  int n = 0;
  for (int64_t at = INT64_MAX; (at = es_ckpt_newest(dir, at)) >= 0; n++) continue;
  return errno == 0 ? n : -1;
}

void es_ckpt_complete_path(char path[1200], const char *dir, int64_t step) {
  es_ckpt_path(path, dir, step, is_complete(dir, step, "") ? "" : ".old");
}

int es_ckpt_begin(const char *dir, int64_t step, char tmp[1200]) {
  es_ckpt_path(tmp, dir, step, ".tmp");
  /* not its parents: a run's folder that was removed stays so */
  int err = mkdir(dir, 0777) == 0 ? es_path_sync_parent(dir) : errno;
  if (err == EEXIST) err = 0;
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

/* Replace the checkpoint `set` by the complete one `tmp` of the same step. On file
 * systems that cannot exchange names, `old` is the complete checkpoint of this step
 * between the two renames, and es_ckpt_newest finds it. */
static int replace_set(const char *tmp, const char *set, const char *old) {
  int err = es_path_exchange(tmp, set);
  if (err == 0) return remove_set(tmp);
  if (err != EINVAL && err != ENOSYS) return err;
  err = remove_set(old);
  if (!err && rename(set, old) != 0) err = errno;
  if (!err && rename(tmp, set) != 0) err = errno;
  return err ? err : remove_set(old);
}

int es_ckpt_commit(const char *dir, int64_t step) {
  char tmp[PATH_BYTES], set[PATH_BYTES], old[PATH_BYTES], done[PATH_BYTES];
  struct stat s;
  es_ckpt_path(tmp, dir, step, ".tmp");
  es_ckpt_path(set, dir, step, "");
  es_ckpt_path(old, dir, step, ".old");
  es_ckpt_path(done, dir, step, ".tmp/DONE");
  int err = es_path_replace(done, "", 0); /* syncs the folder tmp, too */
  if (!err && stat(set, &s) == 0)
    err = replace_set(tmp, set, old);
  else if (!err && rename(tmp, set) != 0)
    err = errno;
  if (!err) err = point_latest(dir, set);
  return err ? err : es_path_sync(dir);
}

int es_ckpt_prune(const char *dir, int64_t step, int keep) {
  int64_t oldest = step + 1;
  for (int i = 0; i < keep && oldest >= 0; i++) oldest = es_ckpt_newest(dir, oldest);
  if (oldest < 0 && errno != 0) return errno;
  int err = 0;
  DIR *d = opendir(dir);
  if (!d) return errno;
  for (struct dirent *e = readdir(d); e && !err; e = readdir(d)) {
    const char *rest;
    const int64_t its = step_of(e->d_name, &rest);
    const bool whole = is_complete(dir, its, "");
    const bool left = !strcmp(rest, ".tmp") || (!strcmp(rest, ".old") && whole) ||
                      (*rest == '\0' && !whole);
    if (its < 0 || (!left && (*rest != '\0' || its >= oldest))) continue;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%.200s", dir, e->d_name);
    err = remove_set(path);
  }
  closedir(d);
  return err;
}
