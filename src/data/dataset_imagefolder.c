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

#include "decode.h"
#include "eigenstep/mem.h"
#include "imagefolder.h"
#include "node_copy.h"
#include "resample.h"

enum { REFUSE, SKIP };

typedef struct folder {
  char root[ES_PATH_MAX]; /**< the files' names are below it */
  int unreadable, size;
  int square;   /**< largest central square */
  size_t rgb;   /**< bytes of scratch before the floats of the resizing */
  size_t bytes; /**< of the largest file: the end of the scratch */
  /** [n], [labels], texts: rank 0's scan, owned by the copies below */
  const es_image_file *file;
  const int64_t *class_name;
  const char *text;
  es_node_copy copy[3]; /* owned */
} folder;

static int least(int a, int b) {
  return a < b ? a : b;
}

/** Sizes of the records, and of the scratch. */
static void measure(es_dataset *ds) {
  folder *f = ds->impl;
  bool same = true;
  es_largest *const most = &ds->largest;
  for (int64_t i = 0; i < ds->size; i++) {
    const es_image_file *x = &f->file[i];
    const int64_t n = (int64_t) x->h * x->w;
    if (n > most->pixels) most->pixels = n;
    if ((size_t) x->bytes > f->bytes) f->bytes = (size_t) x->bytes;
    if (x->h > most->h) most->h = x->h;
    if (x->w > most->w) most->w = x->w;
    if (least(x->h, x->w) > f->square) f->square = least(x->h, x->w);
    same = same && x->h == f->file[0].h && x->w == f->file[0].w;
  }
  ds->c = 3;
  const size_t m = (size_t) f->square, n = (size_t) f->size;
  const size_t pixels = most->pixels > (int64_t) (n * n) ? (size_t) most->pixels : n * n;
  f->rgb = (3 * pixels + 63) / 64 * 64;
  ds->scratch = f->rgb;
  if (n > 0) {
    const size_t work = m * m + m * n + n * n + es_resample_work(f->square, f->size) +
                        ES_RESAMPLE_LANES * (m + n);
    ds->scratch += work * sizeof(float);
    *most = (es_largest){f->size, f->size, (int64_t) (n * n)};
    same = true;
  }
  ds->scratch += f->bytes;
  ds->h = same ? most->h : 0;
  ds->w = same ? most->w : 0;
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
  f->size = (int) p->size;
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

static bool decode_file(const folder *f, const es_image_file *x, uint8_t *rgb,
                        uint8_t *bytes, char *why) {
  char path[2 * ES_PATH_MAX];
  size_t n = 0;
  int64_t size = 0;
  snprintf(path, sizeof path, "%s/%s", f->root, f->text + x->name);
  const char *closed = es_data_file_part(path, 0, bytes, f->bytes, &n, &size);
  if (closed != NULL || size != x->bytes || n != (size_t) size) {
    snprintf(why, ES_DECODE_WHY, "%s%s",
             closed != NULL ? "it cannot be opened any more: " : "the file has changed",
             closed != NULL ? closed : "");
    return false;
  }
  return es_decode(bytes, n, x->h, x->w, rgb, why);
}

/** scratch: pixels, floats of the resizing, bytes of the file. */
static bool read_image(const es_dataset *ds, const es_image_file *x, void *scratch,
                       es_sample *s, char *why) {
  const folder *const f = ds->impl;
  uint8_t *const rgb = scratch;
  if (!decode_file(f, x, rgb, rgb + ds->scratch - f->bytes, why)) return false;
  *s = (es_sample){.c = 3, .h = x->h, .w = x->w, .u8 = rgb, .label = x->label};
  if (f->size == 0) return true;
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
    const es_image_file *x = &f->file[(i + k) % ds->size];
    const char *const name = f->text + x->name;
    if (read_image(ds, x, scratch, s, why)) return ES_OK;
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
    .default_split = default_split,
    .held_out = held_out,
    .open = open_set,
    .get = get,
    .label = label,
    .file_name = file_name,
    .class_name = class_name,
    .close = close_set};
