/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_hdf5.c  One's own features, images or pairs, from one HDF5 file.
 *
 *  /x        [N, C, H, W] uint8, C = 1 or 3: images; or [N, ...] float: vectors of as
 *            many values as a record has
 *  /x_prime  the same shape, optional: the second views; then nothing is augmented
 *  /label    [N] integers >= 0, optional
 *
 *  Without /x_prime images are augmented as those of any set; vectors cannot be, and both
 *  views are the vector itself. Values are kept in memory on each rank, as stored (uint8)
 *  or as f32: HDF5 may not be called from the loader's thread. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "data_private.h"
#include "eigenstep/h5.h"
#include "eigenstep/mem.h"

enum { COLOURS = 3 };

typedef struct hdf5 {
  size_t values;  /**< of a record */
  int planes;     /**< of a stored image: 1 or 3 */
  uint8_t *u8[2]; /**< [N, values] images, NULL for vectors; second: NULL without */
  float *f32[2];  /**< [N, values] vectors */
  int *label;     /**< [N], NULL without */
} hdf5;

static const es_dataset_ops pairs_ops;

static void close_set(es_dataset *ds) {
  hdf5 *s = ds->impl;
  for (int v = 0; v < 2; v++) {
    es_free(&s->u8[v]);
    es_free(&s->f32[v]);
  }
  es_free(&s->label);
  es_free(&ds->impl);
}

/** Shape of /x: size, c, h, w of the set. */
static es_status read_shape(es_h5 *f, const char *path, es_dataset *ds, bool *images) {
  hdf5 *s = ds->impl;
  es_h5_info x;
  int64_t values = 1;
  ES_TRY(es_h5_stat(f, "/x", &x));
  *images = x.type == ES_H5_U8;
  ES_CHECK(x.ndim >= 2 && (!*images || x.ndim == 4), ES_EFORMAT,
           "'%s': got /x of %d dimensions, expected [N, C, H, W] of uint8 or [N, m] of "
           "float",
           path, x.ndim);
  for (int i = 1; i < x.ndim && values > 0 && values <= INT_MAX; i++)
    values = x.dim[i] <= INT_MAX ? values * x.dim[i] : x.dim[i];
  ES_CHECK(x.dim[0] >= 1 && values >= 1 && values <= INT_MAX && x.dim[0] <= INT_MAX,
           ES_EFORMAT,
           "'%s': got /x of %lld records of %lld values, expected 1 to 2^31 - 1 of each",
           path, (long long) x.dim[0], (long long) values);
  ds->size = x.dim[0];
  s->values = (size_t) values;
  ds->c = (int) values;
  ds->h = ds->w = 1;
  if (*images) {
    ES_CHECK(x.dim[1] == 1 || x.dim[1] == COLOURS, ES_EFORMAT,
             "'%s': got /x with %lld planes a record, expected 1 or 3", path,
             (long long) x.dim[1]);
    s->planes = (int) x.dim[1];
    ds->c = COLOURS;
    ds->h = (int) x.dim[2];
    ds->w = (int) x.dim[3];
  }
  ds->h_max = ds->h;
  ds->w_max = ds->w;
  return ES_OK;
}

static es_status check_finite(const char *path, const char *name, const float *x,
                              int64_t n, size_t values) {
  for (int64_t i = 0; i < n; i++)
    for (size_t j = 0; j < values; j++)
      ES_CHECK(isfinite(x[(size_t) i * values + j]), ES_EMATH,
               "'%s': got %g in record %lld of %s, expected finite numbers", path,
               (double) x[(size_t) i * values + j], (long long) i, name);
  return ES_OK;
}

/** One of the two views. */
static es_status read_view(es_h5 *f, const char *path, const char *name, es_dataset *ds,
                           bool images, int v) {
  hdf5 *s = ds->impl;
  const size_t all = (size_t) ds->size * s->values;
  if (images) {
    ES_TRY(ES_NEW(all, &s->u8[v]));
    ES_TRY(es_h5_read_rows(f, name, ES_H5_U8, 0, ds->size, s->u8[v]));
    ds->checksum = es_hash_bytes(ds->checksum, s->u8[v], all);
    return ES_OK;
  }
  ES_TRY(ES_NEW(all, &s->f32[v]));
  ES_TRY(es_h5_read_rows(f, name, ES_H5_F32, 0, ds->size, s->f32[v]));
  ds->checksum = es_hash_bytes(ds->checksum, s->f32[v], all * sizeof(float));
  return check_finite(path, name, s->f32[v], ds->size, s->values);
}

static es_status same_shape(es_h5 *f, const char *path, const char *name, bool whole) {
  es_h5_info x, y;
  ES_TRY(es_h5_stat(f, "/x", &x));
  ES_TRY(es_h5_stat(f, name, &y));
  bool same = y.ndim == (whole ? x.ndim : 1);
  if (whole) same = same && (x.type == ES_H5_U8) == (y.type == ES_H5_U8);
  for (int i = 0; same && i < y.ndim; i++) same = x.dim[i] == y.dim[i];
  ES_CHECK(same, ES_EFORMAT, "'%s': got %s of another %s than /x, expected the same",
           path, name, whole ? "type or shape" : "number of records");
  return ES_OK;
}

