/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_data.c  Datasets of a parallel HDF5 file: declare, look up, resize.
 *
 *  Fixed-size datasets are contiguous and not filled (they are written whole); growing
 * ones are chunked, rows not yet written read as NaN or 0. Transfers are in h5_slab.c. */
#include "h5_private.h"

#include <math.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 20 };

hid_t es_h5_disk_type(es_h5_type t) {
  switch (t) {
  case ES_H5_F64:
    return H5T_IEEE_F64LE;
  case ES_H5_F32:
    return H5T_IEEE_F32LE;
  case ES_H5_I64:
    return H5T_STD_I64LE;
  case ES_H5_I32:
    return H5T_STD_I32LE;
  case ES_H5_U8:
    return H5T_STD_U8LE;
  }
  return -1;
}

hid_t es_h5_memory_type(es_h5_type t) {
  switch (t) {
  case ES_H5_F64:
    return H5T_NATIVE_DOUBLE;
  case ES_H5_F32:
    return H5T_NATIVE_FLOAT;
  case ES_H5_I64:
    return H5T_NATIVE_INT64;
  case ES_H5_I32:
    return H5T_NATIVE_INT32;
  case ES_H5_U8:
    return H5T_NATIVE_UINT8;
  }
  return -1;
}

int64_t es_h5_type_size(es_h5_type t) {
  return t == ES_H5_U8 ? 1 : t == ES_H5_F32 || t == ES_H5_I32 ? 4 : 8;
}

bool es_h5_exists(es_h5 *f, const char *path) {
  char part[512];
  if (strlen(path) >= sizeof part) return false;
  for (size_t i = 1; path[i - 1]; i++) { /* every ancestor has to be there, HDF5 asks */
    if ((path[i] != '/' && path[i] != '\0') || path[i - 1] == '/') continue;
    memcpy(part, path, i);
    part[i] = '\0';
    if (!es_h5_answer(f, part, H5Lexists(f->id, part, H5P_DEFAULT))) return false;
  }
  return true;
}

hid_t es_h5_open_dataset(es_h5 *f, const char *path, es_collective_error *n) {
  hid_t o = -1;
  if (es_h5_exists(f, path)) {
    o = H5Oopen(f->id, path, H5P_DEFAULT);
    (void) es_h5_answer(f, path, o < 0 ? -1 : 1);
  }
  if (o >= 0 && H5Iget_type(o) != H5I_DATASET) {
    H5Oclose(o);
    o = -1;
  }
  if (o < 0) es_h5_take_unanswered(f, n);
  return o;
}

/* Nearest of our types to a stored one; false if it is not a number. */
static bool nearest_type(hid_t type, es_h5_type *t) {
  const H5T_class_t class = H5Tget_class(type);
  const size_t size = H5Tget_size(type);
  if (class == H5T_FLOAT) *t = size <= 4 ? ES_H5_F32 : ES_H5_F64;
  if (class == H5T_INTEGER) {
    const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
    *t = size == 1 && !is_signed                ? ES_H5_U8
         : size < 4 || (size == 4 && is_signed) ? ES_H5_I32
                                                : ES_H5_I64;
  }
  return class == H5T_FLOAT || class == H5T_INTEGER;
}

es_status es_h5_stat(es_h5 *f, const char *path, es_h5_info *info) {
  es_collective_error n = {0};
  es_h5_info got = {.ndim = -1};
  hsize_t dim[H5S_MAX_RANK];
  const hid_t ds = es_h5_open_dataset(f, path, &n);
  if (ds < 0) {
    es_collective_error_set(&n, ES_EFORMAT, "%s has no dataset %s", f->path, path);
    return es_collective_error_agree(f->comm, &n);
  }
  const hid_t space = H5Dget_space(ds), type = H5Dget_type(ds);
  const int ndim = H5Sget_simple_extent_ndims(space);
  if (ndim < 0 || ndim > ES_H5_MAXDIM || !nearest_type(type, &got.type)) {
    es_collective_error_set(&n, ES_EFORMAT,
                            "%s:%s: got %d dimensions of %s, expected at most %d of "
                            "integers or floats",
                            f->path, path, ndim,
                            nearest_type(type, &got.type) ? "numbers" : "another type",
                            ES_H5_MAXDIM);
  } else {
    H5Sget_simple_extent_dims(space, dim, NULL);
    got.ndim = ndim;
    for (int i = 0; i < ndim; i++) got.dim[i] = (int64_t) dim[i];
  }
  H5Tclose(type);
  H5Sclose(space);
  H5Dclose(ds);
  ES_TRY(es_collective_error_agree(f->comm, &n));
  *info = got;
  return ES_OK;
}

