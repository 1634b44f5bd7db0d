/* SPDX-License-Identifier: BSD-3-Clause */
/** @file table.h  Fixed-width text tables on rank 0: the same row in the terminal and in
 *  a file. */
#ifndef ES_TABLE_H
#define ES_TABLE_H

#include <stdbool.h>
#include <stdio.h>
#include "eigenstep/status.h"

typedef struct es_table es_table;
typedef struct es_column {
  const char *name, *unit; /**< header lines */
  int width;
  const char *format; /**< for one double, e.g. "%.4g"; integers: "%.0f" */
} es_column;

/** Not collective: made on rank 0; the other ranks have NULL, which the functions below
 *  take. The caller closes *t.
 *  @param path  file to append to (header written when new), NULL = none
 *  @param echo  also es_print the rows
 *  @param col   [n] copied but for its texts, which must outlive the table
 *  @return ES_OK, ES_EIO, ES_ENOMEM */
es_status es_table_create(const char *path, bool echo, const es_column *col, int n,
                          es_table **t);
/** Drop the rows of the file `path`, if it exists, whose first number is above `last`.
 *  Not collective. @return ES_OK, ES_EIO, ES_ENOMEM */
es_status es_table_keep(const char *path, double last);
/** One row of n values; NaN is printed as "-". Flushed, so that the file can be followed.
 *  @return ES_OK (also for a NULL table), ES_EIO */
es_status es_table_row(es_table *t, const double *values);
/** Close the file and free the table; *t is NULL afterwards. @return ES_OK, ES_EIO: what
 *  was written last may be missing */
es_status es_table_close(es_table **t);

#endif
