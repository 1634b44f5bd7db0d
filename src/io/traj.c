/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj.c  Writing a trajectory: rows are buffered on rank 0, written by flushes.
 *
 *  Order of calls: create -> declare (traj_declare.c) -> append ... flush ... -> close.
 *  Between flushes the file is not accessed. What readers see is a complete copy at any
 *  instant (traj_publish.c). */
#include "traj_private.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"

/* Collective. A new file, or the file of a run to be resumed. */
static es_status open_file(const es_comm *c, const char *path, bool resumed,
                           es_traj **out) {
  es_traj *t = NULL;
  es_collective_error n = {0};
  if (ES_NEW(1, &t) != ES_OK)
    es_collective_error_set(&n, ES_ENOMEM, "out of memory for the trajectory");
  es_status st = es_collective_error_agree(c, &n);
  if (st == ES_OK) {
    t->comm = c;
    t->resumed = resumed;
    st = es_traj_file_open(t, path);
  }
  if (st != ES_OK) {
    es_free(&t);
    return st;
  }
  *out = t;
  return ES_OK;
}

es_status es_traj_create(const es_comm *c, const char *path, es_traj **out) {
  return open_file(c, path, false, out);
}

es_status es_traj_open(const es_comm *c, const char *path, es_traj **out) {
  return open_file(c, path, true, out);
}

const es_comm *es_traj_comm(const es_traj *t) {
  return t->comm;
}

es_h5 *es_traj_h5(es_traj *t) {
  return t->file;
}

es_status es_traj_declare(es_traj *t, const char *path, const char *description,
                          const es_traj_field *fields, int n, int *id) {
  es_traj_group *all = NULL, g;
  es_collective_error note = {0};
  if (ES_NEW(t->n + 1, &all) != ES_OK)
    es_collective_error_set(&note, ES_ENOMEM, "out of memory for the trajectory");
  es_status st = es_collective_error_agree(t->comm, &note);
  if (st == ES_OK) st = es_traj_group_create(t, path, description, fields, n, &g);
  if (st != ES_OK) {
    es_free(&all);
    return st;
  }
  if (t->n) memcpy(all, t->group, (size_t) t->n * sizeof *all);
  all[t->n] = g;
  es_free(&t->group);
  t->group = all;
  *id = t->n++;
  return ES_OK;
}

/* Initial capacity of a group's buffer: 32 KiB of values, at least four rows. */
static int64_t initial_capacity(const es_traj_group *g) {
  const int64_t fit = (1 << 15) / (8 * g->width);
  return fit < 4 ? 4 : fit;
}

bool es_traj_full(const es_traj *t) {
  for (int i = 0; i < t->n; i++)
    if (t->group[i].waiting >= initial_capacity(&t->group[i])) return true;
  return false;
}

/* Double the capacity of the buffer (rank 0). */
static es_status reserve(es_traj_group *g) {
  const int64_t capacity = g->capacity ? 2 * g->capacity : initial_capacity(g);
  int64_t *step = NULL;
  double *time = NULL, *values = NULL;
  es_status st = ES_NEW(capacity, &step);
  if (st == ES_OK) st = ES_NEW(capacity, &time);
  if (st == ES_OK)
    st = es_alloc_n((size_t) (capacity * g->width), 8, g->path, (void **) &values);
  if (st != ES_OK) {
    es_free(&step);
    es_free(&time);
    return st;
  }
  if (g->waiting) {
    memcpy(step, g->step, (size_t) g->waiting * sizeof *step);
    memcpy(time, g->time, (size_t) g->waiting * sizeof *time);
    memcpy(values, g->values, (size_t) (g->waiting * g->width) * sizeof *values);
  }
  es_free(&g->step);
  es_free(&g->time);
  es_free(&g->values);
  g->step = step;
  g->time = time;
  g->values = values;
  g->capacity = capacity;
  return ES_OK;
}

/* Rank 0. What does not fit is known to this rank only: es_traj_flush makes it an error
 * on all. */
static void hold(es_traj_group *g, int64_t step, double time, const double *values) {
  g->dropped = g->waiting == g->capacity && reserve(g) != ES_OK;
  if (g->dropped) return;
  g->step[g->waiting] = step;
  g->time[g->waiting] = time;
  memcpy(g->values + g->waiting * g->width, values, (size_t) g->width * sizeof *values);
}

es_status es_traj_append(es_traj *t, int id, int64_t step, double time,
                         const double *values) {
  ES_CHECK(id >= 0 && id < t->n, ES_EARG, "trajectory: got group %d, expected 0 to %d",
           id, t->n - 1);
  es_traj_group *const g = &t->group[id];
  if (t->comm->rank == 0 && !g->dropped) hold(g, step, time, values);
  g->waiting++; /* on all ranks, whatever rank 0 could hold: it decides when to flush */
  return ES_OK;
}

/* Collective. Append rank 0's `rows` rows of one dataset. */
static es_status write_rows(es_traj *t, const es_traj_group *g, const char *path,
                            es_h5_type type, int64_t rows, const void *data) {
  return es_h5_write_root(t->file, path, type, g->written, rows, data);
}

/* Collective. step and time of `rows` new rows. */
static es_status write_axis(es_traj *t, const es_traj_group *g, int64_t rows,
                            const int64_t *step, const double *time) {
  char path[ES_TRAJ_PATH + 8];
  snprintf(path, sizeof path, "%s/step", g->path);
  ES_TRY(write_rows(t, g, path, ES_H5_I64, rows, step));
  snprintf(path, sizeof path, "%s/time", g->path);
  return write_rows(t, g, path, ES_H5_F64, rows, time);
}

