/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_imagefolder.c  JPEG and PNG files in a folder.
 *
 *  data.path (or its sub-folder train, test, val, by data.split) holds either one
 *  sub-folder for each class, classes and files in byte order of their names, or the
 *  images themselves: then there are no labels. Where data.path holds a folder train and
 *  no split is given, that is it. Held out is `val`, or else `test`, beside `train`.
 *  Rank 0 reads all headers at the opening; its list is in memory once a node.
 *  With data.size > 0 an image becomes its central square, resized to that side.
 *
 *  data.unreadable = refuse stops at the first file that cannot be decoded; skip leaves
 *  out, by name, those whose header or end is broken; what shows only when the pixels are
 *  decoded is named then, and the next readable record takes its place. */
#include <stdio.h>
#include <string.h>

#include "eigenstep/mem.h"
#include "imagefolder_record.h"
#include "node_copy.h"

enum { REFUSE, SKIP };

typedef struct folder {
  char root[ES_PATH_MAX]; /**< the files' names are below it */
  int unreadable;
  es_record_plan plan;
  /** [n], [labels], texts: rank 0's scan, owned by the copies below */
  const es_image_file *file;
  const int64_t *class_name;
  const char *text;
  es_node_copy copy[3]; /* owned */
} folder;

/** Sizes of the records, and of the scratch. */
static void measure(es_dataset *ds) {
  folder *const f = ds->impl;
  es_largest *const most = &ds->largest;
  bool same = true;
  int first_h = 0, first_w = 0;
  for (int64_t i = 0; i < ds->size; i++) {
    int h, w;
    es_record_plan_add(&f->plan, &f->file[i]);
    es_record_shape(f->plan.size, &f->file[i].picture, &h, &w);
    if (i == 0) first_h = h, first_w = w;
    same = same && h == first_h && w == first_w;
    if ((int64_t) h * w > most->pixels) most->pixels = (int64_t) h * w;
    if (h > most->h) most->h = h;
    if (w > most->w) most->w = w;
  }
  ds->c = 3;
  ds->scratch = es_record_plan_bytes(&f->plan);
  ds->largest.library = f->plan.library;
  ds->h = same ? first_h : 0;
  ds->w = same ? first_w : 0;
}

static void close_set(es_dataset *ds) {
  folder *f = ds->impl;
  for (int i = 0; i < 3; i++) es_node_copy_free(&f->copy[i]);
  es_free(&ds->impl);
}

/** Collective. Rank 0's scan on all nodes. */
static es_status share(const es_comm *c, es_dataset *ds, const es_image_scan *s) {
  folder *const f = ds->impl;
  int64_t n[4] = {s->n, s->labels, s->text.n, (int64_t) s->checksum};
  es_comm_bcast(c, n, sizeof n, 0);
  const size_t size[3] = {(size_t) n[0] * sizeof *s->file,
                          (size_t) n[1] * sizeof *s->class_name, (size_t) n[2]};
  const void *const from[3] = {s->file, s->class_name, s->text.at};
  for (int i = 0; i < 3; i++) {
    ES_TRY(es_node_copy_create(c, size[i], "the list of images", &f->copy[i]));
    if (c->rank == 0 && size[i] > 0) memcpy(f->copy[i].bytes, from[i], size[i]);
    es_node_copy_send(c, &f->copy[i]);
  }
  ds->size = n[0];
  ds->labels = (int) n[1];
  ds->checksum = (uint64_t) n[3];
  f->file = f->copy[0].bytes;
  f->class_name = f->copy[1].bytes;
  f->text = f->copy[2].bytes;
  return ES_OK;
}

static es_status prepare(es_dataset *ds, const es_data_params *p) {
  folder *f;
  ES_TRY(es_data_need_path(p));
  ES_TRY(ES_NEW(1, &f));
  ds->impl = f;
  f->unreadable = p->unreadable;
  f->plan.size = (int) p->size;
  if (strcmp(p->split, "all") != 0) return es_path_join(p->path, p->split, f->root);
  snprintf(f->root, sizeof f->root, "%s", p->path);
  return ES_OK;
}

