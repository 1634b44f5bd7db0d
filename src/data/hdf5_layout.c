/* SPDX-License-Identifier: BSD-3-Clause */
/** @file hdf5_layout.c  What /x is: images, vectors or ready views, by its shape. */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "eigenstep/h5_input.h"
#include "eigenstep/mem.h"
#include "hdf5_set.h"

enum { COLOURS = 3 };

/** "[60000, 28, 28]". */
static const char *shape_text(const es_h5_info *x, char text[160]) {
  int used = snprintf(text, 160, "[");
  for (int i = 0; i < x->ndim && used < 140; i++)
    used += snprintf(text + used, (size_t) (160 - used), "%s%lld", i > 0 ? ", " : "",
                     (long long) x->dim[i]);
  snprintf(text + used, (size_t) (160 - used), "]");
  return text;
}

static bool is_colour(int64_t planes) {
  return planes == 1 || planes == COLOURS;
}

/** Neither images nor vectors: why, and what to do. */
static es_status refuse_shape(const char *path, const es_h5_info *x) {
  char text[160], cure[200];
  const long long values = (long long) (x->dim[1] * (x->ndim > 2 ? x->dim[2] : 1) *
                                        (x->ndim > 3 ? x->dim[3] : 1));
  if (x->ndim == 4 && is_colour(x->dim[3]))
    snprintf(cure, sizeof cure, "planes come first: x.transpose(0, 3, 1, 2)");
  else if (x->ndim == 3)
    snprintf(cure, sizeof cure,
             "grey images are [N, 1, H, W]: x[:, None]; vectors x.reshape(-1, %lld)",
             values);
  else if (x->type == ES_H5_U8)
    snprintf(cure, sizeof cure, "vectors are floating-point numbers: x.astype('f4')");
  else
    snprintf(cure, sizeof cure, "vectors are [N, m]: x.reshape(len(x), -1)");
  es_error("'%s': got /x of shape %s, expected images [N, C, H, W] with C = 1 or 3, or "
           "vectors [N, m] of float; %s",
           path, shape_text(x, text), cure);
  return ES_EFORMAT;
}

static es_status check_size(const char *path, const es_h5_info *x, int64_t *values) {
  int64_t n = 1;
  for (int i = 1; i < x->ndim && n > 0 && n <= INT_MAX; i++)
    n = x->dim[i] <= INT_MAX ? n * x->dim[i] : x->dim[i];
  const int64_t records = x->ndim > 0 ? x->dim[0] : 0;
  ES_CHECK(records >= 1 && n >= 1 && n <= INT_MAX && records <= INT_MAX, ES_EFORMAT,
           "'%s': got /x of %lld records of %lld values, expected 1 to 2^31 - 1 of each",
           path, (long long) records, (long long) n);
  *values = n;
  return ES_OK;
}

/** Smallest and largest number of /x. */
static es_status find_range(es_h5 *f, const char *path, const es_hdf5_layout *l,
                            double range[2]) {
  bool finite = true;
  const int64_t block = 1 + ((int64_t) 1 << 20) / l->values;
  double *x = NULL;
  es_status st = ES_NEW(block * l->values, &x);
  range[0] = DBL_MAX;
  range[1] = -DBL_MAX;
  for (int64_t at = 0; at < l->records && st == ES_OK; at += block) {
    const int64_t n = l->records - at < block ? l->records - at : block;
    st = es_h5_read_rows(f, "/x", ES_H5_F64, at, n, x);
    for (int64_t i = 0; i < n * l->values && st == ES_OK; i++) {
      range[0] = fmin(range[0], x[i]);
      range[1] = fmax(range[1], x[i]);
      finite = finite && isfinite(x[i]);
    }
  }
  es_free(&x);
  ES_TRY(st);
  ES_CHECK(finite, ES_EMATH,
           "'%s': got a value in /x that is not finite, expected numbers", path);
  return ES_OK;
}

