/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj.h  Writing side of a trajectory: groups of series that share `step` and
 *  `time`, appended row by row. traj_read.h is the reading side.
 *
 *  A group is declared with its fields (name, shape, units, description), then rows are
 *  appended: all ranks pass the same values, rank 0's are written, except for distributed
 *  fields. Rows are buffered in memory and written by es_traj_flush (collective): a
 *  training step costs no file access. Every dataset has the attributes `description` and
 *  `units`, and dimension scales. */
#ifndef ES_TRAJ_H
#define ES_TRAJ_H

#include "eigenstep/traj_read.h"

/** One declared series: value[T, dim...] in f64, of doubles to the caller in any case. */
typedef struct es_traj_field {
  const char *name;        /**< "eigenvalues"; may contain '/' */
  const char *units, *doc; /**< its attributes `units` and `description` */
  int ndim;                /**< 0: a number a row, else 1..2 further dimensions */
  int64_t dim[2];
  const char *dim_name[2]; /**< "mode", "sample", ...: named scales 1..dim */
  bool single;             /**< stored in f32 */
} es_traj_field;
/** Initialisers: a number, n numbers or rows x columns numbers a row. */
#define ES_TRAJ_SCALAR(name_, units_, doc_)                                              \
  { .name = (name_), .units = (units_), .doc = (doc_) }
#define ES_TRAJ_VECTOR(name_, n_, axis_, units_, doc_)                                   \
  {                                                                                      \
    .name = (name_), .units = (units_), .doc = (doc_), .ndim = 1, .dim = {(n_)},         \
    .dim_name = {                                                                        \
      (axis_)                                                                            \
    }                                                                                    \
  }
#define ES_TRAJ_MATRIX(name_, m_, row_axis_, n_, column_axis_, units_, doc_)             \
  {                                                                                      \
    .name = (name_), .units = (units_), .doc = (doc_), .ndim = 2, .dim = {(m_), (n_)},   \
    .dim_name = {                                                                        \
      (row_axis_),                                                                       \
      (column_axis_)                                                                     \
    }                                                                                    \
  }

typedef struct es_traj es_traj;

/** Collective. Create the trajectory that readers find at `path` (must not exist). Rows
 *  are written to PATH.part; `path` itself is complete at any instant: it is replaced
 *  atomically by flushes (as often as a hundredth of the time allows), es_traj_publish
 *  and es_traj_close. */
es_status es_traj_create(const es_comm *c, const char *path, es_traj **t);
/** Collective. Resume a trajectory, with a copy of `path`: a group that exists in it must
 *  be declared with the same fields and keeps the rows that all of them have; a group
 *  that does not is created.
 *  @return ES_EIO; ES_EFORMAT (other fields); ES_ENOMEM */
es_status es_traj_open(const es_comm *c, const char *path, es_traj **t);
/** The ranks that write it. */
const es_comm *es_traj_comm(const es_traj *t);
/** Was it opened with es_traj_open? */
bool es_traj_resumed(const es_traj *t);
/** Groups declared so far: ids are below it. */
int es_traj_groups(const es_traj *t);
/** Collective. Drop the rows of a group after step `last`. */
es_status es_traj_keep(es_traj *t, int id, int64_t last);

/** Collective. The rows of a group's first field in the file, the same on all ranks;
 *  without buffered rows. */
es_status es_traj_history(es_traj *t, int id, es_traj_rows *rows);

/** Collective. Flush what is buffered, close, and replace what readers see. */
es_status es_traj_close(es_traj **t);

/** The file underneath, for provenance and one-off datasets. */
es_h5 *es_traj_h5(es_traj *t);

/** Collective. Declare group `path` ("/spectrum/covariance") with n fields; creates
 *  `step` (int64), `time` (float64, t = sum of learning rate x step) and the fields.
 *  *id for append. */
es_status es_traj_declare(es_traj *t, const char *path, const char *description,
                          const es_traj_field *fields, int n, int *id);

/** Append a row: values of all fields of the group, one after the other in declared order
 *  (each prod(dim) doubles). Buffered; not collective (same call on all ranks). Where one
 *  of them fails before it and all agree on that, the rows that all have are kept. */
es_status es_traj_append(es_traj *t, int id, int64_t step, double time,
                         const double *values);

/** Is a buffer full, so that more rows would need more memory? A loop that flushes then
 *  needs no more memory than at its start. The same on all ranks. */
bool es_traj_full(const es_traj *t);

/** This rank's share of a row of rows x columns numbers. */
typedef struct es_traj_part {
  int64_t first, n;     /**< rows first .. first + n - 1 of the field's first dimension */
  const double *values; /**< [n, columns] */
} es_traj_part;
/** Collective. Append a row to a group of a single field whose first dimension is spread
 *  over the ranks. Written at once. */
es_status es_traj_append_part(es_traj *t, int id, int64_t step, double time,
                              const es_traj_part *part);

/** Collective. Write buffered rows and flush the file to disk; replace what readers see
 *  if it is due. */
es_status es_traj_flush(es_traj *t);

/** Collective. The same, and replace what readers see in any case: before a checkpoint,
 *  so that a resumed run finds all rows up to it. */
es_status es_traj_publish(es_traj *t);

/** A table of f64 columns, each a dataset of the group `path`, the first one the scale of
 *  the others. */
typedef struct es_traj_table {
  const char *path, *doc;
  const es_traj_field *column; /**< [columns] scalars */
  int columns;
  int64_t rows;
  const double *values; /**< [rows, columns], rank 0's count */
} es_traj_table;
/** Collective. Write a table; an existing one is replaced (/steps). */
es_status es_traj_write_table(es_traj *t, const es_traj_table *table);

/** Collective. Write a dataset of n numbers, rank 0's, that has no steps. */
es_status es_traj_write_numbers(es_traj *t, const char *path, int64_t n,
                                const double *value, const char *units, const char *doc);

#endif
