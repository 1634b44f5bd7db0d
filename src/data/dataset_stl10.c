/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_stl10.c  STL-10 in its official binary format.
 *
 *  SPLIT_X.bin: 27,648 bytes an image, the R, G and B planes, each 96 x 96 column by
 *  column. SPLIT_y.bin (not for unlabeled): a byte an image, classes 1..10; they become
 *  0..9 here. class_names.txt, where it is there: a name a line, as other images in this
 *  layout have classes of their own. A. Coates, H. Lee, A. Y. Ng, AISTATS 2011. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data_private.h"
#include "eigenstep/mem.h"

enum { SIDE = 96, PLANE = SIDE * SIDE, IMAGE = 3 * PLANE, CLASSES = 10, NAME = 64 };

#define HINT "; inputs/data/fetch-stl10.sh fetches STL-10"

typedef struct stl10 {
  es_data_file x, y;
  uint8_t *label; /**< [records] owned, 0 .. CLASSES - 1; NULL: none */
  char name[CLASSES][NAME];
} stl10;

static const char *const official[CLASSES] = {
    "airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"};

static es_status open_images(es_dataset *ds, const char *folder, const char *split) {
  stl10 *s = ds->impl;
  char name[32], path[ES_PATH_MAX];
  snprintf(name, sizeof name, "%.16s_X.bin", split);
  ES_TRY(es_path_join(folder, name, path));
  ES_TRY(es_data_file_open(path, HINT, &s->x));
  ds->size = s->x.size / IMAGE;
  ES_CHECK(ds->size > 0 && s->x.size % IMAGE == 0, ES_EFORMAT,
           "'%s': got %lld bytes, expected a multiple of %d (%lld images and %lld bytes "
           "more: truncated?)",
           path, (long long) s->x.size, IMAGE, (long long) ds->size,
           (long long) (s->x.size % IMAGE));
  return ES_OK;
}

static es_status open_labels(es_dataset *ds, const char *folder, const char *split) {
  stl10 *s = ds->impl;
  char name[32], path[ES_PATH_MAX];
  snprintf(name, sizeof name, "%.16s_y.bin", split);
  ES_TRY(es_path_join(folder, name, path));
  ES_TRY(es_data_file_open(path, HINT, &s->y));
  ES_CHECK(s->y.size == ds->size, ES_EFORMAT,
           "'%s': got %lld labels, expected %lld, one for each image", path,
           (long long) s->y.size, (long long) ds->size);
  ds->labels = CLASSES;
  return ES_NEW(ds->size, &s->label);
}

/* Lines of class_names.txt, the last one with or without its end. */
static es_status split_names(const char *path, const char *at, size_t n_bytes, stl10 *s) {
  const char *const end = at + n_bytes;
  int n = 0;
  while (at < end) {
    const char *const stop = memchr(at, '\n', (size_t) (end - at));
    size_t size = (size_t) ((stop != NULL ? stop : end) - at);
    const size_t step = size + (stop != NULL);
    while (size > 0 && (at[size - 1] == '\r' || at[size - 1] == ' ')) size--;
    ES_CHECK(n < CLASSES && size > 0 && size < NAME && memchr(at, '\0', size) == NULL,
             ES_EFORMAT,
             "'%s', line %d: expected %d lines with a name of 1 to %d characters each",
             path, n + 1, CLASSES, NAME - 1);
    memcpy(s->name[n], at, size);
    s->name[n++][size] = '\0';
    at += step;
  }
  ES_CHECK(n == CLASSES, ES_EFORMAT, "'%s': got %d names, expected %d", path, n, CLASSES);
  return ES_OK;
}

static es_status open_names(es_dataset *ds, const char *folder) {
  stl10 *s = ds->impl;
  char path[ES_PATH_MAX], text[CLASSES * (NAME + 2)];
  size_t n = 0;
  int64_t size = 0;
  for (int k = 0; k < CLASSES; k++) snprintf(s->name[k], NAME, "%s", official[k]);
  ES_TRY(es_path_join(folder, "class_names.txt", path));
  if (access(path, F_OK) != 0) return ES_OK;
  const char *const why = es_data_file_part(path, 0, text, sizeof text, &n, &size);
  ES_CHECK(why == NULL, ES_EIO, "cannot read '%s': %s", path, why);
  return split_names(path, text, n, s);
}

