/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_attr.c  Attributes, texts and dimension scales of a parallel HDF5 file.
 *
 *  Attributes are UTF-8 strings of variable length; text datasets have a fixed length, as
 *  parallel HDF5 cannot write variable-length data. */
#include "h5_private.h"

#include <hdf5_hl.h>
#include <string.h>
#include "eigenstep/mem.h"

/* Of `bytes` bytes or H5T_VARIABLE. */
static hid_t string_type(size_t bytes) {
  const hid_t t = H5Tcopy(H5T_C_S1);
  H5Tset_size(t, bytes ? bytes : 1);
  if (bytes != H5T_VARIABLE) H5Tset_strpad(t, H5T_STR_NULLPAD);
  H5Tset_cset(t, H5T_CSET_UTF8);
  return t;
}

/* Replace attribute `key`, a scalar (count 0) or a list. HDF5 calls on all ranks. */
static void put(const es_h5 *f, const char *path, hid_t object, const char *key,
                hid_t disk, hid_t memory, hsize_t count, const void *value,
                es_collective_error *n) {
  const htri_t there = H5Aexists(object, key);
  if (there < 0 || (there > 0 && H5Adelete(object, key) < 0)) {
    es_h5_blame(n, f, "replace an attribute of", path);
  }
  const hid_t space = count ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
  const hid_t a = H5Acreate2(object, key, disk, space, H5P_DEFAULT, H5P_DEFAULT);
  if (a < 0 || H5Awrite(a, memory, value) < 0 || H5Aclose(a) < 0) {
    es_h5_blame(n, f, "write an attribute of", path);
  }
  H5Sclose(space);
}

void es_h5_put_string(const es_h5 *f, const char *path, hid_t object, const char *key,
                      const char *value, es_collective_error *n) {
  const hid_t t = string_type(H5T_VARIABLE);
  put(f, path, object, key, t, t, 0, &value, n);
  H5Tclose(t);
}

/* Collective. Open `path`, put one attribute, close. */
static es_status put_at(es_h5 *f, const char *path, const char *key, hid_t disk,
                        hid_t memory, hsize_t count, const void *value, size_t bytes) {
  ES_TRY(es_h5_reserve(f, (int64_t) bytes));
  es_collective_error n = {0};
  const hid_t o = H5Oopen(f->id, path, H5P_DEFAULT);
  if (o < 0) {
    es_h5_blame(&n, f, "open", path);
  } else {
    put(f, path, o, key, disk, memory, count, value, &n);
    H5Oclose(o);
  }
  return es_h5_report(f, &n);
}

es_status es_h5_attr_string(es_h5 *f, const char *path, const char *key,
                            const char *value) {
  const hid_t t = string_type(H5T_VARIABLE);
  const es_status st = put_at(f, path, key, t, t, 0, &value, strlen(value));
  H5Tclose(t);
  return st;
}

es_status es_h5_attr_f64(es_h5 *f, const char *path, const char *key, double value) {
  return put_at(f, path, key, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 0, &value, sizeof value);
}

es_status es_h5_attr_i64(es_h5 *f, const char *path, const char *key, int64_t value) {
  return put_at(f, path, key, H5T_STD_I64LE, H5T_NATIVE_INT64, 0, &value, sizeof value);
}

es_status es_h5_attr_i64s(es_h5 *f, const char *path, const char *key, int n,
                          const int64_t *values) {
  return put_at(f, path, key, H5T_STD_I64LE, H5T_NATIVE_INT64, (hsize_t) n, values,
                (size_t) n * sizeof *values);
}

bool es_h5_has_attr(es_h5 *f, const char *path, const char *key) {
  if (!es_h5_exists(f, path)) return false;
  return es_h5_answer(f, path, H5Aexists_by_name(f->id, path, key, H5P_DEFAULT));
}

/* Open attribute `key` of `path`; < 0: there is none, or *n is set. */
static hid_t open_attr(es_h5 *f, const char *path, const char *key,
                       es_collective_error *n) {
  hid_t a = -1;
  if (es_h5_has_attr(f, path, key)) {
    a = H5Aopen_by_name(f->id, path, key, H5P_DEFAULT, H5P_DEFAULT);
    if (a < 0) es_h5_blame(n, f, "open an attribute of", path);
  }
  es_h5_take_unanswered(f, n);
  return a;
}

/* Is it `count` numbers? */
static bool is_numbers(hid_t a, int count) {
  const hid_t space = H5Aget_space(a), type = H5Aget_type(a);
  const H5T_class_t class = H5Tget_class(type);
  const bool fits = H5Sget_simple_extent_npoints(space) == count &&
                    (class == H5T_INTEGER || class == H5T_FLOAT);
  H5Tclose(type);
  H5Sclose(space);
  return fits;
}