/* chunk = [rows, all the rest], or where one row is large [1, part of dim 1, the rest].
 */
static void choose_chunk(int ndim, const int64_t *dim, int64_t elem, int64_t rows,
                         hsize_t *chunk) {
  int64_t row = elem;
  for (int i = 1; i < ndim; i++) {
    chunk[i] = dim[i] > 0 ? (hsize_t) dim[i] : 1;
    row *= (int64_t) chunk[i];
  }
  if (rows <= 0) rows = CHUNK_BYTES / row;
  chunk[0] = rows < 1 ? 1 : (hsize_t) rows;
  if (ndim > 1 && row > CHUNK_BYTES) {
    const int64_t slice = row / (int64_t) chunk[1];
    chunk[0] = 1;
    chunk[1] = slice > CHUNK_BYTES ? 1 : (hsize_t) (CHUNK_BYTES / slice);
  }
}

static hid_t creation_plist(es_h5_type type, int ndim, const int64_t *dim,
                            int64_t chunk_rows) {
  const hid_t p = H5Pcreate(H5P_DATASET_CREATE);
  if (ndim == 0 || dim[0] >= 0) {
    H5Pset_fill_time(p, H5D_FILL_TIME_NEVER);
    H5Pset_alloc_time(p, H5D_ALLOC_TIME_EARLY);
    return p;
  }
  hsize_t chunk[ES_H5_MAXDIM];
  choose_chunk(ndim, dim, es_h5_type_size(type), chunk_rows, chunk);
  H5Pset_chunk(p, ndim, chunk);
  const double nan_f64 = NAN;
  if (type == ES_H5_F64 || type == ES_H5_F32) {
    H5Pset_fill_value(p, H5T_NATIVE_DOUBLE, &nan_f64);
  }
  return p;
}

/* Create and label; HDF5 calls only, on all ranks. */
static void create_dataset(es_h5 *f, const es_h5_dataset *d, hid_t how,
                           es_collective_error *n) {
  hsize_t dim[ES_H5_MAXDIM], most[ES_H5_MAXDIM];
  for (int i = 0; i < d->ndim; i++) {
    dim[i] = d->dim[i] < 0 ? 0 : (hsize_t) d->dim[i];
    most[i] = d->dim[i] < 0 ? H5S_UNLIMITED : dim[i];
  }
  const hid_t space =
      d->ndim ? H5Screate_simple(d->ndim, dim, most) : H5Screate(H5S_SCALAR);
  const hid_t link = es_h5_link_plist();
  const hid_t ds =
      H5Dcreate2(f->id, d->path, es_h5_disk_type(d->type), space, link, how, H5P_DEFAULT);
  if (ds < 0) {
    es_h5_blame(n, f, "create dataset", d->path);
  } else {
    es_h5_put_string(f, d->path, ds, "description", d->doc, n);
    es_h5_put_string(f, d->path, ds, "units", d->units, n);
    H5Dclose(ds);
  }
  if (space >= 0) H5Sclose(space);
  if (link >= 0) H5Pclose(link);
}

es_status es_h5_declare(es_h5 *f, const es_h5_dataset *d) {
  es_collective_error n = {0};
  int64_t bytes = es_h5_type_size(d->type);
  if (!d->units || !*d->units || !d->doc || !*d->doc) {
    es_collective_error_set(&n, ES_EARG, "%s:%s: units and description must not be empty",
                            f->path, d->path);
  }
  if (d->ndim < 0 || d->ndim > ES_H5_MAXDIM) {
    es_collective_error_set(&n, ES_EARG, "%s:%s: got %d dimensions, expected 0 to %d",
                            f->path, d->path, d->ndim, ES_H5_MAXDIM);
  }
  for (int i = 0; i < d->ndim && n.status == ES_OK; i++) {
    if (d->dim[i] < 0 && i > 0) {
      es_collective_error_set(&n, ES_EARG,
                              "%s:%s: dimension %d is %lld, only the first can grow",
                              f->path, d->path, i, (long long) d->dim[i]);
    }
    bytes *= d->dim[i] < 0 ? 0 : d->dim[i];
  }
  ES_TRY(es_h5_report(f, &n)); /* d is the same on all ranks */
  ES_TRY(es_h5_reserve(f, bytes));
  const hid_t how = creation_plist(d->type, d->ndim, d->dim, d->chunk_rows);
  create_dataset(f, d, how, &n);
  if (how >= 0) H5Pclose(how);
  return es_h5_report(f, &n);
}

