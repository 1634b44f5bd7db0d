/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj_read.h  Reading side of a trajectory: series, plain datasets, labels and
 *  parameters of trajectory.h5, on any number of ranks. The file is opened with
 *  es_traj_read_open and closed with es_h5_close; of one that is being written (a resumed
 *  run's) es_traj_h5 gives the same handle.
 *
 *  All functions are collective over the file's communicator and return the same status
 *  and the same numbers on all ranks. Arrays are owned by the caller (es_free, or the
 *  function named). Attributes: es_h5_get_string, es_h5_get_f64, es_h5_get_i64 (h5.h);
 *  every dataset has the strings "description" and "units". */
#ifndef ES_TRAJ_READ_H
#define ES_TRAJ_READ_H

#include "eigenstep/h5.h"

/** Open a file that eigenstep wrote, for reading. Nothing is locked and nothing written,
 *  so the run may still go on: the file has the rows that were last published (traj.h).
 *  Open it again for later rows.
 *  @return ES_OK; ES_EIO (no such file, not HDF5, damaged); ES_EFORMAT (another program's
 *          file, or of a layout that this version does not know); ES_ENOMEM */
es_status es_traj_read_open(const es_comm *c, const char *path, es_h5 **f);

/** Rows of one series. */
typedef struct es_traj_rows {
  int64_t n;      /**< rows */
  int64_t width;  /**< numbers a row: dim[0] ... dim[ndim - 1], 1 for scalars */
  int ndim;       /**< 0: a number a row, else 1..2 further dimensions */
  int64_t dim[2]; /**< as declared */
  int64_t *step;  /**< [n] owned, ascending */
  double *time;   /**< [n] owned */
  double *values; /**< [n, width] owned */
} es_traj_rows;
/** Its three arrays; what is NULL stays so. */
void es_traj_rows_free(es_traj_rows *rows);

/** Read a series, as "/loss/value" or "/spectrum/covariance/eigenvalues". Rows that not
 *  all series of its group have are left out.
 *  @param last  the last so many rows; 0: all rows
 *  @return ES_OK; ES_EFORMAT (no such series: the sentence lists those there are);
 *          ES_EIO; ES_ENOMEM */
es_status es_traj_read_series(es_h5 *f, const char *path, int64_t last,
                              es_traj_rows *rows);
/** Paths of all series, in alphabetical order; freed with es_h5_names_free. */
es_status es_traj_read_list(es_h5 *f, es_h5_names *series);

/** Read the eigenvalues [n, K] of the matrix in whose spectrum the run's steps are looked
 *  for (/steps): named by the attribute `followed` of /spectrum, or the only one.
 *  @return as es_traj_read_series; ES_EFORMAT also where the file does not say which of
 *          several it is (files of eigenstep before that attribute) */
es_status es_traj_read_followed(es_h5 *f, int64_t last, es_traj_rows *rows);

/** Read all numbers of a dataset of any shape, as "/theory/gamma" or a column of /steps.
 *  Ask es_h5_exists first where it need not be there.
 *  @param value  [n] row-major, owned by the caller
 *  @return ES_OK, ES_EFORMAT (no such dataset), ES_EIO, ES_ENOMEM */
es_status es_traj_read_numbers(es_h5 *f, const char *path, int64_t *n, double **value);

/** The classes of the probe set's samples. */
typedef struct es_traj_labels {
  int64_t n;         /**< samples; 0: the run's data have no labels */
  int64_t *label;    /**< [n] owned, from 0 on; -1: none */
  int64_t classes;   /**< names; 0: unknown */
  char **class_name; /**< [classes] owned, in one piece of memory */
} es_traj_labels;
/** Its two arrays; what is NULL stays so. */
void es_traj_labels_free(es_traj_labels *labels);
/** Read /embedding/label. @return ES_OK, also without labels (n = 0); ES_EIO, ES_EFORMAT,
 *  ES_ENOMEM */
es_status es_traj_read_labels(es_h5 *f, es_traj_labels *labels);

/** The text of the run's parameters (run.ini), free with es_free. */
es_status es_traj_read_parameters(es_h5 *f, char **text);

#endif
