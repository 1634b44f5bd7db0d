/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_hdf5.c  One's own features, images or pairs, from one HDF5 file.
 *
 *  /x        [N, C, H, W], C = 1 or 3: images, of bytes or of numbers in [0, 1] or
 *            [0, 255]; [N, m] float: vectors
 *  /x_prime  the same shape, optional: the second views; then nothing is augmented, and
 *            floating-point views are taken as they are
 *  /label    [N] or [N, 1] integers >= 0, optional
 *
 *  Without /x_prime images are augmented as those of any set; vectors cannot be, and both
 *  views are the vector itself. Rank 0 reads the file; its values are in memory once a
 *  node, images as bytes, others as f32 (f64 for the solved models): HDF5 may not be
 *  called from the loader's thread. */
#include <string.h>

#include "eigenstep/mem.h"
#include "hdf5_set.h"
#include "node_copy.h"

enum { COLOURS = 3, COPIES = ES_HDF5_VIEWS + 2 };

typedef struct hdf5 {
  es_hdf5_layout l;
  const void *x[ES_HDF5_VIEWS];     /**< [N, values] of l.kind; second: NULL without */
  const int *label;                 /**< [N], NULL without */
  const char (*name)[ES_HDF5_NAME]; /**< [labels] */
  es_node_copy copy[COPIES];        /* owned */
} hdf5;

static const es_dataset_ops pairs_ops;

static void close_set(es_dataset *ds) {
  hdf5 *s = ds->impl;
  for (int i = 0; i < COPIES; i++) es_node_copy_free(&s->copy[i]);
  es_free(&ds->impl);
}

/** Rank 0's open file. */
typedef struct source {
  es_comm *self;
  es_h5 *f;
  const char *path;
  es_hdf5_labels labels;
} source;

static es_status open_source(source *from, const es_data_params *p, es_hdf5_layout *l) {
  from->path = p->path;
  ES_TRY(es_comm_create(MPI_COMM_SELF, &from->self));
  ES_TRY(es_h5_open(from->self, p->path, false, &from->f));
  ES_TRY(es_hdf5_find_layout(from->f, p->path, p, l));
  return l->labelled ? es_hdf5_read_labels(from->f, p->path, l, &from->labels) : ES_OK;
}

static es_status close_source(source *from) {
  const es_status st = from->f != NULL ? es_h5_close(&from->f) : ES_OK;
  if (from->self != NULL) es_comm_destroy(&from->self);
  es_hdf5_labels_free(&from->labels);
  return st;
}

/** Rank 0: fill copy i. */
static es_status fill(source *from, es_hdf5_layout *l, int i, es_node_copy *k) {
  if (i < ES_HDF5_VIEWS) return es_hdf5_read_view(from->f, from->path, l, i, k->bytes);
  const void *const of = i == ES_HDF5_VIEWS ? (const void *) from->labels.label
                                            : (const void *) from->labels.name;
  memcpy(k->bytes, of, k->size);
  return ES_OK;
}

/** Collective. What the layout says is in the file, on all nodes. */
static es_status share(const es_comm *c, hdf5 *s, source *from) {
  es_hdf5_layout *const l = &s->l;
  const size_t x = (size_t) (l->records * l->values) * es_hdf5_value_size(l);
  const size_t size[COPIES] = {x, l->paired ? x : 0,
                               l->labelled ? (size_t) l->records * sizeof *s->label : 0,
                               l->labelled ? (size_t) l->labels * sizeof *s->name : 0};
  for (int i = 0; i < COPIES; i++) {
    if (size[i] == 0) continue;
    ES_TRY(es_node_copy_create(c, size[i], "the HDF5 data set", &s->copy[i]));
    ES_TRY(es_comm_agree(c, c->rank == 0 ? fill(from, l, i, &s->copy[i]) : ES_OK));
    es_node_copy_send(c, &s->copy[i]);
  }
  es_comm_bcast(c, &l->checksum, sizeof l->checksum, 0);
  for (int v = 0; v < ES_HDF5_VIEWS; v++) s->x[v] = s->copy[v].bytes;
  s->label = s->copy[ES_HDF5_VIEWS].bytes;
  s->name = s->copy[ES_HDF5_VIEWS + 1].bytes;
  return ES_OK;
}

