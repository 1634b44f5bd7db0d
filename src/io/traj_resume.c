/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj_resume.c  Resumes a trajectory: the caller drops the rows after the step it
 *  resumes at, so that an interrupted run and an uninterrupted one give the same file.
 *
 *  A killed run may leave the series of a group with different numbers of rows, where
 *  HDF5 wrote some of them early, and zeros after rows that were dropped before: rows
 *  that not all series have, or whose step is not after the one before, are dropped. */
#include "traj_private.h"

#include <stdio.h>
#include "eigenstep/mem.h"

bool es_traj_resumed(const es_traj *t) {
  return t->resumed;
}

/* The dataset of series i; -2: step, -1: time. */
static const char *dataset(const es_traj_group *g, int i, char path[ES_TRAJ_PATH + 8]) {
  if (i >= 0) return g->series[i].path;
  snprintf(path, ES_TRAJ_PATH + 8, "%s/%s", g->path, i == -2 ? "step" : "time");
  return path;
}

es_status es_traj_group_resize(es_traj *t, const es_traj_group *g, int64_t rows) {
  char path[ES_TRAJ_PATH + 8];
  for (int i = -2; i < g->n; i++)
    ES_TRY(es_h5_resize(t->file, dataset(g, i, path), rows));
  return ES_OK;
}

/* Collective. Of the first `rows` rows of g keep those up to step `last`. */
static es_status cut(es_traj *t, es_traj_group *g, int64_t rows, int64_t last) {
  char path[ES_TRAJ_PATH + 8];
  int64_t *step = NULL;
  ES_TRY(es_traj_read_block(t->file, dataset(g, -2, path), ES_H5_I64, 0, rows,
                            (void **) &step));
  int64_t kept = es_traj_ascending(step, rows);
  while (kept > 0 && step[kept - 1] > last) kept--;
  es_free(&step);
  ES_TRY(es_traj_group_resize(t, g, kept));
  g->written = kept;
  return ES_OK;
}

/* "3 x 4", or "1 number". */
static const char *shape(char *text, size_t size, int ndim, const int64_t *dim) {
  size_t used = 0;
  snprintf(text, size, "1 number");
  for (int i = 0; i < ndim && used < size; i++)
    used += (size_t) snprintf(text + used, size - used, "%s%lld", i > 0 ? " x " : "",
                              (long long) dim[i]);
  return text;
}

/* Collective. Check that a dataset has rows of this shape; *rows is at most their
 * number afterwards. */
static es_status check(es_traj *t, const char *path, int ndim, const int64_t *dim,
                       int64_t *rows) {
  es_h5_info info;
  ES_TRY(es_h5_stat(t->file, path, &info));
  bool same = info.ndim == 1 + ndim;
  for (int i = 0; same && i < ndim; i++) same = info.dim[1 + i] == dim[i];
  es_collective_error n = {0};
  if (!same) {
    char got[96], expected[96];
    es_collective_error_set(&n, ES_EFORMAT,
                            "%s of the trajectory: got rows of %s, expected %s", path,
                            shape(got, sizeof got, info.ndim - 1, info.dim + 1),
                            shape(expected, sizeof expected, ndim, dim));
  }
  ES_TRY(es_collective_error_agree(t->comm, &n));
  if (info.dim[0] < *rows) *rows = info.dim[0];
  return ES_OK;
}

es_status es_traj_group_reopen(es_traj *t, es_traj_group *g) {
  char path[ES_TRAJ_PATH + 8];
  int64_t rows = INT64_MAX;
  for (int i = -2; i < 0; i++) ES_TRY(check(t, dataset(g, i, path), 0, NULL, &rows));
  for (int i = 0; i < g->n; i++) {
    const es_traj_series *const s = &g->series[i];
    ES_TRY(check(t, s->path, s->ndim, s->dim, &rows));
  }
  return cut(t, g, rows, INT64_MAX);
}

int es_traj_groups(const es_traj *t) {
  return t->n;
}

es_status es_traj_keep(es_traj *t, int id, int64_t last) {
  ES_CHECK(id >= 0 && id < t->n, ES_EARG, "trajectory: got group %d, expected 0 to %d",
           id, t->n - 1);
  return cut(t, &t->group[id], t->group[id].written, last);
}

es_status es_traj_history(es_traj *t, int id, es_traj_rows *rows) {
  ES_CHECK(id >= 0 && id < t->n, ES_EARG, "trajectory: got group %d, expected 0 to %d",
           id, t->n - 1);
  const es_traj_group *const g = &t->group[id];
  return es_traj_read_range(t->file, g->path, g->series[0].path, 0, g->written, rows);
}
