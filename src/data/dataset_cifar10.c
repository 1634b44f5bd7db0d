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
  es_mapped file[FILES];
} cifar10;

static es_status check_file(const char *path, const es_mapped *m) {
  const size_t records = m->size / RECORD;
  ES_CHECK(records > 0 && m->size % RECORD == 0, ES_EFORMAT,
           "'%s': got %zu bytes, expected a multiple of %d (%zu records and %zu bytes "
           "more: truncated?)",
           path, m->size, RECORD, records, m->size % RECORD);
  for (size_t i = 0; i < records; i++)
    ES_CHECK(m->bytes[i * RECORD] < CLASSES, ES_EFORMAT,
             "'%s', record %zu: got label %d, expected 0..%d", path, i,
             m->bytes[i * RECORD], CLASSES - 1);
  return ES_OK;
}

static es_status add_file(es_dataset *ds, const char *folder, const char *name) {
  cifar10 *c = ds->impl;
  char path[ES_PATH_MAX];
  es_mapped *m = &c->file[c->n];
  ES_TRY(es_path_join(folder, name, path));
  ES_TRY(es_map_open(path, HINT, m));
  c->n++;
  ES_TRY(check_file(path, m));
  ds->size += (int64_t) (m->size / RECORD);
  ds->checksum = es_hash_file(ds->checksum, name, m);
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

static void close_set(es_dataset *ds) {
  cifar10 *c = ds->impl;
  for (int i = 0; i < c->n; i++) es_map_close(&c->file[i]);
  es_free(&ds->impl);
}

static es_status open_set(es_dataset *ds, const es_data_params *p, uint64_t seed) {
  (void) seed;
  cifar10 *c;
  ES_TRY(es_data_need_path(p));
  ES_TRY(ES_NEW(1, &c));
  ds->impl = c;
  const es_status st = strcmp(p->split, "test") == 0
                           ? add_file(ds, p->path, "test_batch.bin")
                           : add_train(ds, p->path);
  if (st != ES_OK) {
    close_set(ds);
    return st;
  }
  ds->c = 3;
  ds->h = ds->w = ds->h_max = ds->w_max = SIDE;
  ds->labels = CLASSES;
  ds->scratch = 3 * PLANE;
  return ES_OK;
}

static const uint8_t *find_record(const cifar10 *c, int64_t i) {
  int k = 0;
  for (; k < c->n - 1; k++) {
    const int64_t records = (int64_t) (c->file[k].size / RECORD);
    if (i < records) break;
    i -= records;
  }
  return c->file[k].bytes + i * RECORD;
}

static es_status get(const es_dataset *ds, int64_t i, int view, void *scratch,
                     es_sample *s) {
  (void) view;
  const uint8_t *record = find_record(ds->impl, i);
  const uint8_t *planes = record + 1;
  uint8_t *px = scratch;
  for (int k = 0; k < PLANE; k++)
    for (int c = 0; c < 3; c++) px[3 * k + c] = planes[c * PLANE + k];
  *s = (es_sample){.c = 3, .h = SIDE, .w = SIDE, .u8 = px, .label = record[0]};
  return ES_OK;
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
    .open = open_set,
    .get = get,
    .class_name = class_name,
    .close = close_set};