/** Rank 0: labels, names of the classes, and the checksum. */
static es_status look_through(es_dataset *ds, const char *folder) {
  stl10 *const s = ds->impl;
  ES_TRY(es_data_file_hash(&s->x, strrchr(s->x.path, '/') + 1, &ds->checksum));
  if (ds->labels == 0) return ES_OK;
  ES_TRY(es_data_file_read(&s->y, 0, s->label, (size_t) ds->size));
  for (int64_t i = 0; i < ds->size; i++) {
    ES_CHECK(s->label[i] >= 1 && s->label[i] <= CLASSES, ES_EFORMAT,
             "'%s', record %lld: got label %d, expected 1..%d", s->y.path, (long long) i,
             s->label[i], CLASSES);
    s->label[i]--;
  }
  ES_TRY(es_data_file_hash(&s->y, strrchr(s->y.path, '/') + 1, &ds->checksum));
  return open_names(ds, folder);
}

static void close_set(es_dataset *ds) {
  stl10 *s = ds->impl;
  es_data_file_close(&s->x);
  es_data_file_close(&s->y);
  es_free(&s->label);
  es_free(&ds->impl);
}

static es_status open_files(es_dataset *ds, const es_data_params *p) {
  stl10 *s = NULL;
  ES_TRY(es_data_need_path(p));
  ES_TRY(ES_NEW(1, &s));
  ds->impl = s;
  ES_TRY(open_images(ds, p->path, p->split));
  return strcmp(p->split, "unlabeled") != 0 ? open_labels(ds, p->path, p->split) : ES_OK;
}

static es_status open_set(const es_comm *c, es_dataset *ds, const es_data_params *p,
                          uint64_t seed) {
  (void) seed;
  ES_TRY(es_comm_agree(c, open_files(ds, p)));
  ES_TRY(es_comm_assert_equal(c, &ds->size, sizeof ds->size, "records of STL-10"));
  stl10 *const s = ds->impl;
  ES_TRY(es_comm_agree(c, c->rank == 0 ? look_through(ds, p->path) : ES_OK));
  es_comm_bcast(c, &ds->checksum, sizeof ds->checksum, 0);
  es_comm_bcast(c, s->name, sizeof s->name, 0);
  if (s->label != NULL) es_comm_bcast(c, s->label, (size_t) ds->size, 0);
  ds->c = 3;
  ds->h = ds->w = SIDE;
  ds->largest = (es_largest){.h = SIDE, .w = SIDE, .pixels = PLANE};
  ds->scratch = 2 * IMAGE;
  return ES_OK;
}

static int label(const es_dataset *ds, int64_t i) {
  const stl10 *set = ds->impl;
  return set->label != NULL ? set->label[i] : -1;
}

/** Into scratch: pixels, and after them the planes as they are in the file. */
static es_status get(const es_dataset *ds, int64_t i, int view, void *scratch,
                     es_sample *s) {
  (void) view;
  const stl10 *set = ds->impl;
  uint8_t *px = scratch, *planes = px + IMAGE;
  ES_TRY(es_data_file_read(&set->x, i * IMAGE, planes, IMAGE));
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      for (int c = 0; c < 3; c++)
        px[3 * (y * SIDE + x) + c] = planes[c * PLANE + x * SIDE + y];
  *s = (es_sample){.c = 3, .h = SIDE, .w = SIDE, .u8 = px, .label = label(ds, i)};
  return ES_OK;
}

static const char *class_name(const es_dataset *ds, int label) {
  return ((const stl10 *) ds->impl)->name[label];
}

const es_dataset_ops es_dataset_stl10 = {
    .name = "stl10",
    .doc = "STL-10, 96x96, official binary files in data.path",
    .splits = "train|test|unlabeled",
    .reads = "path",
    .mixed = true,
    .held_out = es_split_test,
    .open = open_set,
    .get = get,
    .label = label,
    .class_name = class_name,
    .close = close_set};