static es_status open_set(const es_comm *c, es_dataset *ds, const es_data_params *p,
                          uint64_t seed) {
  es_image_scan s = {.checksum = ds->checksum};
  const es_image_rules rules = {p->unreadable == SKIP, p->max_pixels};
  (void) seed;
  ES_TRY(es_comm_agree(c, prepare(ds, p)));
  es_status st = ES_OK;
  if (c->rank == 0) st = es_image_scan_folder(((folder *) ds->impl)->root, &rules, &s);
  st = es_comm_agree(c, st);
  if (st == ES_OK) st = share(c, ds, &s);
  es_image_scan_free(&s);
  if (st == ES_OK) measure(ds);
  return st;
}

static bool read_image(const folder *f, const es_image_file *x, uint8_t *scratch,
                       es_sample *s, char *why) {
  char path[2 * ES_PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", f->root, f->text + x->name);
  if (!es_record_read(&f->plan, x, path, scratch, why)) return false;
  *s = (es_sample){.c = 3, .u8 = scratch, .label = x->label};
  es_record_shape(f->plan.size, &x->picture, &s->h, &s->w);
  return true;
}

static es_status get(const es_dataset *ds, int64_t i, int view, void *scratch,
                     es_sample *s) {
  (void) view;
  const folder *f = ds->impl;
  for (int64_t k = 0; k < ds->size; k++) {
    char why[ES_DECODE_WHY];
    const es_image_file *x = &f->file[(i + k) % ds->size];
    const char *const name = f->text + x->name;
    ES_TRY(es_data_check_library(x->picture.library));
    if (read_image(f, x, scratch, s, why)) return ES_OK;
    ES_CHECK(f->unreadable == SKIP, ES_EFORMAT,
             "unreadable image '%s/%s' (record %lld): %s (data.unreadable = skip would "
             "take another)",
             f->root, name, (long long) i, why);
    es_warn_local("unreadable image '%s/%s' is skipped, the next one taken: %s", f->root,
                  name, why);
  }
  es_error("data.path: got no readable image among %lld", (long long) ds->size);
  return ES_EFORMAT;
}

static int label(const es_dataset *ds, int64_t i) {
  return ((const folder *) ds->impl)->file[i].label;
}

static const char *file_name(const es_dataset *ds, int64_t i) {
  const folder *const f = ds->impl;
  return f->text + f->file[i].name;
}

static const char *class_name(const es_dataset *ds, int label) {
  const folder *const f = ds->impl;
  return f->text + f->class_name[label];
}

static bool has_folder(const char *path, const char *name) {
  char whole[2 * ES_PATH_MAX];
  snprintf(whole, sizeof whole, "%s/%s", path, name);
  return es_image_is_folder(whole);
}

static const char *default_split(const es_data_params *p) {
  return has_folder(p->path, "train") ? "train" : "all";
}

/** val, or else test, beside train: data.path holds train, or is it. */
static bool held_out(es_data_params *p) {
  static const char *const part[] = {"val", "test"};
  es_string parent;
  snprintf(parent, sizeof parent, "%s", p->path);
  size_t n = strlen(parent);
  while (n > 1 && parent[n - 1] == '/') parent[--n] = '\0';
  if (strcmp(p->split, "all") == 0) {
    char *const slash = strrchr(parent, '/');
    if (strcmp(slash != NULL ? slash + 1 : parent, "train") != 0) return false;
    if (slash != NULL)
      slash[slash == parent] = '\0';
    else
      strcpy(parent, ".");
  } else if (strcmp(p->split, "train") != 0) {
    return false;
  }
  for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
    if (!has_folder(parent, part[i])) continue;
    memcpy(p->path, parent, sizeof parent);
    strcpy(p->split, part[i]);
    return true;
  }
  return false;
}

const es_dataset_ops es_dataset_imagefolder = {
    .name = "imagefolder",
    .doc = "JPEG and PNG files below data.path, one sub-folder a class, or none",
    .splits = "all|train|test|val",
    .reads = "path|size|max_pixels|unreadable",
    .default_split = default_split,
    .held_out = held_out,
    .open = open_set,
    .get = get,
    .label = label,
    .file_name = file_name,
    .class_name = class_name,
    .close = close_set};
