/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_strings.c  Lists of texts in a parallel HDF5 file. They have a fixed length,
 *  that of the longest, as parallel HDF5 cannot write variable-length data. */
#include <string.h>
#include "eigenstep/mem.h"
#include "h5_private.h"

enum { LONGEST = 1 << 20 };

static hid_t text_type(int64_t bytes) {
  const hid_t t = H5Tcopy(H5T_C_S1);
  H5Tset_size(t, (size_t) (bytes > 0 ? bytes : 1));
  H5Tset_strpad(t, H5T_STR_NULLPAD);
  H5Tset_cset(t, H5T_CSET_UTF8);
  return t;
}

/* Collective. Rank 0's bytes [n, width] to or from a dataset that is open. */
static void move_texts(es_h5 *f, const char *path, hid_t ds, hid_t type, hsize_t n,
                       char *bytes, bool write, es_collective_error *e) {
  const hid_t space = H5Dget_space(ds), memory = H5Screate_simple(1, &n, NULL);
  const hid_t how = H5Pcreate(H5P_DATASET_XFER);
  H5Pset_dxpl_mpio(how, H5FD_MPIO_COLLECTIVE);
  if (write && f->comm->rank != 0) {
    H5Sselect_none(space);
    H5Sselect_none(memory);
  }
  if (write && H5Dwrite(ds, type, memory, space, how, bytes) < 0)
    es_h5_blame(e, f, "write", path);
  if (!write && H5Dread(ds, type, memory, space, how, bytes) < 0)
    es_h5_blame(e, f, "read", path);
  H5Pclose(how);
  H5Sclose(memory);
  H5Sclose(space);
}

/* Collective. Texts of rank 0 -> bytes [n, *width], there; *width on all ranks. */
static es_status pack(es_h5 *f, int64_t n, const char *const *text, char **bytes,
                      int64_t *width) {
  const bool root = f->comm->rank == 0;
  *width = 1;
  for (int64_t i = 0; i < n && root; i++) {
    const int64_t length = (int64_t) strlen(text[i]);
    if (length > *width) *width = length < LONGEST ? length : LONGEST;
  }
  es_comm_bcast(f->comm, width, sizeof *width, 0);
  const size_t all = root ? (size_t) (n * *width) : 1;
  const es_status made = es_alloc(all, "a list of texts", (void **) bytes);
  ES_TRY(es_comm_agree_made(f->comm, made, (void **) bytes));
  for (int64_t i = 0; i < n && root; i++)
    memcpy(*bytes + i * *width, text[i], strnlen(text[i], (size_t) *width));
  return ES_OK;
}

static hid_t create(es_h5 *f, const char *path, hid_t type, hsize_t n, const char *doc,
                    es_collective_error *e) {
  const hid_t space = H5Screate_simple(1, &n, NULL), link = es_h5_link_plist();
  const hid_t ds = H5Dcreate2(f->id, path, type, space, link, H5P_DEFAULT, H5P_DEFAULT);
  if (ds < 0) {
    es_h5_blame(e, f, "create dataset", path);
  } else {
    es_h5_put_string(f, path, ds, "description", doc, e);
    es_h5_put_string(f, path, ds, "units", "1", e);
  }
  H5Pclose(link);
  H5Sclose(space);
  return ds;
}

es_status es_h5_write_strings(es_h5 *f, const char *path, int64_t n,
                              const char *const *text, const char *doc) {
  es_collective_error e = {0};
  char *bytes = NULL;
  int64_t width;
  ES_TRY(pack(f, n, text, &bytes, &width));
  es_status st = es_h5_reserve(f, n * width);
  if (st == ES_OK) {
    const hid_t type = text_type(width);
    const hid_t ds = create(f, path, type, (hsize_t) n, doc, &e);
    st = es_h5_report(f, &e);
    if (st == ES_OK) {
      move_texts(f, path, ds, type, (hsize_t) n, bytes, true, &e);
      st = es_h5_report(f, &e);
    }
    if (ds >= 0) H5Dclose(ds);
    H5Tclose(type);
  }
  es_free(&bytes);
  return st;
}

/* Pointers to the texts and the texts themselves in one piece of memory. */
static es_status unpack(int64_t n, int64_t width, const char *bytes, char ***text) {
  char **list = NULL;
  ES_TRY(es_alloc((size_t) n * (sizeof *list + (size_t) width + 1), "a list of texts",
                  (void **) &list));
  char *at = (char *) (list + n);
  for (int64_t i = 0; i < n; i++, at += width + 1) {
    memcpy(at, bytes + i * width, (size_t) width);
    list[i] = at;
  }
  *text = list;
  return ES_OK;
}

es_status es_h5_read_strings(es_h5 *f, const char *path, int64_t *n, char ***text) {
  es_collective_error e = {0};
  char *bytes = NULL;
  hsize_t count = 0;
  int64_t width = 0;
  const hid_t ds = es_h5_open_dataset(f, path, &e);
  const hid_t type = ds >= 0 ? H5Dget_type(ds) : -1;
  const hid_t space = ds >= 0 ? H5Dget_space(ds) : -1;
  if (ds < 0 || H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) > 0 ||
      H5Sget_simple_extent_ndims(space) != 1) {
    es_collective_error_set(&e, ES_EFORMAT, "%s has no list of texts %s", f->path, path);
  } else {
    H5Sget_simple_extent_dims(space, &count, NULL);
    width = (int64_t) H5Tget_size(type);
    if (es_alloc((size_t) count * (size_t) width, path, (void **) &bytes) != ES_OK)
      es_collective_error_set(&e, ES_ENOMEM, "out of memory for %s:%s", f->path, path);
  }
  es_status st = es_collective_error_agree(f->comm, &e);
  if (st == ES_OK) {
    const hid_t wanted = text_type(width);
    move_texts(f, path, ds, wanted, count, bytes, false, &e);
    H5Tclose(wanted);
    st = es_collective_error_agree(f->comm, &e);
  }
  if (st == ES_OK)
    st = es_comm_agree(f->comm, unpack((int64_t) count, width, bytes, text));
  if (st == ES_OK) *n = (int64_t) count;
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  if (ds >= 0) H5Dclose(ds);
  es_free(&bytes);
  return st;
}