/* Collective. Read `count` numbers of an attribute. */
static es_status get_numbers(es_h5 *f, const char *path, const char *key, int count,
                             hid_t memory, void *value) {
  es_collective_error n = {0};
  const hid_t a = open_attr(f, path, key, &n);
  const bool fits = a >= 0 && is_numbers(a, count);
  if (fits && H5Aread(a, memory, value) < 0)
    es_h5_blame(&n, f, "read an attribute of", path);
  if (!fits) {
    es_collective_error_set(&n, ES_EFORMAT, "%s:%s: attribute '%s' is not %d number%s",
                            f->path, path, key, count, count == 1 ? "" : "s");
  }
  if (a >= 0) H5Aclose(a);
  return es_collective_error_agree(f->comm, &n);
}

es_status es_h5_get_f64(es_h5 *f, const char *path, const char *key, double *value) {
  double got = 0;
  ES_TRY(get_numbers(f, path, key, 1, H5T_NATIVE_DOUBLE, &got));
  *value = got;
  return ES_OK;
}

es_status es_h5_get_i64(es_h5 *f, const char *path, const char *key, int64_t *value) {
  int64_t got = 0;
  ES_TRY(get_numbers(f, path, key, 1, H5T_NATIVE_INT64, &got));
  *value = got;
  return ES_OK;
}

es_status es_h5_get_i64s(es_h5 *f, const char *path, const char *key, int n,
                         int64_t *values) {
  return get_numbers(f, path, key, n, H5T_NATIVE_INT64, values);
}

/* A string of variable or of fixed length -> es_strdup; NULL: it is not a string. */
static es_status copy_string(const es_h5 *f, const char *path, hid_t a, char **value,
                             es_collective_error *n) {
  const hid_t type = H5Aget_type(a), space = H5Aget_space(a);
  const bool text =
      H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_npoints(space) == 1;
  const size_t bytes = H5Tget_size(type); /* 0: HDF5 cannot say */
  es_status st = ES_OK;
  if (text && H5Tis_variable_str(type) > 0) {
    char *got = NULL;
    if (H5Aread(a, type, &got) < 0) es_h5_blame(n, f, "read an attribute of", path);
    if (got) st = es_strdup(got, value);
    H5free_memory(got);
  } else if (text && bytes > 0) {
    st = es_alloc(bytes + 1, "attribute", (void **) value);
    if (st == ES_OK && H5Aread(a, type, *value) < 0)
      es_h5_blame(n, f, "read an attribute of", path);
  }
  H5Sclose(space);
  H5Tclose(type);
  return st;
}

es_status es_h5_get_string(es_h5 *f, const char *path, const char *key, char **value) {
  es_collective_error n = {0};
  char *got = NULL;
  const hid_t a = open_attr(f, path, key, &n);
  if (a >= 0 && copy_string(f, path, a, &got, &n) != ES_OK) {
    es_collective_error_set(&n, ES_ENOMEM, "out of memory for %s:%s", f->path, path);
  } else if (!got) {
    es_collective_error_set(&n, ES_EFORMAT, "%s:%s: attribute '%s' is not a string",
                            f->path, path, key);
  }
  if (a >= 0) H5Aclose(a);
  const es_status st = es_collective_error_agree(f->comm, &n);
  if (st == ES_OK)
    *value = got;
  else
    es_free(&got);
  return st;
}

/* Collective transfer: rank 0's bytes are written; all ranks read. */
static void move_text(const es_h5 *f, const char *path, hid_t ds, hid_t type, char *text,
                      bool write, es_collective_error *n) {
  const hid_t space = H5Screate(H5S_SCALAR), x = H5Pcreate(H5P_DATASET_XFER);
  H5Pset_dxpl_mpio(x, H5FD_MPIO_COLLECTIVE);
  if (write && f->comm->rank != 0) H5Sselect_none(space);
  if (write && H5Dwrite(ds, type, space, space, x, text) < 0) {
    es_h5_blame(n, f, "write", path);
  }
  if (!write && H5Dread(ds, type, space, space, x, text) < 0) {
    es_h5_blame(n, f, "read", path);
  }
  H5Pclose(x);
  H5Sclose(space);
}