static void describe(es_dataset *ds, const es_hdf5_layout *l) {
  const bool images = l->kind == ES_HDF5_IMAGES;
  ds->size = l->records;
  ds->labels = l->labels;
  ds->checksum = l->checksum;
  ds->c = l->c;
  ds->h = l->h;
  ds->w = l->w;
  ds->largest = (es_largest){.h = l->h, .w = l->w, .pixels = (int64_t) l->h * l->w};
  if (l->paired || !images) ds->ops = &pairs_ops;
  const size_t shown = (size_t) ds->c * (size_t) ds->h * (size_t) ds->w;
  ds->scratch = images && !l->paired     ? shown
                : l->kind != ES_HDF5_F32 ? shown * sizeof(float)
                                         : 0;
}

static es_status open_set(const es_comm *c, es_dataset *ds, const es_data_params *p,
                          uint64_t seed) {
  source from = {.path = NULL};
  (void) seed;
  ES_TRY(es_data_need_path(p));
  hdf5 *s = NULL;
  ES_TRY(ES_COMM_NEW(c, 1, &s));
  ds->impl = s;
  s->l.checksum = ds->checksum;
  es_status st = es_comm_agree(c, c->rank == 0 ? open_source(&from, p, &s->l) : ES_OK);
  es_comm_bcast(c, &s->l, sizeof s->l, 0);
  if (st == ES_OK) st = share(c, s, &from);
  const es_status closed = es_comm_agree(c, close_source(&from));
  if (st == ES_OK) st = closed;
  if (st == ES_OK) describe(ds, &s->l);
  return st;
}

/** Planes of a stored image to pixels: bytes, or floats in [0, 1] plane by plane. */
static void spread(const hdf5 *s, const uint8_t *x, size_t pixels, uint8_t *bytes,
                   float *floats) {
  for (size_t c = 0; c < COLOURS; c++) {
    const uint8_t *plane = x + (s->l.planes == 1 ? 0 : c) * pixels;
    for (size_t i = 0; i < pixels; i++) {
      if (bytes != NULL) bytes[COLOURS * i + c] = plane[i];
      if (floats != NULL) floats[c * pixels + i] = plane[i] * (1.0f / 255);
    }
  }
}

static const void *record(const hdf5 *s, int64_t i, int view) {
  const char *const x = s->x[s->x[1] != NULL ? view : 0];
  return x + (size_t) i * (size_t) s->l.values * es_hdf5_value_size(&s->l);
}

static es_status get(const es_dataset *ds, int64_t i, int view, void *scratch,
                     es_sample *out) {
  const hdf5 *s = ds->impl;
  const void *const x = record(s, i, view);
  const size_t pixels = (size_t) ds->h * (size_t) ds->w;
  const bool paired = ds->ops->pairs;
  float *const floats = scratch;
  *out = (es_sample){.is_float = paired,
                     .c = ds->c,
                     .h = ds->h,
                     .w = ds->w,
                     .f32 = paired ? floats : NULL,
                     .u8 = paired ? NULL : scratch,
                     .label = s->label != NULL ? s->label[i] : -1};
  if (s->l.kind == ES_HDF5_IMAGES)
    spread(s, x, pixels, paired ? NULL : scratch, paired ? floats : NULL);
  else if (s->l.kind == ES_HDF5_F32)
    out->f32 = x;
  else
    for (int64_t k = 0; k < s->l.values; k++) floats[k] = (float) ((const double *) x)[k];
  return ES_OK;
}

static bool get_double(const es_dataset *ds, int64_t i, int view, double *out) {
  const hdf5 *s = ds->impl;
  if (s->l.kind != ES_HDF5_F64) return false;
  memcpy(out, record(s, i, view), (size_t) s->l.values * sizeof *out);
  return true;
}

static int label(const es_dataset *ds, int64_t i) {
  const hdf5 *s = ds->impl;
  return s->label != NULL ? s->label[i] : -1;
}

static const char *class_name(const es_dataset *ds, int label) {
  return ((const hdf5 *) ds->impl)->name[label];
}

const es_dataset_ops es_dataset_hdf5 = {
    .name = "hdf5",
    .doc = "your own file data.path: /x images or vectors, optional /x_prime, /label",
    .splits = "all",
    .reads = "path|full_scale",
    .pairs = false,
    .open = open_set,
    .get = get,
    .label = label,
    .class_name = class_name,
    .close = close_set};

/** The same with second views, or vectors: nothing is augmented. */
static const es_dataset_ops pairs_ops = {.name = "hdf5",
                                         .doc = "pairs of views from an HDF5 file",
                                         .splits = "all",
                                         .pairs = true,
                                         .open = open_set,
                                         .get = get,
                                         .get_double = get_double,
                                         .label = label,
                                         .class_name = class_name,
                                         .close = close_set};
