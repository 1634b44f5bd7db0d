/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_cifar10.c  CIFAR-10 in its official binary format.
 *
 *  A file is a row of records: 1 label byte (0..9), then the R, G and B planes, each
 *  32 x 32 row by row. data.path holds data_batch_1.bin .. data_batch_5.bin (those that
 *  are there, at least one, in this order) and test_batch.bin.
 *  A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data_private.h"
#include "eigenstep/mem.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, RECORD = 1 + 3 * PLANE, CLASSES = 10, FILES = 5 };

#define HINT "; inputs/data/fetch-cifar10.sh fetches CIFAR-10"

typedef struct cifar10 {
  int n;
  es_data_file file[FILES];
  int64_t first[FILES + 1]; /**< number of a file's first record; the last: of all */
  uint8_t *label;           /**< [records] owned */
} cifar10;

static es_status add_file(es_dataset *ds, const char *folder, const char *name) {
  cifar10 *c = ds->impl;
  char path[ES_PATH_MAX];
  es_data_file *const f = &c->file[c->n];
  ES_TRY(es_path_join(folder, name, path));
  ES_TRY(es_data_file_open(path, HINT, f));
  c->n++;
  const int64_t records = f->size / RECORD, rest = f->size % RECORD;
  ES_CHECK(records > 0 && rest == 0, ES_EFORMAT,
           "'%s': got %lld bytes, expected a multiple of %d (%lld records and %lld bytes "
           "more: truncated?)",
           path, (long long) f->size, RECORD, (long long) records, (long long) rest);
  ds->size += records;
  c->first[c->n] = ds->size;
  return ES_OK;
}

static es_status add_train(es_dataset *ds, const char *folder) {
  char name[32], path[ES_PATH_MAX];
  int last = 1; /* a first part of the set is fine, a hole in it is a missing file */
  for (int k = 2; k <= FILES; k++) {
    snprintf(name, sizeof name, "data_batch_%d.bin", k);
    ES_TRY(es_path_join(folder, name, path));
    if (access(path, F_OK) == 0) last = k;
  }
  for (int k = 1; k <= last; k++) {
    snprintf(name, sizeof name, "data_batch_%d.bin", k);
    ES_TRY(add_file(ds, folder, name));
  }
  return ES_OK;
}

/** Rank 0: the label of every record, and the checksum. */
static es_status look_through(es_dataset *ds) {
  const cifar10 *const c = ds->impl;
  for (int k = 0; k < c->n; k++) {
    const es_data_file *const f = &c->file[k];
    for (int64_t i = c->first[k]; i < c->first[k + 1]; i++) {
      ES_TRY(es_data_file_read(f, (i - c->first[k]) * RECORD, &c->label[i], 1));
      ES_CHECK(c->label[i] < CLASSES, ES_EFORMAT,
               "'%s', record %lld: got label %d, expected 0..%d", f->path,
               (long long) (i - c->first[k]), c->label[i], CLASSES - 1);
    }
    ES_TRY(es_data_file_hash(f, strrchr(f->path, '/') + 1, &ds->checksum));
  }
  return ES_OK;
}

static void close_set(es_dataset *ds) {
  cifar10 *c = ds->impl;
  for (int i = 0; i < c->n; i++) es_data_file_close(&c->file[i]);
  es_free(&c->label);
  es_free(&ds->impl);
}

static es_status open_files(es_dataset *ds, const es_data_params *p) {
  cifar10 *c = NULL;
  ES_TRY(es_data_need_path(p));
  ES_TRY(ES_NEW(1, &c));
  ds->impl = c;
  if (strcmp(p->split, "test") == 0)
    ES_TRY(add_file(ds, p->path, "test_batch.bin"));
  else
    ES_TRY(add_train(ds, p->path));
  return ES_NEW(ds->size, &c->label);
}

static es_status open_set(const es_comm *c, es_dataset *ds, const es_data_params *p,
                          uint64_t seed) {
  (void) seed;
  ES_TRY(es_comm_agree(c, open_files(ds, p)));
  ES_TRY(es_comm_assert_equal(c, &ds->size, sizeof ds->size, "records of CIFAR-10"));
  ES_TRY(es_comm_agree(c, c->rank == 0 ? look_through(ds) : ES_OK));
  es_comm_bcast(c, &ds->checksum, sizeof ds->checksum, 0);
  es_comm_bcast(c, ((cifar10 *) ds->impl)->label, (size_t) ds->size, 0);
  ds->c = 3;
  ds->h = ds->w = SIDE;
  ds->largest = (es_largest){.h = SIDE, .w = SIDE, .pixels = PLANE};
  ds->labels = CLASSES;
  ds->scratch = 6 * PLANE;
  return ES_OK;
}

/** Into scratch: pixels, and after them the planes as they are in the file. */
static es_status get(const es_dataset *ds, int64_t i, int view, void *scratch,
                     es_sample *s) {
  (void) view;
  const cifar10 *const set = ds->impl;
  uint8_t *px = scratch, *planes = px + 3 * PLANE;
  int k = 0;
  while (i >= set->first[k + 1]) k++;
  ES_TRY(es_data_file_read(&set->file[k], (i - set->first[k]) * RECORD + 1, planes,
                           3 * PLANE));
  for (int j = 0; j < PLANE; j++)
    for (int c = 0; c < 3; c++) px[3 * j + c] = planes[c * PLANE + j];
  *s = (es_sample){.c = 3, .h = SIDE, .w = SIDE, .u8 = px, .label = set->label[i]};
  return ES_OK;
}

static int label(const es_dataset *ds, int64_t i) {
  return ((const cifar10 *) ds->impl)->label[i];
}

static const char *class_name(const es_dataset *ds, int label) {
  static const char *const name[CLASSES] = {"airplane", "automobile", "bird", "cat",
                                            "deer",     "dog",        "frog", "horse",
                                            "ship",     "truck"};
  (void) ds;
  return name[label];
}

const es_dataset_ops es_dataset_cifar10 = {
    .name = "cifar10",
    .doc = "CIFAR-10, 32x32, official binary files in data.path",
    .splits = "train|test",
    .reads = "path",
    .mixed = true,
    .held_out = es_split_test,
    .open = open_set,
    .get = get,
    .label = label,
    .class_name = class_name,
    .close = close_set};
