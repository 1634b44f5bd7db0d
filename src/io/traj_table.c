/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj_table.c  What a trajectory holds beside series: tables that are replaced as
 *  a whole (one float64 dataset a column, the first column being the dimension scale of
 *  the others) and single datasets of numbers. */
#include "traj_private.h"

#include <stdio.h>
#include "eigenstep/mem.h"

enum { CHUNK_ROWS = 256 };

/* Collective. Create the columns that do not exist yet. */
static es_status create_columns(es_traj *t, const es_traj_table *table) {
  char path[2 * ES_TRAJ_PATH], scale[2 * ES_TRAJ_PATH];
  snprintf(scale, sizeof scale, "%s/%s", table->path, table->column[0].name);
  for (int i = 0; i < table->columns; i++) {
    const es_traj_field *const column = &table->column[i];
    snprintf(path, sizeof path, "%s/%s", table->path, column->name);
    if (es_h5_exists(t->file, path)) continue;
    ES_TRY(es_h5_declare(t->file, &(es_h5_dataset){.path = path,
                                                   .type = ES_H5_F64,
                                                   .ndim = 1,
                                                   .dim = {ES_H5_UNLIMITED},
                                                   .chunk_rows = CHUNK_ROWS,
                                                   .units = column->units,
                                                   .doc = column->doc}));
    if (i == 0) ES_TRY(es_h5_scale(t->file, path, column->name));
    if (i > 0) ES_TRY(es_h5_attach(t->file, path, 0, scale));
  }
  return ES_OK;
}

/* Collective. Replace column i by rank 0's values. values: [rows] workspace. */
static es_status write_column(es_traj *t, const es_traj_table *table, int i,
                              double *values) {
  char path[2 * ES_TRAJ_PATH];
  snprintf(path, sizeof path, "%s/%s", table->path, table->column[i].name);
  for (int64_t r = 0; r < table->rows; r++)
    values[r] = table->values[r * table->columns + i];
  ES_TRY(es_h5_resize(t->file, path, table->rows));
  return es_h5_write_root(t->file, path, ES_H5_F64, 0, table->rows, values);
}

es_status es_traj_write_table(es_traj *t, const es_traj_table *table) {
  ES_CHECK(table->columns > 0 && table->rows >= 0, ES_EARG,
           "%s: got %d columns, %lld rows", table->path, table->columns,
           (long long) table->rows);
  double *values = NULL;
  es_collective_error n = {0};
  if (ES_NEW(table->rows, &values) != ES_OK)
    es_collective_error_set(&n, ES_ENOMEM, "out of memory for a table of the trajectory");
  es_status st = es_collective_error_agree(t->comm, &n);
  if (st == ES_OK) st = es_h5_group(t->file, table->path, table->doc);
  if (st == ES_OK) st = create_columns(t, table);
  for (int i = 0; i < table->columns && st == ES_OK; i++)
    st = write_column(t, table, i, values);
  es_free(&values);
  t->failed = t->failed || st != ES_OK;
  return st;
}

es_status es_traj_write_numbers(es_traj *t, const char *path, int64_t n,
                                const double *value, const char *units, const char *doc) {
  ES_TRY(es_h5_declare(t->file, &(es_h5_dataset){.path = path,
                                                 .type = ES_H5_F64,
                                                 .ndim = 1,
                                                 .dim = {n},
                                                 .units = units,
                                                 .doc = doc}));
  return es_h5_write_root(t->file, path, ES_H5_F64, 0, n, value);
}
