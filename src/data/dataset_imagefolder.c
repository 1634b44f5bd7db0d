/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_imagefolder.c  JPEG and PNG files in a folder.
 *
 *  data.path (or its sub-folder train, test, val, by data.split) holds either one
 *  sub-folder for each class, classes and files in byte order of their names, or the
 *  images themselves: then there are no labels. All headers are read at the opening.
 *  With data.size > 0 an image becomes its central square, resized to that side.
 *
 *  data.unreadable = refuse stops at the first file that cannot be decoded; skip leaves
 *  out, by name, those whose header or end is broken; what shows only when the pixels are
 *  decoded is named then, and the next readable record takes its place. */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "data_private.h"
#include "decode.h"
#include "eigenstep/mem.h"
#include "resample.h"

enum { REFUSE, SKIP };

typedef struct file {
  char *path; /**< owned */
  int label, h, w;
} file;

typedef struct folder {
  int64_t n, room;
  file *file;
  char **class_name; /**< [labels] owned */
  int unreadable, size;
  int square; /**< largest central square */
  size_t rgb; /**< bytes of scratch before the floats of the resizing */
} folder;

/** What a folder holds, without hidden names; free with free_entries. */
typedef struct entries {
  int n;
  struct dirent **list;
} entries;

static int is_visible(const struct dirent *e) {
  return e->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static es_status read_entries(const char *path, entries *e) {
  e->n = scandir(path, &e->list, is_visible, by_name);
  ES_CHECK(e->n >= 0, ES_EIO, "cannot read the folder '%s': %s", path, strerror(errno));
  return ES_OK;
}

static void free_entries(entries *e) {
  for (int i = 0; i < e->n; i++) free(e->list[i]);
  free(e->list);
}

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_image_name(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot != NULL && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
                         strcasecmp(dot, ".png") == 0);
}

static es_status make_room(folder *f) {
  if (f->n < f->room) return ES_OK;
  const int64_t room = 2 * f->room + 256;
  file *wider;
  ES_TRY(ES_NEW(room, &wider));
  if (f->n > 0) memcpy(wider, f->file, (size_t) f->n * sizeof *wider);
  es_free(&f->file);
  f->file = wider;
  f->room = room;
  return ES_OK;
}

/** Look at one file's header and keep it, or not. */
static es_status add_file(es_dataset *ds, const char *path, int label) {
  folder *f = ds->impl;
  es_mapped m = {0};
  char why[ES_DECODE_WHY];
  int h = 0, w = 0;
  ES_TRY(make_room(f));
  const char *closed = es_map_try(path, &m);
  if (closed != NULL) snprintf(why, sizeof why, "%s", closed);
  bool good = closed == NULL && es_decode_header(m.bytes, m.size, &h, &w, why);
  if (good && (h > ES_IMAGE_SIDE_MAX || w > ES_IMAGE_SIDE_MAX)) {
    good = false;
    snprintf(why, sizeof why, "got %d x %d pixels, expected at most %d a side", h, w,
             ES_IMAGE_SIDE_MAX);
  }
  /* the class by its label: the folder may move */
  ds->checksum = es_hash_bytes(ds->checksum, &label, sizeof label);
  if (good) ds->checksum = es_hash_file(ds->checksum, strrchr(path, '/') + 1, &m);
  es_map_close(&m);
  ES_CHECK(good || f->unreadable == SKIP, ES_EFORMAT,
           "unreadable image '%s': %s (data.unreadable = skip would leave it out)", path,
           why);
  if (!good) {
    es_warn("unreadable image '%s' is left out: %s", path, why);
    return ES_OK;
  }
  file *new = &f->file[f->n];
  *new = (file){.label = label, .h = h, .w = w};
  ES_TRY(es_strdup(path, &new->path));
  f->n++;
  return ES_OK;
}

static es_status add_entries(es_dataset *ds, const char *path, const entries *e,
                             int label) {
  char name[ES_PATH_MAX];
  for (int i = 0; i < e->n; i++) {
    if (!is_image_name(e->list[i]->d_name)) continue;
    ES_TRY(es_path_join(path, e->list[i]->d_name, name));
    if (!is_folder(name)) ES_TRY(add_file(ds, name, label));
  }
  return ES_OK;
}

static es_status add_class(es_dataset *ds, const char *path, const char *name) {
  entries e;
  ES_TRY(es_strdup(name, &((folder *) ds->impl)->class_name[ds->labels]));
  ds->labels++;
  ES_TRY(read_entries(path, &e));
  const es_status st = add_entries(ds, path, &e, ds->labels - 1);
  free_entries(&e);
  return st;
}

/** The classes of a folder; without any, its images. */
static es_status add_folder(es_dataset *ds, const char *path, const entries *e) {
  char name[ES_PATH_MAX];
  ES_TRY(ES_NEW(e->n, &((folder *) ds->impl)->class_name)); /* as many, or less */
  for (int i = 0; i < e->n; i++) {
    ES_TRY(es_path_join(path, e->list[i]->d_name, name));
    if (is_folder(name)) ES_TRY(add_class(ds, name, e->list[i]->d_name));
  }
  return ds->labels > 0 ? ES_OK : add_entries(ds, path, e, -1);
}

static es_status scan(es_dataset *ds, const es_data_params *p) {
  entries e;
  char path[ES_PATH_MAX];
  if (strcmp(p->split, "all") == 0)
    snprintf(path, sizeof path, "%s", p->path);
  else
    ES_TRY(es_path_join(p->path, p->split, path));
  ES_TRY(read_entries(path, &e));
  const es_status st = add_folder(ds, path, &e);
  free_entries(&e);
  ES_TRY(st);
  ES_CHECK(((folder *) ds->impl)->n > 0, ES_EFORMAT,
           "'%s': got no readable image, expected .jpg, .jpeg or .png files, there or in "
           "one sub-folder for each class",
           path);
  return ES_OK;
}

