/* SPDX-License-Identifier: BSD-3-Clause */
/** @file hdf5_read.c  Records and labels of the data set hdf5, into memory. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "eigenstep/h5_input.h"
#include "eigenstep/mem.h"
#include "hdf5_set.h"

size_t es_hdf5_value_size(const es_hdf5_layout *l) {
  return l->kind == ES_HDF5_IMAGES ? 1
         : l->kind == ES_HDF5_F32  ? sizeof(float)
                                   : sizeof(double);
}

static const char *const name_of[ES_HDF5_VIEWS] = {"/x", "/x_prime"};

/** Images that are no bytes: a block of rows at a time, rounded to the nearest byte. */
static es_status read_scaled(es_h5 *f, const es_hdf5_layout *l, const char *name,
                             uint8_t *to) {
  const int64_t block = 1 + ((int64_t) 1 << 20) / l->values;
  double *x = NULL;
  es_status st = ES_NEW(block * l->values, &x);
  for (int64_t at = 0; at < l->records && st == ES_OK; at += block) {
    const int64_t n = l->records - at < block ? l->records - at : block;
    st = es_h5_read_rows(f, name, ES_H5_F64, at, n, x);
    for (int64_t i = 0; i < n * l->values && st == ES_OK; i++)
      to[at * l->values + i] = (uint8_t) nearbyint(x[i] * (255 / l->scale));
  }
  es_free(&x);
  return st;
}

static es_status check_finite(const char *path, const char *name, const es_hdf5_layout *l,
                              const void *x) {
  for (int64_t i = 0; i < l->records * l->values; i++) {
    const double v = l->kind == ES_HDF5_F32 ? (double) ((const float *) x)[i]
                                            : ((const double *) x)[i];
    ES_CHECK(isfinite(v), ES_EMATH,
             "'%s': got %g in record %lld of %s, expected finite numbers", path, v,
             (long long) (i / l->values), name);
  }
  return ES_OK;
}

es_status es_hdf5_read_view(es_h5 *f, const char *path, es_hdf5_layout *l, int view,
                            void *to) {
  const char *const name = name_of[view];
  const es_h5_type type = l->kind == ES_HDF5_IMAGES ? ES_H5_U8
                          : l->kind == ES_HDF5_F32  ? ES_H5_F32
                                                    : ES_H5_F64;
  if (l->kind == ES_HDF5_IMAGES && l->scale != 0)
    ES_TRY(read_scaled(f, l, name, to));
  else
    ES_TRY(es_h5_read_rows(f, name, type, 0, l->records, to));
  const size_t bytes = (size_t) (l->records * l->values) * es_hdf5_value_size(l);
  l->checksum = es_hash_bytes(l->checksum, to, bytes);
  return l->kind == ES_HDF5_IMAGES ? ES_OK : check_finite(path, name, l, to);
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/** Number of different ones among n ascending numbers, moved to the front. */
static int64_t distinct(double *x, int64_t n) {
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i++)
    if (i == 0 || x[i] != x[kept - 1]) x[kept++] = x[i];
  return kept;
}

/** Classes 0, 1, ... of the numbers in the file. value: [records] the same, sorted. */
static es_status number_labels(es_hdf5_layout *l, const double *raw, double *value,
                               es_hdf5_labels *labels) {
  qsort(value, (size_t) l->records, sizeof *value, ascending);
  const double most = value[l->records - 1];
  const int64_t n = distinct(value, l->records);
  const bool kept = most < (double) l->records;
  l->labels = (int) (kept ? most + 1 : (double) n);
  ES_TRY(ES_NEW(l->labels, &labels->name));
  for (int k = 0; k < l->labels; k++)
    snprintf(labels->name[k], ES_HDF5_NAME, "%.0f", kept ? k : value[k]);
  for (int64_t i = 0; i < l->records; i++) {
    const double *const at =
        kept ? NULL : bsearch(&raw[i], value, (size_t) n, sizeof *value, ascending);
    labels->label[i] = kept ? (int) raw[i] : (int) (at - value);
  }
  if (!kept)
    es_info_once("/label: %d classes are numbered in the order of their labels, %.0f to "
                 "%.0f",
                 l->labels, value[0], most);
  return ES_OK;
}

static es_status check_labels(const char *path, const es_hdf5_layout *l,
                              const double *label) {
  for (int64_t i = 0; i < l->records; i++)
    ES_CHECK(label[i] >= 0 && label[i] < INT_MAX && label[i] == floor(label[i]),
             ES_EFORMAT, "'%s': got label %.17g in record %lld, expected 0, 1, 2, ...",
             path, label[i], (long long) i);
  return ES_OK;
}

es_status es_hdf5_read_labels(es_h5 *f, const char *path, es_hdf5_layout *l,
                              es_hdf5_labels *labels) {
  es_h5_info y;
  double *raw = NULL, *sorted = NULL;
  ES_TRY(es_h5_input_stat(f, "/label", &y));
  ES_CHECK(
      (y.ndim == 1 || (y.ndim == 2 && y.dim[1] == 1)) && y.dim[0] == l->records,
      ES_EFORMAT,
      "'%s': got /label of %d dimensions with %lld records of %lld, expected [%lld], "
      "one number for each record of /x",
      path, y.ndim, (long long) (y.ndim > 0 ? y.dim[0] : 0),
      (long long) (y.ndim > 1 ? y.dim[1] : 1), (long long) l->records);
  es_status st = ES_NEW(l->records, &raw);
  if (st == ES_OK) st = ES_NEW(l->records, &sorted);
  if (st == ES_OK) st = ES_NEW(l->records, &labels->label);
  /* of any type: as f64, so that none is rounded or cut to fit unseen */
  if (st == ES_OK) st = es_h5_read_rows(f, "/label", ES_H5_F64, 0, l->records, raw);
  if (st == ES_OK) st = check_labels(path, l, raw);
  for (int64_t i = 0; i < l->records && st == ES_OK; i++) sorted[i] = raw[i];
  if (st == ES_OK) st = number_labels(l, raw, sorted, labels);
  es_free(&sorted);
  es_free(&raw);
  return st;
}

void es_hdf5_labels_free(es_hdf5_labels *labels) {
  es_free(&labels->label);
  es_free(&labels->name);
}
