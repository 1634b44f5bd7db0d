/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj_rows.c  Rows of a series into memory: shared by reading a trajectory and
 *  by resuming one. */
#include <stdio.h>
#include "eigenstep/mem.h"
#include "h5_private.h"
#include "traj_private.h"

es_status es_traj_read_block(es_h5 *f, const char *path, es_h5_type type, int64_t first,
                             int64_t n, void **values) {
  es_collective_error note = {0};
  es_h5_info info;
  ES_TRY(es_h5_stat(f, path, &info));
  int64_t count = n;
  for (int i = 1; i < info.ndim; i++) count *= info.dim[i];
  const size_t size = (size_t) es_h5_type_size(type);
  if (es_alloc_n((size_t) count, size, path, values) != ES_OK)
    es_collective_error_set(&note, ES_ENOMEM, "out of memory for %lld rows of %s",
                            (long long) n, path);
  es_status st = es_collective_error_agree(f->comm, &note);
  if (st == ES_OK) st = es_h5_read_rows(f, path, type, first, n, *values);
  if (st != ES_OK) es_free(values);
  return st;
}

int64_t es_traj_ascending(const int64_t *step, int64_t n) {
  int64_t rows = n > 0;
  while (rows < n && step[rows] > step[rows - 1]) rows++;
  return rows;
}

/* Collective. Shape of a row. */
static es_status describe(es_h5 *f, const char *path, es_traj_rows *rows) {
  es_collective_error n = {0};
  es_h5_info info;
  ES_TRY(es_h5_stat(f, path, &info));
  if (info.ndim < 1 || info.ndim > 3)
    es_collective_error_set(&n, ES_EFORMAT,
                            "%s:%s: got %d dimensions, expected 1 to 3 of a series",
                            f->path, path, info.ndim);
  ES_TRY(es_collective_error_agree(f->comm, &n));
  rows->ndim = info.ndim - 1;
  rows->width = 1;
  for (int i = 0; i < rows->ndim; i++) {
    rows->dim[i] = info.dim[i + 1];
    rows->width *= info.dim[i + 1];
  }
  return ES_OK;
}

es_status es_traj_read_range(es_h5 *f, const char *group, const char *path, int64_t first,
                             int64_t n, es_traj_rows *out) {
  char axis[ES_TRAJ_PATH + 8];
  es_traj_rows r = {.n = n};
  es_status st;
  ES_TRY(describe(f, path, &r));
  snprintf(axis, sizeof axis, "%s/step", group);
  st = es_traj_read_block(f, axis, ES_H5_I64, first, n, (void **) &r.step);
  snprintf(axis, sizeof axis, "%s/time", group);
  if (st == ES_OK)
    st = es_traj_read_block(f, axis, ES_H5_F64, first, n, (void **) &r.time);
  if (st == ES_OK)
    st = es_traj_read_block(f, path, ES_H5_F64, first, n, (void **) &r.values);
  if (st == ES_OK)
    *out = r;
  else
    es_traj_rows_free(&r);
  return st;
}

void es_traj_rows_free(es_traj_rows *r) {
  es_free(&r->step);
  es_free(&r->time);
  es_free(&r->values);
}
