/* SPDX-License-Identifier: BSD-3-Clause */
/** @file imagefolder_scan.c  Which images a folder holds, of which classes, and what of
 *  it is left out. */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "decode.h"
#include "eigenstep/mem.h"
#include "imagefolder.h"

/** A scan under way. */
typedef struct walk {
  const char *root;
  const es_image_rules *rules;
  es_image_scan *s;
  es_left left;
} walk;

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

bool es_image_is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool has_ending(const char *name, const char *const *ending, size_t n) {
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; i < n && dot != NULL; i++)
    if (strcasecmp(dot, ending[i]) == 0) return true;
  return false;
}

static bool is_image_name(const char *name) {
  static const char *const ending[] = {".jpg", ".jpeg", ".png"};
  return has_ending(name, ending, sizeof ending / sizeof *ending);
}

/** An image of a format that cannot be read. */
static bool is_other_image(const char *name) {
  static const char *const ending[] = {".webp", ".bmp", ".tif",  ".tiff",
                                       ".gif",  ".jp2", ".heic", ".avif",
                                       ".ppm",  ".pgm", ".pnm",  ".jfif"};
  return has_ending(name, ending, sizeof ending / sizeof *ending);
}

static es_status keep_text(es_image_text *t, const char *text, int64_t *at) {
  const int64_t n = (int64_t) strlen(text) + 1;
  if (t->n + n > t->room) {
    const int64_t room = 2 * t->room + n + 4096;
    char *wider;
    ES_TRY(ES_NEW(room, &wider));
    if (t->n > 0) memcpy(wider, t->at, (size_t) t->n);
    es_free(&t->at);
    t->at = wider;
    t->room = room;
  }
  memcpy(t->at + t->n, text, (size_t) n);
  *at = t->n;
  t->n += n;
  return ES_OK;
}

static es_status make_room(es_image_scan *s) {
  if (s->n < s->room) return ES_OK;
  const int64_t room = 2 * s->room + 256;
  es_image_file *wider;
  ES_TRY(ES_NEW(room, &wider));
  if (s->n > 0) memcpy(wider, s->file, (size_t) s->n * sizeof *wider);
  es_free(&s->file);
  s->file = wider;
  s->room = room;
  return ES_OK;
}

/** Look at one file's header and keep it, or not. name: below the root. */
static es_status add_file(walk *w, const char *name, int label) {
  es_image_scan *const s = w->s;
  char path[ES_PATH_MAX], why[ES_DECODE_WHY];
  es_image_file new = {.label = label};
  ES_TRY(make_room(s));
  ES_TRY(es_path_join(w->root, name, path));
  /* the class by its label, the file by its own name: the folder may move */
  s->checksum = es_hash_bytes(s->checksum, &label, sizeof label);
  const char *const base = strrchr(path, '/') + 1;
  uint64_t hash = es_hash_bytes(s->checksum, base, strlen(base));
  if (es_image_look(path, w->rules->max_pixels, &new, &hash, why)) {
    s->checksum = hash;
    ES_TRY(keep_text(&s->text, name, &new.name));
    s->file[s->n++] = new;
    return ES_OK;
  }
  ES_CHECK(w->rules->skip, ES_EFORMAT,
           "unreadable image '%s': %s (data.unreadable = skip would leave it out)", path,
           why);
  es_warn_once("unreadable image '%s' is left out: %s", path, why);
  return ES_OK;
}

/** Images at any depth below a class. */
static void count_deeper(walk *w, const char *path, int depth) {
  enum { DEEPEST = 16 };
  entries e;
  char name[ES_PATH_MAX];
  e.n = depth < DEEPEST ? scandir(path, &e.list, is_visible, by_name) : -1;
  if (e.n < 0) return;
  for (int i = 0; i < e.n; i++) {
    const int n = snprintf(name, sizeof name, "%s/%s", path, e.list[i]->d_name);
    if (n >= (int) sizeof name) continue;
    if (es_image_is_folder(name))
      count_deeper(w, name, depth + 1);
    else if (is_image_name(name))
      es_left_add(&w->left, ES_LEFT_DEEPER, name + strlen(w->root) + 1);
  }
  free_entries(&e);
}

/** The images of one folder. below: its name with a slash, "" for the root. */
static es_status add_images(walk *w, const char *below, const entries *e, int label) {
  char path[ES_PATH_MAX], name[ES_PATH_MAX];
  for (int i = 0; i < e->n; i++) {
    const int n = snprintf(name, sizeof name, "%s%s", below, e->list[i]->d_name);
    ES_CHECK(n < (int) sizeof name, ES_ECONFIG,
             "'%.80s...': got a path of %d characters, expected at most %d", name, n,
             ES_PATH_MAX - 1);
    ES_TRY(es_path_join(w->root, name, path));
    if (es_image_is_folder(path))
      count_deeper(w, path, 0);
    else if (is_image_name(name))
      ES_TRY(add_file(w, name, label));
    else if (is_other_image(name))
      es_left_add(&w->left, ES_LEFT_FORMAT, name);
  }
  return ES_OK;
}

/** A class gets a number once an image of it is found. */
static es_status add_class(walk *w, const char *name) {
  entries e;
  char path[ES_PATH_MAX], below[ES_PATH_MAX];
  es_image_scan *const s = w->s;
  const int64_t before = s->n;
  ES_TRY(es_path_join(w->root, name, path));
  snprintf(below, sizeof below, "%s/", name);
  ES_TRY(read_entries(path, &e));
  const es_status st = add_images(w, below, &e, s->labels);
  free_entries(&e);
  ES_TRY(st);
  if (s->n == before) {
    es_left_add(&w->left, ES_LEFT_EMPTY, name);
    return ES_OK;
  }
  return keep_text(&s->text, name, &s->class_name[s->labels++]);
}

/** Classes if there are folders, else images. */
static es_status add_folder(walk *w, const entries *e) {
  char path[ES_PATH_MAX];
  int folders = 0;
  ES_TRY(ES_NEW(e->n, &w->s->class_name)); /* as many, or less */
  for (int i = 0; i < e->n; i++) {
    ES_TRY(es_path_join(w->root, e->list[i]->d_name, path));
    if (!es_image_is_folder(path)) continue;
    folders++;
    ES_TRY(add_class(w, e->list[i]->d_name));
  }
  if (w->s->n == 0) {
    memset(&w->left, 0, sizeof w->left);
    return add_images(w, "", e, -1);
  }
  for (int i = 0; i < e->n; i++) {
    ES_TRY(es_path_join(w->root, e->list[i]->d_name, path));
    if (is_image_name(path) && !es_image_is_folder(path))
      es_left_add(&w->left, ES_LEFT_BESIDE, e->list[i]->d_name);
  }
  return ES_OK;
}

es_status es_image_scan_folder(const char *path, const es_image_rules *r,
                               es_image_scan *s) {
  walk w = {.root = path, .rules = r, .s = s};
  entries e;
  ES_TRY(read_entries(path, &e));
  const es_status st = add_folder(&w, &e);
  free_entries(&e);
  ES_TRY(st);
  es_left_warn(&w.left, path);
  ES_CHECK(s->n > 0, ES_EFORMAT,
           "'%s': got no readable image, expected .jpg, .jpeg or .png files, there or in "
           "one sub-folder for each class",
           path);
  return ES_OK;
}

void es_image_scan_free(es_image_scan *s) {
  es_free(&s->file);
  es_free(&s->class_name);
  es_free(&s->text.at);
}