static int least(int a, int b) {
  return a < b ? a : b;
}

/** Sizes of the records, and of the scratch. */
static void measure(es_dataset *ds) {
  folder *f = ds->impl;
  bool same = true;
  size_t pixels = 0;
  for (int64_t i = 0; i < f->n; i++) {
    const file *x = &f->file[i];
    const size_t n = (size_t) x->h * (size_t) x->w;
    if (n > pixels) pixels = n;
    if (x->h > ds->h_max) ds->h_max = x->h;
    if (x->w > ds->w_max) ds->w_max = x->w;
    if (least(x->h, x->w) > f->square) f->square = least(x->h, x->w);
    same = same && x->h == f->file[0].h && x->w == f->file[0].w;
  }
  ds->c = 3;
  ds->size = f->n;
  const size_t m = (size_t) f->square, n = (size_t) f->size;
  if (n * n > pixels) pixels = n * n;
  f->rgb = (3 * pixels + 63) / 64 * 64;
  ds->scratch = f->rgb;
  if (n > 0) {
    const size_t work = m * m + m * n + n * n + es_resample_work(f->square, f->size) +
                        ES_RESAMPLE_LANES * (m + n);
    ds->scratch += work * sizeof(float);
    ds->h_max = ds->w_max = f->size;
    same = true;
  }
  ds->h = same ? ds->h_max : 0;
  ds->w = same ? ds->w_max : 0;
}

static void close_set(es_dataset *ds) {
  folder *f = ds->impl;
  for (int i = 0; i < ds->labels; i++) es_free(&f->class_name[i]);
  for (int64_t i = 0; i < f->n; i++) es_free(&f->file[i].path);
  es_free(&f->class_name);
  es_free(&f->file);
  es_free(&ds->impl);
}

static es_status open_set(es_dataset *ds, const es_data_params *p, uint64_t seed) {
  (void) seed;
  folder *f;
  ES_TRY(es_data_need_path(p));
  ES_TRY(ES_NEW(1, &f));
  f->unreadable = p->unreadable;
  f->size = (int) p->size;
  ds->impl = f;
  const es_status st = scan(ds, p);
  if (st != ES_OK) {
    close_set(ds);
    return st;
  }
  measure(ds);
  return ES_OK;
}

/** Central square of rgb -> size x size, in place. work: as measured. */
static void make_square(const folder *f, int h, int w, uint8_t *rgb, float *work) {
  const int m = least(h, w), n = f->size, y0 = (h - m) / 2, x0 = (w - m) / 2;
  float *plane = work, *tmp = plane + (size_t) m * (size_t) m;
  float *out = tmp + (size_t) m * (size_t) n, *plan = out + (size_t) n * (size_t) n;
  float *strip = plan + es_resample_work(m, n);
  const es_window all = {.h = m, .w = m, .stride = m};
  const es_resample r = es_resample_plan(ES_BILINEAR, m, n, plan);
  for (int c = 0; c < 3; c++) {
    for (int y = 0; y < m; y++)
      for (int x = 0; x < m; x++)
        plane[y * m + x] =
            rgb[3 * ((size_t) (y0 + y) * (size_t) w + (size_t) (x0 + x)) + (size_t) c];
    es_resample_along(&r, plane, all, strip, tmp);
    es_resample_across(&r, tmp, n, out);
    for (int k = 0; k < n * n; k++) rgb[3 * k + c] = (uint8_t) (out[k] + 0.5f);
  }
}

static bool decode_file(const folder *f, const file *x, void *scratch, es_sample *s,
                        char *why) {
  es_mapped m;
  uint8_t *rgb = scratch;
  const char *closed = es_map_try(x->path, &m);
  if (closed != NULL) {
    snprintf(why, ES_DECODE_WHY, "it cannot be opened any more: %s", closed);
    return false;
  }
  const bool good = es_decode(m.bytes, m.size, x->h, x->w, rgb, why);
  es_map_close(&m);
  *s = (es_sample){.c = 3, .h = x->h, .w = x->w, .u8 = rgb, .label = x->label};
  if (!good || f->size == 0) return good;
  make_square(f, x->h, x->w, rgb, (void *) (rgb + f->rgb));
  s->h = s->w = f->size;
  return true;
}

static es_status get(const es_dataset *ds, int64_t i, int view, void *scratch,
                     es_sample *s) {
  (void) view;
  const folder *f = ds->impl;
  for (int64_t k = 0; k < ds->size; k++) {
    char why[ES_DECODE_WHY];
    const file *x = &f->file[(i + k) % ds->size];
    if (decode_file(f, x, scratch, s, why)) return ES_OK;
    ES_CHECK(f->unreadable == SKIP, ES_EFORMAT,
             "unreadable image '%s' (record %lld): %s (data.unreadable = skip would take "
             "another)",
             x->path, (long long) i, why);
    es_warn_local("unreadable image '%s' is skipped, the next one taken: %s", x->path,
                  why);
  }
  es_error("got no readable image among %lld", (long long) ds->size);
  return ES_EFORMAT;
}

static const char *class_name(const es_dataset *ds, int label) {
  return ((const folder *) ds->impl)->class_name[label];
}

const es_dataset_ops es_dataset_imagefolder = {
    .name = "imagefolder",
    .doc = "JPEG and PNG files below data.path, one sub-folder a class, or none",
    .splits = "all|train|test|val",
    .open = open_set,
    .get = get,
    .class_name = class_name,
    .close = close_set};