es_status es_h5_text(es_h5 *f, const char *path, const char *text,
                     const char *description) {
  const size_t bytes = strlen(text);
  ES_TRY(es_h5_reserve(f, (int64_t) bytes));
  es_collective_error n = {0};
  char empty[1] = {0};
  if (es_h5_exists(f, path) && H5Ldelete(f->id, path, H5P_DEFAULT) < 0)
    es_h5_blame(&n, f, "replace text", path);
  const hid_t type = string_type(bytes), link = es_h5_link_plist();
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t ds = H5Dcreate2(f->id, path, type, space, link, H5P_DEFAULT, H5P_DEFAULT);
  if (ds < 0) {
    es_h5_blame(&n, f, "create text", path);
  } else {
    es_h5_put_string(f, path, ds, "description", description, &n);
    es_h5_put_string(f, path, ds, "units", "1", &n);
  }
  es_status st = es_h5_report(f, &n);
  if (st == ES_OK) {
    move_text(f, path, ds, type, bytes ? (char *) text : empty, true, &n);
    st = es_h5_report(f, &n);
  }
  if (ds >= 0) H5Dclose(ds);
  H5Sclose(space);
  H5Pclose(link);
  H5Tclose(type);
  return st;
}

es_status es_h5_read_text(es_h5 *f, const char *path, char **text) {
  es_collective_error n = {0};
  char *got = NULL;
  const hid_t ds = es_h5_open_dataset(f, path, &n);
  const hid_t type = ds >= 0 ? H5Dget_type(ds) : -1;
  const hid_t space = ds >= 0 ? H5Dget_space(ds) : -1;
  const size_t bytes = type >= 0 ? H5Tget_size(type) : 0; /* 0: HDF5 cannot say */
  if (bytes == 0 || H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) > 0 ||
      H5Sget_simple_extent_npoints(space) != 1) {
    es_collective_error_set(&n, ES_EFORMAT, "%s has no text dataset %s", f->path, path);
  } else if (es_alloc(bytes + 1, path, (void **) &got) != ES_OK) {
    es_collective_error_set(&n, ES_ENOMEM, "out of memory for %s:%s", f->path, path);
  }
  es_status st = es_collective_error_agree(f->comm, &n);
  if (st == ES_OK) {
    move_text(f, path, ds, type, got, false, &n);
    st = es_collective_error_agree(f->comm, &n);
  }
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  if (ds >= 0) H5Dclose(ds);
  if (st != ES_OK) {
    es_free(&got);
    return st;
  }
  *text = got;
  return ES_OK;
}

es_status es_h5_scale(es_h5 *f, const char *path, const char *name) {
  ES_TRY(es_h5_reserve(f, 0));
  es_collective_error n = {0};
  const hid_t ds = H5Dopen2(f->id, path, H5P_DEFAULT);
  if (ds < 0 || H5DSset_scale(ds, name) < 0) {
    es_h5_blame(&n, f, "make a dimension scale of", path);
  }
  if (ds >= 0) H5Dclose(ds);
  return es_h5_report(f, &n);
}

es_status es_h5_attach(es_h5 *f, const char *path, int dim, const char *scale) {
  ES_TRY(es_h5_reserve(f, 0));
  es_collective_error n = {0};
  const hid_t ds = H5Dopen2(f->id, path, H5P_DEFAULT);
  const hid_t sc = H5Dopen2(f->id, scale, H5P_DEFAULT);
  if (ds < 0 || sc < 0 || H5DSattach_scale(ds, sc, (unsigned) dim) < 0) {
    es_h5_blame(&n, f, "attach a dimension scale to", path);
  }
  if (sc >= 0) H5Dclose(sc);
  if (ds >= 0) H5Dclose(ds);
  return es_h5_report(f, &n);
}

/* Is sc a scale of that dimension of ds? HDF5 fails where sc is none, or ds is one. */
static htri_t scale_of(hid_t ds, int dim, hid_t sc) {
  const htri_t has = H5DSis_scale(ds), is = H5DSis_scale(sc);
  if (has < 0 || is < 0) return -1;
  return has > 0 || is == 0 ? 0 : H5DSis_attached(ds, sc, (unsigned) dim);
}

bool es_h5_is_attached(es_h5 *f, const char *path, int dim, const char *scale) {
  if (!es_h5_exists(f, path) || !es_h5_exists(f, scale)) return false;
  const hid_t ds = H5Dopen2(f->id, path, H5P_DEFAULT);
  const hid_t sc = H5Dopen2(f->id, scale, H5P_DEFAULT);
  const htri_t attached = ds >= 0 && sc >= 0 ? scale_of(ds, dim, sc) : -1;
  const bool yes = es_h5_answer(f, path, attached);
  if (sc >= 0) H5Dclose(sc);
  if (ds >= 0) H5Dclose(ds);
  return yes;
}
