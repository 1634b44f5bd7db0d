/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj_table.c  A table in the trajectory that is replaced as a whole: one float64
 *  dataset a column, the first column being the dimension scale of the others. */
#include "traj_private.h"

#include <stdio.h>
#include "eigenstep/mem.h"

/* Collective. Create the columns that are not there yet. */
static es_status create_columns(es_traj *t, const char *path, const es_traj_field *fields,
                                int ncol) {
  const int64_t grows = -1;
  char column[2 * ES_TRAJ_PATH], scale[2 * ES_TRAJ_PATH];
  snprintf(scale, sizeof scale, "%s/%s", path, fields[0].name);
  for (int i = 0; i < ncol; i++) {
    snprintf(column, sizeof column, "%s/%s", path, fields[i].name);
    if (es_h5_exists(t->file, column)) continue;
    ES_TRY(es_h5_dataset(t->file, column, ES_H5_F64, 1, &grows, 256, fields[i].units,
                         fields[i].description));
    if (i == 0) ES_TRY(es_h5_scale(t->file, column, fields[0].name));
    if (i > 0) ES_TRY(es_h5_attach(t->file, column, 0, scale));
  }
  return ES_OK;
}

/* Collective. Replace column i by rank 0's values. */
static es_status write_column(es_traj *t, const char *path, const char *name, int i,
                              int ncol, int64_t nrow, const double *rows,
                              double *values) {
  char column[2 * ES_TRAJ_PATH];
  snprintf(column, sizeof column, "%s/%s", path, name);
  for (int64_t r = 0; r < nrow; r++) values[r] = rows[r * ncol + i];
  ES_TRY(es_h5_resize(t->file, column, nrow));
  return es_h5_write_rows(t->file, column, ES_H5_F64, 0, t->comm->rank ? 0 : nrow,
                          values);
}

es_status es_traj_table(es_traj *t, const char *path, const char *description,
                        const es_traj_field *fields, int ncol, int64_t nrow,
                        const double *rows) {
  ES_CHECK(ncol > 0 && nrow >= 0, ES_EARG, "%s: got %d columns, %lld rows", path, ncol,
           (long long) nrow);
  double *values = NULL;
  es_collective_error n = {0};
  if (ES_NEW(nrow, &values) != ES_OK)
    es_collective_error_set(&n, ES_ENOMEM, "out of memory");
  es_status st = es_collective_error_agree(t->comm, &n);
  if (st == ES_OK) st = es_h5_group(t->file, path, description);
  if (st == ES_OK) st = create_columns(t, path, fields, ncol);
  for (int i = 0; i < ncol && st == ES_OK; i++) {
    st = write_column(t, path, fields[i].name, i, ncol, nrow, rows, values);
  }
  es_free(&values);
  t->failed = t->failed || st != ES_OK;
  return st;
}
