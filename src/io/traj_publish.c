/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj_publish.c  The file that readers see, and the one that is written.
 *
 *    trajectory.h5        complete at any instant: replaced by rename only
 *    trajectory.h5.part   being written; a killed run leaves it as the kill found it,
 *                         which HDF5 may be unable to open. Never read.
 *
 *  A flush copies the written file and renames the copy, at most so often that copying
 *  takes a hundredth of the time; a checkpoint and the end always do. So each checkpoint
 *  finds its rows in trajectory.h5, other programs may read that file while the run goes
 *  on, and a resumed run begins with a copy of it. Programs that would write it are kept
 *  out by a shared lock: HDF5 asks for an exclusive one. */
#include "traj_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/clock.h"
#include "eigenstep/path.h"

/* Publishing takes at most this share of the time between two flushes that publish. */
#define SHARE 0.01

/* Rank 0. An errno value: the working file of a new or of a resumed trajectory. */
static int prepare(const es_traj *t) {
  struct stat s;
  if (t->resumed) return es_path_copy(t->path, t->part);
  if (stat(t->path, &s) == 0) return EEXIST;
  return unlink(t->part) == 0 || errno == ENOENT ? 0 : errno;
}

es_status es_traj_file_open(es_traj *t, const char *path) {
  es_collective_error n = {0};
  t->guard = -1;
  if (snprintf(t->path, sizeof t->path, "%s", path) >= (int) sizeof t->path ||
      snprintf(t->part, sizeof t->part, "%s.part", path) >= (int) sizeof t->part)
    es_collective_error_set(&n, ES_EARG, "the path %s is too long", path);
  const int err = n.status == ES_OK && t->comm->rank == 0 ? prepare(t) : 0;
  if (err)
    es_collective_error_set(&n, ES_EIO, "cannot %s '%s': %s",
                            t->resumed ? "resume" : "create", path, strerror(err));
  ES_TRY(es_collective_error_agree(t->comm, &n));
  const es_status st = t->resumed ? es_h5_open(t->comm, t->part, true, &t->file)
                                  : es_h5_create(t->comm, t->part, &t->file);
  if (st != ES_OK && t->comm->rank == 0) unlink(t->part);
  return st;
}

/* Rank 0. Lock `path`, which is published now, instead of what was before; NULL: none. */
static void guard(es_traj *t, const char *path) {
  if (t->guard >= 0) close(t->guard);
  t->guard = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (t->guard >= 0) flock(t->guard, LOCK_SH | LOCK_NB);
}

/* Rank 0. An errno value. */
static int copy_and_rename(es_traj *t) {
  char copy[sizeof t->path + 8];
  snprintf(copy, sizeof copy, "%s.tmp", t->path);
  int err = es_path_copy(t->part, copy);
  if (!err) guard(t, copy);
  if (!err && rename(copy, t->path) != 0) err = errno;
  if (err)
    unlink(copy);
  else
    err = es_path_sync_parent(t->path);
  return err;
}

/* Rank 0. An errno value: all that is flushed becomes the file that readers see. */
static int publish(es_traj *t) {
  const double begun = es_now();
  const int err = copy_and_rename(t);
  t->published = es_now();
  t->copying = t->published - begun;
  return err;
}

void es_traj_publish_when_due(es_traj *t) {
  if (t->comm->rank != 0) return;
  const bool first = t->published == 0;
  if (!first && (es_now() - t->published) * SHARE <= t->copying) return;
  const int err = publish(t);
  if (err && !t->warned)
    es_warn("cannot copy '%s' to '%s': %s; readers see an older state until the next "
            "checkpoint",
            t->part, t->path, strerror(err));
  t->warned = t->warned || err;
}

es_status es_traj_publish(es_traj *t) {
  es_collective_error n = {0};
  ES_TRY(es_traj_flush_rows(t));
  const int err = t->comm->rank == 0 ? publish(t) : 0;
  if (err)
    es_collective_error_set(&n, ES_EIO, "cannot copy '%s' to '%s': %s", t->part, t->path,
                            strerror(err));
  return es_collective_error_agree(t->comm, &n);
}

es_status es_traj_file_close(es_traj *t) {
  es_collective_error n = {0};
  const bool whole = es_h5_is_whole(t->file);
  guard(t, NULL);
  ES_TRY(es_h5_close(&t->file));
  int err = 0;
  if (t->comm->rank == 0 && whole) {
    err = es_path_sync(t->part);
    if (!err && rename(t->part, t->path) != 0) err = errno;
    if (!err) err = es_path_sync_parent(t->path);
  }
  if (err)
    es_collective_error_set(&n, ES_EIO, "cannot complete '%s': %s", t->path,
                            strerror(err));
  return es_collective_error_agree(t->comm, &n);
}
