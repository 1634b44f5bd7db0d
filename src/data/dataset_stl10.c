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
  es_mapped x, y;
  char name[CLASSES][NAME];
} stl10;

static const char *const official[CLASSES] = {
    "airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"};

static es_status open_images(es_dataset *ds, const char *folder, const char *split) {
  stl10 *s = ds->impl;
  char name[32], path[ES_PATH_MAX];
  snprintf(name, sizeof name, "%.16s_X.bin", split);
  ES_TRY(es_path_join(folder, name, path));
  ES_TRY(es_map_open(path, HINT, &s->x));
  ds->size = (int64_t) (s->x.size / IMAGE);
  ES_CHECK(ds->size > 0 && s->x.size % IMAGE == 0, ES_EFORMAT,
           "'%s': got %zu bytes, expected a multiple of %d (%lld images and %zu bytes "
           "more: truncated?)",
           path, s->x.size, IMAGE, (long long) ds->size, s->x.size % IMAGE);
  ds->checksum = es_hash_file(ds->checksum, name, &s->x);
  return ES_OK;
}

static es_status open_labels(es_dataset *ds, const char *folder, const char *split) {
  stl10 *s = ds->impl;
  char name[32], path[ES_PATH_MAX];
  snprintf(name, sizeof name, "%.16s_y.bin", split);
  ES_TRY(es_path_join(folder, name, path));
  ES_TRY(es_map_open(path, HINT, &s->y));
  ES_CHECK(s->y.size == (size_t) ds->size, ES_EFORMAT,
           "'%s': got %zu labels, expected %lld, one for each image", path, s->y.size,
           (long long) ds->size);
  for (size_t i = 0; i < s->y.size; i++)
    ES_CHECK(s->y.bytes[i] >= 1 && s->y.bytes[i] <= CLASSES, ES_EFORMAT,
             "'%s', record %zu: got label %d, expected 1..%d", path, i, s->y.bytes[i],
             CLASSES);
  ds->checksum = es_hash_file(ds->checksum, name, &s->y);
  ds->labels = CLASSES;
  return ES_OK;
}

/* Lines of class_names.txt, the last one with or without its end. */
static es_status split_names(const char *path, const es_mapped *m, stl10 *s) {
  const char *at = (const char *) m->bytes, *const end = at + m->size;
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
  char path[ES_PATH_MAX];
  es_mapped m = {0};
  for (int k = 0; k < CLASSES; k++) snprintf(s->name[k], NAME, "%s", official[k]);
  ES_TRY(es_path_join(folder, "class_names.txt", path));
  if (access(path, F_OK) != 0) return ES_OK;
  ES_TRY(es_map_open(path, "", &m));
  const es_status st = split_names(path, &m, s);
  es_map_close(&m);
  return st;
}

static void close_set(es_dataset *ds) {
  stl10 *s = ds->impl;
  es_map_close(&s->x);
  es_map_close(&s->y);
  es_free(&ds->impl);
}

static es_status open_set(es_dataset *ds, const es_data_params *p, uint64_t seed) {
  (void) seed;
  stl10 *s;
  ES_TRY(es_data_need_path(p));
  ES_TRY(ES_NEW(1, &s));
  ds->impl = s;
  es_status st = open_images(ds, p->path, p->split);
  if (st == ES_OK && strcmp(p->split, "unlabeled") != 0)
    st = open_labels(ds, p->path, p->split);
  if (st == ES_OK && ds->labels > 0) st = open_names(ds, p->path);
  if (st != ES_OK) {
    close_set(ds);
    return st;
  }
  ds->c = 3;
  ds->h = ds->w = ds->h_max = ds->w_max = SIDE;
  ds->scratch = IMAGE;
  return ES_OK;
}

static es_status get(const es_dataset *ds, int64_t i, int view, void *scratch,
                     es_sample *s) {
  (void) view;
  const stl10 *set = ds->impl;
  const uint8_t *planes = set->x.bytes + i * IMAGE;
  uint8_t *px = scratch;
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      for (int c = 0; c < 3; c++)
        px[3 * (y * SIDE + x) + c] = planes[c * PLANE + x * SIDE + y];
  const int label = set->y.bytes != NULL ? set->y.bytes[i] - 1 : -1;
  *s = (es_sample){.c = 3, .h = SIDE, .w = SIDE, .u8 = px, .label = label};
  return ES_OK;
}

static const char *class_name(const es_dataset *ds, int label) {
  return ((const stl10 *) ds->impl)->name[label];
}

const es_dataset_ops es_dataset_stl10 = {
    .name = "stl10",
    .doc = "STL-10, 96x96, official binary files in data.path",
    .splits = "train|test|unlabeled",
    .open = open_set,
    .get = get,
    .class_name = class_name,
    .close = close_set};
