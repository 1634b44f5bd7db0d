/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_slab.c  Collective transfers between a rank's memory and its part of a
 * dataset.
 *
 *  Each rank brings its own block (or none). Blocks beyond round_bytes are cut along
 * their first dimension that is longer than 1; all ranks make the same number of HDF5
 * calls. */
#include "h5_private.h"

/* An open dataset and this rank's block of it. */
typedef struct slab {
  hid_t ds, space, xfer;
  int ndim;
  hsize_t dim[ES_H5_MAXDIM], most[ES_H5_MAXDIM];
  hsize_t start[ES_H5_MAXDIM], count[ES_H5_MAXDIM];
  int cut;       /* dimension along which rounds are cut */
  hsize_t slice; /* bytes in memory of one index of that dimension */
  bool none;     /* this rank transfers nothing */
} slab;

static void slab_close(slab *s) {
  if (s->xfer >= 0) H5Pclose(s->xfer);
  if (s->space >= 0) H5Sclose(s->space);
  if (s->ds >= 0) H5Dclose(s->ds);
}

/* How bytes get to the file. Where a dataset is one run of bytes each rank writes its own
 * part itself: collectively, MPI-IO would first move all of them to a few ranks. Chunks
 * are shared by ranks, so they are written together. < 0 on failure. */
static hid_t transfer_plist(hid_t ds) {
  const hid_t how = H5Dget_create_plist(ds), p = H5Pcreate(H5P_DATASET_XFER);
  const H5D_layout_t layout = H5Pget_layout(how);
  H5Pclose(how);
  if (p < 0 || layout < 0) return -1;
  if (H5Pset_dxpl_mpio(p, layout == H5D_CONTIGUOUS ? H5FD_MPIO_INDEPENDENT
                                                   : H5FD_MPIO_COLLECTIVE) >= 0)
    return p;
  H5Pclose(p);
  return -1;
}

/* Open; the block is start, count, or where count is NULL `rows` rows from start[0] on.
 */
static void slab_open(slab *s, const es_h5 *f, const char *path, const int64_t *start,
                      const int64_t *count, int64_t rows, es_collective_error *n) {
  *s = (slab){.ds = H5Dopen2(f->id, path, H5P_DEFAULT), .space = -1, .xfer = -1};
  if (s->ds < 0) {
    es_h5_blame(n, f, "open dataset", path);
    return;
  }
  s->space = H5Dget_space(s->ds);
  s->ndim = H5Sget_simple_extent_ndims(s->space);
  s->xfer = transfer_plist(s->ds);
  if (s->xfer < 0 || s->ndim < 0 ||
      (s->ndim <= ES_H5_MAXDIM &&
       H5Sget_simple_extent_dims(s->space, s->dim, s->most) < 0))
    es_h5_blame(n, f, "prepare a transfer of", path);
  if (s->ndim < 1 || s->ndim > ES_H5_MAXDIM) {
    es_collective_error_set(n, ES_EFORMAT, "%s:%s: got %d dimensions, expected 1 to %d",
                            f->path, path, s->ndim, ES_H5_MAXDIM);
    return;
  }
  for (int i = 0; i < s->ndim; i++) {
    const int64_t from = i == 0 || count ? start[i] : 0;
    const int64_t len = count ? count[i] : i == 0 ? rows : (int64_t) s->dim[i];
    const bool grows = i == 0 && f->writable && s->most[0] == H5S_UNLIMITED;
    const bool inside = from >= 0 && from <= (int64_t) s->dim[i] - len;
    if (len < 0 || (len > 0 && !inside && !(grows && from >= 0))) {
      es_collective_error_set(n, ES_EARG,
                              "%s:%s: got [%lld, %lld) of dimension %d, expected inside "
                              "[0, %lld)",
                              f->path, path, (long long) from, (long long) (from + len),
                              i, (long long) s->dim[i]);
    }
    s->start[i] = (hsize_t) from;
    s->count[i] = (hsize_t) len;
    s->none = s->none || len == 0;
  }
}

/* Decide where to cut; the number of rounds this rank needs. */
static int64_t slab_rounds(slab *s, const es_h5 *f, int64_t elem) {
  if (s->none) return 0;
  while (s->cut < s->ndim - 1 && s->count[s->cut] == 1) s->cut++;
  s->slice = (hsize_t) elem;
  for (int i = s->cut + 1; i < s->ndim; i++) s->slice *= s->count[i];
  const hsize_t fit = (hsize_t) f->round_bytes / s->slice;
  const hsize_t per_round = fit ? fit : 1;
  return (int64_t) ((s->count[s->cut] + per_round - 1) / per_round);
}