/** Of any type in the file: as f64, so that none is rounded or cut to fit unseen. */
static es_status take_labels(const char *path, const double *label, es_dataset *ds) {
  hdf5 *s = ds->impl;
  for (int64_t i = 0; i < ds->size; i++) {
    ES_CHECK(label[i] >= 0 && label[i] < INT_MAX && label[i] == floor(label[i]),
             ES_EFORMAT, "'%s': got label %.17g in record %lld, expected 0, 1, 2, ...",
             path, label[i], (long long) i);
    s->label[i] = (int) label[i];
    if (s->label[i] >= ds->labels) ds->labels = s->label[i] + 1;
  }
  return ES_OK;
}

static es_status read_labels(es_h5 *f, const char *path, es_dataset *ds) {
  hdf5 *s = ds->impl;
  double *label = NULL;
  ES_TRY(same_shape(f, path, "/label", false));
  ES_TRY(ES_NEW(ds->size, &s->label));
  ES_TRY(ES_NEW(ds->size, &label));
  es_status st = es_h5_read_rows(f, "/label", ES_H5_F64, 0, ds->size, label);
  if (st == ES_OK) st = take_labels(path, label, ds);
  es_free(&label);
  return st;
}

static es_status read_all(es_h5 *f, const char *path, es_dataset *ds) {
  bool images;
  ES_TRY(read_shape(f, path, ds, &images));
  ES_TRY(read_view(f, path, "/x", ds, images, 0));
  const bool paired = es_h5_exists(f, "/x_prime");
  if (paired) {
    ES_TRY(same_shape(f, path, "/x_prime", true));
    ES_TRY(read_view(f, path, "/x_prime", ds, images, 1));
  }
  if (es_h5_exists(f, "/label")) ES_TRY(read_labels(f, path, ds));
  if (paired || !images) ds->ops = &pairs_ops;
  const size_t shown = (size_t) ds->c * (size_t) ds->h * (size_t) ds->w;
  ds->scratch = images ? shown * (paired ? sizeof(float) : 1) : 0;
  return ES_OK;
}

static es_status open_set(es_dataset *ds, const es_data_params *p, uint64_t seed) {
  es_comm *self = NULL;
  es_h5 *f = NULL;
  hdf5 *s = NULL;
  es_status st;
  (void) seed;
  ES_TRY(es_data_need_path(p));
  ES_TRY(ES_NEW(1, &s));
  ds->impl = s;
  ES_TRY_GOTO(es_comm_create(MPI_COMM_SELF, &self), done);
  ES_TRY_GOTO(es_h5_open(self, p->path, false, &f), done);
  st = read_all(f, p->path, ds);
  const es_status closed = es_h5_close(&f);
  if (st == ES_OK) st = closed;
done:
  es_comm_destroy(&self);
  if (st != ES_OK) close_set(ds);
  return st;
}

/** Planes of a stored image to pixels: bytes, or floats in [0, 1] plane by plane. */
static void spread(const hdf5 *s, const uint8_t *x, size_t pixels, uint8_t *bytes,
                   float *floats) {
  for (size_t c = 0; c < COLOURS; c++) {
    const uint8_t *plane = x + (s->planes == 1 ? 0 : c) * pixels;
    for (size_t i = 0; i < pixels; i++) {
      if (bytes != NULL) bytes[COLOURS * i + c] = plane[i];
      if (floats != NULL) floats[c * pixels + i] = plane[i] * (1.0f / 255);
    }
  }
}

static es_status get(const es_dataset *ds, int64_t i, int view, void *scratch,
                     es_sample *out) {
  const hdf5 *s = ds->impl;
  const size_t at = (size_t) i * s->values;
  const size_t pixels = (size_t) ds->h * (size_t) ds->w;
  const bool vectors = s->f32[0] != NULL, paired = ds->ops->pairs;
  *out = (es_sample){.is_float = paired,
                     .c = ds->c,
                     .h = ds->h,
                     .w = ds->w,
                     .label = s->label != NULL ? s->label[i] : -1};
  if (vectors) {
    out->f32 = s->f32[s->f32[1] != NULL ? view : 0] + at;
    return ES_OK;
  }
  spread(s, s->u8[s->u8[1] != NULL ? view : 0] + at, pixels, paired ? NULL : scratch,
         paired ? scratch : NULL);
  out->u8 = paired ? NULL : scratch;
  out->f32 = paired ? scratch : NULL;
  return ES_OK;
}

const es_dataset_ops es_dataset_hdf5 = {
    .name = "hdf5",
    .doc = "your own file data.path: /x images or vectors, optional /x_prime, /label",
    .splits = "all",
    .pairs = false,
    .open = open_set,
    .get = get,
    .close = close_set};

/** The same with second views, or vectors: nothing is augmented. */
static const es_dataset_ops pairs_ops = {.name = "hdf5",
                                         .doc = "pairs of views from an HDF5 file",
                                         .splits = "all",
                                         .pairs = true,
                                         .open = open_set,
                                         .get = get,
                                         .close = close_set};