/* Bytes by which growing from `old` to `rows` rows enlarges the file; < 0: HDF5 fails. */
static int64_t growth(hid_t ds, int ndim, const hsize_t *old, hsize_t rows) {
  if (rows <= old[0]) return 0;
  const hid_t how = H5Dget_create_plist(ds), type = H5Dget_type(ds);
  hsize_t chunk[ES_H5_MAXDIM];
  int64_t bytes = (int64_t) H5Tget_size(type); /* 0: failed */
  if (bytes == 0 || H5Pget_chunk(how, ES_H5_MAXDIM, chunk) != ndim) {
    bytes = -1;
  } else {
    const hsize_t now = (old[0] + chunk[0] - 1) / chunk[0];
    const hsize_t then = (rows + chunk[0] - 1) / chunk[0];
    bytes *= (int64_t) ((then - now) * chunk[0]);
    for (int i = 1; i < ndim; i++)
      bytes *= (int64_t) ((old[i] + chunk[i] - 1) / chunk[i] * chunk[i]);
  }
  if (type >= 0) H5Tclose(type);
  if (how >= 0) H5Pclose(how);
  return bytes;
}

es_status es_h5_set_rows(es_h5 *f, const char *path, hid_t ds, int ndim, hsize_t *dim,
                         int64_t rows) {
  es_collective_error n = {0};
  const int64_t bytes = growth(ds, ndim, dim, (hsize_t) rows);
  if (bytes < 0) es_h5_blame(&n, f, "find the chunks of", path);
  if (bytes > 0) ES_TRY(es_h5_reserve(f, bytes));
  dim[0] = (hsize_t) rows;
  if (H5Dset_extent(ds, dim) < 0) es_h5_blame(&n, f, "resize", path);
  const es_status st = es_h5_report(f, &n);
  f->failed = f->failed || st != ES_OK;
  return st;
}

es_status es_h5_resize(es_h5 *f, const char *path, int64_t rows) {
  es_collective_error n = {0};
  hsize_t dim[ES_H5_MAXDIM] = {0}, most[ES_H5_MAXDIM] = {0};
  int ndim = 0;
  const hid_t ds = H5Dopen2(f->id, path, H5P_DEFAULT);
  if (ds < 0) {
    es_h5_blame(&n, f, "open dataset", path);
  } else {
    const hid_t space = H5Dget_space(ds);
    ndim = H5Sget_simple_extent_dims(space, dim, most);
    H5Sclose(space);
    if (ndim < 0) es_h5_blame(&n, f, "find the size of", path);
    if (rows < 0 || ndim < 1 || (most[0] != H5S_UNLIMITED && (hsize_t) rows > most[0])) {
      es_collective_error_set(&n, ES_EARG,
                              "%s:%s: cannot have %lld rows, its size is fixed at %lld",
                              f->path, path, (long long) rows, (long long) dim[0]);
    }
  }
  es_status st = es_h5_report(f, &n);
  if (st == ES_OK && (hsize_t) rows >= dim[0])
    st = es_h5_set_rows(f, path, ds, ndim, dim, rows);
  /* fewer: HDF5 fills the rest of the last chunk, at the latest when it is closed */
  const bool fewer = st == ES_OK && (hsize_t) rows < dim[0];
  if (fewer) {
    dim[0] = (hsize_t) rows;
    if (H5Dset_extent(ds, dim) < 0) es_h5_blame(&n, f, "resize", path);
  }
  if (ds >= 0 && H5Dclose(ds) < 0) es_h5_blame(&n, f, "resize", path);
  if (!fewer) return st;
  st = es_h5_report(f, &n);
  f->failed = f->failed || st != ES_OK;
  return st;
}