/* Collective. Round r of `rounds`: its share of the block, or nothing. */
static void slab_round(const slab *s, const es_h5 *f, const char *path, hid_t type,
                       int64_t r, int64_t rounds, char *data, bool write,
                       es_collective_error *n) {
  const hsize_t all = s->none ? 0 : s->count[s->cut];
  const hsize_t per_round = (all + (hsize_t) rounds - 1) / (hsize_t) rounds;
  const hsize_t from = (hsize_t) r * per_round;
  const hsize_t len = from >= all ? 0 : all - from < per_round ? all - from : per_round;
  hsize_t start[ES_H5_MAXDIM], count[ES_H5_MAXDIM];
  for (int i = 0; i < s->ndim; i++) {
    start[i] = s->start[i] + (i == s->cut ? from : 0);
    count[i] = i == s->cut ? len : s->count[i];
  }
  hsize_t one = 1;
  const hid_t memory =
      len ? H5Screate_simple(s->ndim, count, NULL) : H5Screate_simple(1, &one, NULL);
  char nothing[8] = {0};
  char *at = len ? data + from * s->slice : nothing;
  if (len == 0) {
    H5Sselect_none(memory);
    H5Sselect_none(s->space);
  } else {
    H5Sselect_hyperslab(s->space, H5S_SELECT_SET, start, NULL, count, NULL);
  }
  if (write && H5Dwrite(s->ds, type, memory, s->space, s->xfer, at) < 0) {
    es_h5_blame(n, f, "write", path);
  }
  if (!write && H5Dread(s->ds, type, memory, s->space, s->xfer, at) < 0) {
    es_h5_blame(n, f, "read", path);
  }
  H5Sclose(memory);
}

/* Collective. Extend the dataset to `end` rows, transfer, close. st: how it began. */
static es_status move(es_h5 *f, const char *path, slab *s, es_h5_type type,
                      const int64_t wants[2], void *data, bool write, es_status st) {
  es_collective_error n = {0};
  const int64_t end = wants[0], rounds = wants[1];
  if (st == ES_OK && write && end > (int64_t) s->dim[0]) {
    st = es_h5_set_rows(f, path, s->ds, s->ndim, s->dim, end);
    H5Sclose(s->space);
    s->space = H5Dget_space(s->ds);
  }
  if (st == ES_OK) {
    for (int64_t r = 0; r < rounds; r++) {
      slab_round(s, f, path, es_h5_memory_type(type), r, rounds, data, write, &n);
    }
    st = es_h5_report(f, &n);
    f->failed = f->failed || (write && st != ES_OK);
  }
  slab_close(s);
  return st;
}

/* Row behind the block, and rounds: {0, 0} if there is nothing to transfer. */
static void slab_wants(slab *s, const es_h5 *f, es_h5_type type, bool failed,
                       int64_t wants[2]) {
  wants[0] = s->none || failed ? 0 : (int64_t) (s->start[0] + s->count[0]);
  wants[1] = failed ? 0 : slab_rounds(s, f, es_h5_type_size(type));
}

static void check_writable(const es_h5 *f, es_collective_error *n) {
  if (!f->writable)
    es_collective_error_set(n, ES_EARG, "%s is open for reading only", f->path);
}

/* Collective. Everything between the public functions and HDF5. */
static es_status transfer(es_h5 *f, const char *path, es_h5_type type,
                          const int64_t *start, const int64_t *count, int64_t rows,
                          void *data, bool write) {
  es_collective_error n = {0};
  slab s;
  int64_t wants[2];
  slab_open(&s, f, path, start, count, rows, &n);
  if (write) check_writable(f, &n);
  slab_wants(&s, f, type, n.status != ES_OK, wants);
  const es_status st = es_collective_error_agree_max(f->comm, &n, wants, 2);
  return move(f, path, &s, type, wants, data, write, st);
}

es_status es_h5_write_root(es_h5 *f, const char *path, es_h5_type type, int64_t first,
                           int64_t n, const void *data) {
  es_collective_error e = {0};
  slab s;
  int64_t wants[2];
  slab_open(&s, f, path, &first, NULL, n, &e);
  check_writable(f, &e);
  slab_wants(&s, f, type, e.status != ES_OK, wants);
  s.none = s.none || f->comm->rank != 0;
  /* all ranks have the same arguments, so what failed is HDF5, or fails on all */
  return move(f, path, &s, type, wants, (void *) data, true, es_h5_report(f, &e));
}

es_status es_h5_write_rows(es_h5 *f, const char *path, es_h5_type type, int64_t first,
                           int64_t n, const void *data) {
  return transfer(f, path, type, &first, NULL, n, (void *) data, true);
}

es_status es_h5_read_rows(es_h5 *f, const char *path, es_h5_type type, int64_t first,
                          int64_t n, void *data) {
  return transfer(f, path, type, &first, NULL, n, data, false);
}

es_status es_h5_read_slab(es_h5 *f, const char *path, es_h5_type type,
                          const int64_t *start, const int64_t *count, void *data) {
  return transfer(f, path, type, start, count, 0, data, false);
}

es_status es_h5_write_slab(es_h5 *f, const char *path, es_h5_type type,
                           const int64_t *start, const int64_t *count, const void *data) {
  return transfer(f, path, type, start, count, 0, (void *) data, true);
}