/* Collective. The buffered rows of series s, made contiguous in `column` (rank 0). */
static es_status write_series(es_traj *t, const es_traj_group *g, int64_t rows,
                              const es_traj_series *s, double *column) {
  for (int64_t r = 0; t->comm->rank == 0 && r < rows; r++) {
    memcpy(column + r * s->width, g->values + r * g->width + s->offset,
           (size_t) s->width * sizeof *column);
  }
  return write_rows(t, g, s->path, ES_H5_F64, rows, column);
}

/* Collective. After a failure: drop rows that not every series of the group has, so that
 * the file ends with a complete row. Shrinking needs no disk space. */
static void take_back(es_traj *t, const es_traj_group *g) {
  (void) es_traj_group_resize(t, g, g->written);
}

/* Collective. Write the buffered rows of a group; column: room for a series (rank 0). */
static es_status flush_group(es_traj *t, es_traj_group *g, double *column) {
  const int64_t rows = g->waiting;
  es_status st = rows > 0 ? write_axis(t, g, rows, g->step, g->time) : ES_OK;
  for (int i = 0; i < g->n && st == ES_OK && rows > 0; i++)
    st = write_series(t, g, rows, &g->series[i], column);
  if (st != ES_OK) {
    take_back(t, g);
    return st;
  }
  g->written += rows;
  g->waiting = 0;
  return ES_OK;
}

/* Collective. A rank that failed may have appended less than others, which the failure
 * ends before they append more: what all have is kept. */
static void keep_common_rows(const es_traj *t, es_traj_group *g, int n) {
  for (int i = 0; i < n; i++) {
    int64_t least = -g[i].waiting;
    es_comm_max_i64(t->comm, &least, 1);
    g[i].waiting = -least;
  }
}

/* Collective. Is all of n groups in rank 0's memory, and room for a series of them? One
 * agreement for all. */
static es_status prepare_flush(const es_traj *t, es_traj_group *g, int n,
                               double **column) {
  es_collective_error e = {0};
  int64_t most = 0, rows[2] = {0, 0}; /* of all groups, and their negative number */
  for (int i = 0; i < n; i++) rows[0] += g[i].waiting;
  rows[1] = -rows[0];
  for (int i = 0; i < n && t->comm->rank == 0; i++) {
    const int64_t size = g[i].waiting * g[i].width;
    if (size > most) most = size;
    if (g[i].dropped)
      es_collective_error_set(&e, ES_ENOMEM, "rows of %s did not fit in memory",
                              g[i].path);
  }
  if (most > 0 && es_alloc_n((size_t) most, 8, "rows", (void **) column) != ES_OK)
    es_collective_error_set(&e, ES_ENOMEM, "out of memory for rows of the trajectory");
  const es_status st = es_collective_error_agree_max(t->comm, &e, rows, 2);
  if (st != ES_OK) es_free(column);
  if (st == ES_OK && rows[0] != -rows[1]) keep_common_rows(t, g, n);
  return st;
}

es_status es_traj_flush_rows(es_traj *t) {
  double *column = NULL;
  es_status st = prepare_flush(t, t->group, t->n, &column);
  for (int i = 0; i < t->n && st == ES_OK; i++) st = flush_group(t, &t->group[i], column);
  es_free(&column);
  if (st == ES_OK) st = es_h5_flush(t->file);
  t->failed = t->failed || st != ES_OK;
  return st;
}

es_status es_traj_flush(es_traj *t) {
  ES_TRY(es_traj_flush_rows(t));
  es_traj_publish_when_due(t);
  return ES_OK;
}

es_status es_traj_append_part(es_traj *t, int id, int64_t step, double time,
                              const es_traj_part *part) {
  ES_CHECK(id >= 0 && id < t->n, ES_EARG, "trajectory: got group %d, expected 0 to %d",
           id, t->n - 1);
  es_traj_group *g = &t->group[id];
  const es_traj_series *s = g->series;
  ES_CHECK(g->n == 1 && s->ndim >= 1, ES_EARG,
           "%s: distributed rows need one field with dimensions, got %d fields", g->path,
           g->n);
  double *column = NULL;
  es_status st = prepare_flush(t, g, 1, &column);
  if (st == ES_OK) st = flush_group(t, g, column);
  es_free(&column);
  if (st == ES_OK) st = write_axis(t, g, 1, &step, &time);
  if (st == ES_OK) {
    const int64_t start[3] = {g->written, part->first, 0};
    const int64_t count[3] = {1, part->n, s->dim[1]};
    st = es_h5_write_slab(t->file, s->path, ES_H5_F64, start, count, part->values);
  }
  if (st == ES_OK) {
    g->written++;
  } else {
    take_back(t, g);
    t->failed = true;
  }
  return st;
}

es_status es_traj_close(es_traj **pt) {
  es_traj *t = *pt;
  if (!t) return ES_OK;
  *pt = NULL;
  es_status st = t->failed ? ES_OK : es_traj_flush_rows(t);
  const es_status closed = es_traj_file_close(t);
  if (st == ES_OK) st = closed;
  for (int i = 0; i < t->n; i++) es_traj_group_clear(&t->group[i]);
  es_free(&t->group);
  es_free(&t);
  return st;
}
