/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_strings.c  Lists of strings as a dataset of strings of one length, as
 *  parallel HDF5 cannot write variable-length data. */
#include "h5_private.h"

#include <string.h>
#include "eigenstep/mem.h"

/* All strings, each padded with zeros to the longest. */
static es_status pack(int64_t n, char *const *strings, size_t *width, char **packed) {
  *width = 1;
  for (int64_t i = 0; i < n; i++)
    if (strlen(strings[i]) > *width) *width = strlen(strings[i]);
  ES_TRY(es_alloc_n((size_t) n, *width, "strings", (void **) packed));
  for (int64_t i = 0; i < n; i++)
    memcpy(*packed + (size_t) i * *width, strings[i], strlen(strings[i]));
  return ES_OK;
}

/* HDF5 calls on all ranks; rank 0's bytes are written. */
static void write(const es_h5 *f, const char *path, hid_t ds, hid_t type,
                  const char *packed, es_collective_error *n) {
  const hid_t x = H5Pcreate(H5P_DATASET_XFER), space = H5Dget_space(ds);
  H5Pset_dxpl_mpio(x, H5FD_MPIO_COLLECTIVE);
  if (f->comm->rank != 0) H5Sselect_none(space);
  if (H5Dwrite(ds, type, space, space, x, packed) < 0) es_h5_blame(n, f, "write", path);
  H5Sclose(space);
  H5Pclose(x);
}

es_status es_h5_strings(es_h5 *f, const char *path, int64_t count, char *const *strings,
                        const char *description) {
  size_t width = 1;
  char *packed = NULL;
  const hsize_t n = (hsize_t) count;
  es_collective_error e = {0};
  if (pack(count, strings, &width, &packed) != ES_OK)
    es_collective_error_set(&e, ES_ENOMEM, "out of memory for %s:%s", f->path, path);
  ES_TRY(es_collective_error_agree(f->comm, &e));
  es_status st = es_h5_reserve(f, (int64_t) (n * width));
  if (st == ES_OK) {
    const hid_t type = H5Tcopy(H5T_C_S1), link = es_h5_link_plist();
    H5Tset_size(type, width);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    H5Tset_cset(type, H5T_CSET_UTF8);
    const hid_t space = H5Screate_simple(1, &n, NULL);
    const hid_t ds = H5Dcreate2(f->id, path, type, space, link, H5P_DEFAULT, H5P_DEFAULT);
    if (ds < 0) {
      es_h5_blame(&e, f, "create strings", path);
    } else {
      es_h5_put_string(f, path, ds, "description", description, &e);
      es_h5_put_string(f, path, ds, "units", "1", &e);
      write(f, path, ds, type, packed, &e);
      H5Dclose(ds);
    }
    H5Sclose(space);
    H5Pclose(link);
    H5Tclose(type);
    st = es_collective_error_agree(f->comm, &e);
  }
  es_free(&packed);
  return st;
}