/** Full scale of images that are not bytes: 1 or 255. */
static es_status find_scale(es_h5 *f, const char *path, const es_data_params *p,
                            bool whole, es_hdf5_layout *l) {
  double range[2];
  ES_TRY(find_range(f, path, l, range));
  const bool unit = range[0] >= 0 && range[1] <= 1;
  l->scale = p->full_scale == 1 ? 1 : p->full_scale == 2 || whole || !unit ? 255 : 1;
  ES_CHECK(range[0] >= 0 && range[1] <= l->scale, ES_EFORMAT,
           "'%s': got images with values from %g to %g in /x, expected 0 to %g "
           "(data.full_scale = %s); store them before they are normalised",
           path, range[0], range[1], l->scale,
           p->full_scale == 0   ? "auto"
           : p->full_scale == 1 ? "1"
                                : "255");
  return ES_OK;
}

static void say(const char *path, const es_h5_info *x, const es_hdf5_layout *l) {
  static const char *const type[] = {"f64", "f32", "int64", "int32", "uint8"};
  char text[160], rounded[64] = "";
  if (l->kind == ES_HDF5_IMAGES && l->scale != 0)
    snprintf(rounded, sizeof rounded, ", full scale %g, rounded to 8 bits", l->scale);
  es_info_once("'%s': /x %s of %s are %s%s", path, shape_text(x, text), type[x->type],
               l->kind == ES_HDF5_IMAGES && !l->paired ? "images, which are augmented"
               : l->paired ? "first views beside /x_prime, taken as they are"
                           : "vectors; both views are the vector itself",
               rounded);
}

static es_status find_shape(const char *path, const es_h5_info *x,
                            const es_data_params *p, es_hdf5_layout *l) {
  const bool bytes = x->type == ES_H5_U8, planes = x->ndim == 4 && is_colour(x->dim[1]);
  ES_TRY(check_size(path, x, &l->values));
  l->records = x->dim[0];
  l->kind = planes && (bytes || !l->paired)    ? ES_HDF5_IMAGES
            : x->type == ES_H5_F64 && p->exact ? ES_HDF5_F64
                                               : ES_HDF5_F32;
  const bool fits = planes || (!bytes && (l->paired ? x->ndim >= 2 : x->ndim == 2));
  if (!fits) return refuse_shape(path, x);
  l->c = (int) l->values;
  l->h = l->w = 1;
  if (x->ndim != 4) return ES_OK;
  l->planes = (int) x->dim[1];
  l->c = l->kind == ES_HDF5_IMAGES ? COLOURS : (int) x->dim[1];
  l->h = (int) x->dim[2];
  l->w = (int) x->dim[3];
  return ES_OK;
}

static es_status check_second(es_h5 *f, const char *path, const es_h5_info *x) {
  es_h5_info y;
  char got[160], expected[160];
  ES_TRY(es_h5_input_stat(f, "/x_prime", &y));
  bool same = x->ndim == y.ndim && (x->type == ES_H5_U8) == (y.type == ES_H5_U8);
  for (int i = 0; same && i < y.ndim; i++) same = x->dim[i] == y.dim[i];
  ES_CHECK(same, ES_EFORMAT,
           "'%s': got /x_prime of another type or shape than /x (%s), expected the same "
           "(%s)",
           path, shape_text(&y, got), shape_text(x, expected));
  return ES_OK;
}

es_status es_hdf5_find_layout(es_h5 *f, const char *path, const es_data_params *p,
                              es_hdf5_layout *l) {
  es_h5_info x;
  ES_TRY(es_h5_input_stat(f, "/x", &x));
  ES_CHECK(x.ndim >= 2, ES_EFORMAT,
           "'%s': got /x of %d dimensions, expected [N, C, H, W] or [N, m]", path,
           x.ndim);
  l->paired = es_h5_exists(f, "/x_prime");
  l->labelled = es_h5_exists(f, "/label");
  ES_TRY(find_shape(path, &x, p, l));
  if (l->paired) ES_TRY(check_second(f, path, &x));
  if (l->kind == ES_HDF5_IMAGES && x.type != ES_H5_U8)
    ES_TRY(find_scale(f, path, p, x.type == ES_H5_I32 || x.type == ES_H5_I64, l));
  say(path, &x, l);
  return ES_OK;
}
