/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ckpt_items.c  Items of the state as datasets: /state/NAME in state.h5.
 *
 *  Items are replicated. Each rank writes a block of the rows, so the file is the same
 *  for any number of ranks. Small items, which most are, rank 0 reads and sends on, at
 *  most log2 P messages a rank; of large ones each rank reads a block, and the blocks
 *  are gathered. Attribute hash64 is the hash of the item (FNV-1a by Fowler, Noll and
 *  Vo, over little-endian 64-bit words): compared between ranks when saving, and with
 *  the data when loading.
 *
 *  The traversal calls es_comm_agree before each item and at its end. If it fails on one
 *  rank, that rank's final call matches the call before the next item on the others, so
 *  all ranks stop. */
#include "ckpt_private.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/collective_error.h"

enum { PATH_BYTES = 512, LARGE = 1 << 20 /* bytes of an item that is read in blocks */ };

typedef struct walker {
  es_h5 *file;
  const es_comm *comm;
  bool agreed; /* all ranks have agreed on the failure */
} walker;

static const es_h5_type stored[] = {
    [ES_ITEM_F32] = ES_H5_F32, [ES_ITEM_F64] = ES_H5_F64, [ES_ITEM_I64] = ES_H5_I64};
static const char *const type_name[] = {[ES_H5_F64] = "f64",
                                        [ES_H5_F32] = "f32",
                                        [ES_H5_I64] = "i64",
                                        [ES_H5_I32] = "i32",
                                        [ES_H5_U8] = "u8"};

/* Shape in the file: a scalar is one row. */
static int shape(const es_item *item, int64_t *dim) {
  dim[0] = 1;
  for (int i = 0; i < item->ndim; i++) dim[i] = item->dim[i];
  return item->ndim > 0 ? item->ndim : 1;
}

static void item_path(const es_item *item, char *path, es_collective_error *n) {
  if (snprintf(path, PATH_BYTES, "/state/%s", item->name) >= PATH_BYTES) {
    es_collective_error_set(n, ES_EARG,
                            "checkpoint: the name %.60s... of a state item is too long",
                            item->name);
  }
}

/* Collective. Before each item: check that no rank has failed. Its name is that of all
 * ranks. */
static es_status begin_item(const walker *w, const es_item *item, char *path) {
  es_collective_error n = {0};
  ES_TRY(es_comm_agree(w->comm, ES_OK));
  item_path(item, path, &n);
  return n.status == ES_OK ? ES_OK : es_collective_error_agree(w->comm, &n);
}

/* Collective. */
static es_status save(const walker *w, const es_item *item) {
  char path[PATH_BYTES];
  int64_t first, n;
  ES_TRY(begin_item(w, item, path));
  es_h5_dataset d = {.path = path,
                     .type = stored[item->type],
                     .units = "1",
                     .doc = "item of the training state, named by its path"};
  d.ndim = shape(item, d.dim);
  const int64_t count = es_item_count(item), size = es_item_size(item->type);
  const int64_t h = es_item_hash(item);
  ES_TRY(es_comm_assert_equal(w->comm, &h, sizeof h, item->name));
  ES_TRY(es_h5_declare(w->file, &d));
  ES_TRY(es_h5_attr_i64(w->file, path, "hash64", h));
  es_comm_local_range(w->comm, d.dim[0], &first, &n);
  const int64_t row = d.dim[0] ? count / d.dim[0] * size : 0;
  const char *mine = (const char *) item->data + first * row;
  return es_h5_write_rows(w->file, path, d.type, first, count ? n : 0, mine);
}

/* "f32[64,3]" */
static const char *describe(es_h5_type type, int ndim, const int64_t *dim, char *text,
                            size_t size) {
  int at = snprintf(text, size, "%s[", type_name[type]);
  for (int i = 0; i < ndim && at < (int) size; i++) {
    at +=
        snprintf(text + at, size - (size_t) at, i ? ",%lld" : "%lld", (long long) dim[i]);
  }
  if (at < (int) size) snprintf(text + at, size - (size_t) at, "]");
  return text;
}

/* Collective. Check that the item exists with its type and shape. */
static es_status check(const walker *w, const es_item *item, const char *path, int ndim,
                       const int64_t *dim) {
  es_h5_info info;
  char got[128], expected[128];
  ES_TRY(es_h5_stat(w->file, path, &info));
  es_collective_error n = {0};
  const es_h5_type type = stored[item->type];
  bool same = info.type == type && info.ndim == ndim;
  for (int i = 0; same && i < ndim; i++) same = info.dim[i] == dim[i];
  if (!same) {
    es_collective_error_set(&n, ES_EFORMAT, "checkpoint item %s: got %s, expected %s",
                            item->name,
                            describe(info.type, info.ndim, info.dim, got, sizeof got),
                            describe(type, ndim, dim, expected, sizeof expected));
  }
  return es_collective_error_agree(w->comm, &n);
}

/* Collective. The item of all ranks. */
static es_status read_item(const walker *w, const es_item *item, const char *path,
                           int64_t rows) {
  const es_comm *const c = w->comm;
  const int64_t size = es_item_size(item->type), count = es_item_count(item);
  const bool blocks = count * size >= LARGE;
  int64_t first = 0, n = c->rank == 0 ? rows : 0;
  if (count == 0) return ES_OK;
  if (blocks) es_comm_local_range(c, rows, &first, &n);
  char *const mine = (char *) item->data + first * (count / rows) * size;
  ES_TRY(es_h5_read_rows(w->file, path, stored[item->type], first, n, mine));
  if (blocks)
    return es_comm_allgather(c, mine, n * (count / rows), (size_t) size, item->data);
  es_comm_bcast(c, item->data, (size_t) (count * size), 0);
  return ES_OK;
}

/* Collective. */
static es_status load(const walker *w, const es_item *item) {
  char path[PATH_BYTES];
  int64_t dim[4], expected = 0;
  ES_TRY(begin_item(w, item, path));
  const int ndim = shape(item, dim);
  ES_TRY(check(w, item, path, ndim, dim));
  ES_TRY(es_h5_get_i64(w->file, path, "hash64", &expected));
  ES_TRY(read_item(w, item, path, dim[0]));
  es_collective_error n = {0};
  const int64_t got = es_item_hash(item);
  if (got != expected) {
    es_collective_error_set(&n, ES_EIO,
                            "checkpoint item %s is corrupted: got hash %016llx, "
                            "expected %016llx",
                            item->name, (unsigned long long) got,
                            (unsigned long long) expected);
  }
  return es_collective_error_agree(w->comm, &n);
}

/* Callback of the visitor: returns the same status on all ranks. */
static es_status visit(es_visitor *v, es_item *item) {
  walker *w = v->ctx;
  const es_status st = v->loading ? load(w, item) : save(w, item);
  w->agreed = st != ES_OK;
  return st;
}

static es_status walk_items(es_h5 *f, const es_comm *c, es_state_walk walk, void *state,
                            int loading) {
  walker w = {.file = f, .comm = c};
  es_visitor v = {.item = visit, .loading = loading, .ctx = &w};
  const es_status st = walk(state, &v);
  return w.agreed ? st : es_comm_agree(c, st);
}

es_status es_ckpt_save_items(es_h5 *f, const es_comm *c, es_state_walk walk,
                             void *state) {
  return walk_items(f, c, walk, state, 0);
}

es_status es_ckpt_load_items(es_h5 *f, const es_comm *c, es_state_walk walk,
                             void *state) {
  return walk_items(f, c, walk, state, 1);
}
