/* SPDX-License-Identifier: BSD-3-Clause */
/** @file tune_file.c  The table of chosen ways, in memory and in a file. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "eigenstep/mem.h"
#include "eigenstep/path.h"
#include "tune.h"

static const es_way_ops *way_named(const char *name) {
  const es_way_ops *const *list;
  const size_t n = es_way_list(&list);
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i]->name, name) == 0) return list[i];
  return NULL;
}

es_status es_onednn_choices_add(es_onednn_choices *c, const char *key, int n,
                                const char *way) {
  const es_way_ops *ops = way_named(way);
  ES_CHECK(ops != NULL && n > 0 && strlen(key) < sizeof c->row->key, ES_EFORMAT,
           "got '%s' with %d images by '%s', expected a known way of computing", key, n,
           way);
  if (c->n == c->cap) {
    es_onednn_choice_row *grown = NULL;
    const int cap = c->cap > 0 ? 2 * c->cap : 64;
    ES_TRY(ES_NEW(cap, &grown));
    if (c->n > 0) memcpy(grown, c->row, (size_t) c->n * sizeof *grown);
    es_free(&c->row);
    c->row = grown;
    c->cap = cap;
  }
  es_onednn_choice_row *row = &c->row[c->n++];
  snprintf(row->key, sizeof row->key, "%s", key);
  row->n = n;
  row->way = ops;
  return ES_OK;
}

const es_onednn_choice_row *es_onednn_choices_find(const es_onednn_choices *c,
                                                   const char *key, int n) {
  const es_onednn_choice_row *best = NULL;
  for (int i = 0; i < c->n; i++) {
    const es_onednn_choice_row *row = &c->row[i];
    if (strcmp(row->key, key) != 0) continue;
    if (best == NULL || abs(row->n - n) < abs(best->n - n)) best = row;
  }
  return best;
}

void es_onednn_choices_destroy(es_onednn_choices **c) {
  if (*c == NULL) return;
  es_free(&(*c)->row);
  es_free(c);
}

/** "processor <tab> library <tab>", what lines of this machine begin with. */
static void begin_of_lines(char *text, size_t size) {
  char model[128] = "", line[256], library[96];
  struct utsname machine;
  if (uname(&machine) == 0) snprintf(model, sizeof model, "%s", machine.machine);
  FILE *f = fopen("/proc/cpuinfo", "r");
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
    snprintf(model, sizeof model, "%.*s", (int) strcspn(colon + 2, "\n\t"), colon + 2);
    break;
  }
  if (f != NULL) fclose(f);
  es_prim_engine_name(library, sizeof library);
  snprintf(text, size, "%s\t%s\t", model, library);
}

/** A line behind its begin: key, images, way. */
static es_status read_row(char *rest, es_onednn_choices *c) {
  char *at = NULL;
  const char *key = strtok_r(rest, "\t\n", &at);
  const char *images = strtok_r(NULL, "\t\n", &at), *way = strtok_r(NULL, "\t\n", &at);
  ES_CHECK(way != NULL, ES_EFORMAT, "got a line without key, images and way");
  const long n = strtol(images, NULL, 10);
  return es_onednn_choices_add(c, key, n > 0 && n < INT_MAX ? (int) n : 0, way);
}

es_status es_onednn_choices_read(const char *path, es_onednn_choices *c) {
  FILE *f = fopen(path, "r");
  if (f == NULL && errno == ENOENT) return ES_OK;
  ES_CHECK(f != NULL, ES_EIO, "%s: %s", path, strerror(errno));
  char begin[256], line[512];
  begin_of_lines(begin, sizeof begin);
  es_status st = ES_OK;
  while (st == ES_OK && fgets(line, sizeof line, f) != NULL)
    if (strncmp(line, begin, strlen(begin)) == 0) st = read_row(line + strlen(begin), c);
  fclose(f);
  return st;
}

/** The folder of a file, with those above it. */
static int make_parent(const char *path) {
  char dir[1100];
  const char *slash = strrchr(path, '/');
  if (slash == NULL || slash == path) return 0;
  snprintf(dir, sizeof dir, "%.*s", (int) (slash - path), path);
  return es_path_make_dirs(dir);
}

/** Append to a growing text. */
static void put(FILE *text, const char *begin, const es_onednn_choice_row *r) {
  fprintf(text, "%s%s\t%d\t%s\n", begin, r->key, r->n, r->way->name);
}

/** Rows that another run has written meanwhile stay, unless this one knows better. */
static es_status merge(const char *path, const es_onednn_choices *c,
                       es_onednn_choices *all) {
  es_onednn_choices other = {0};
  es_status st = es_onednn_choices_read(path, &other);
  if (st != ES_OK) other.n = 0; /* a file that cannot be used is replaced */
  st = ES_OK;
  for (int i = 0; i < c->n && st == ES_OK; i++)
    st = es_onednn_choices_add(all, c->row[i].key, c->row[i].n, c->row[i].way->name);
  for (int i = 0; i < other.n && st == ES_OK; i++) {
    const es_onednn_choice_row *r = &other.row[i];
    const es_onednn_choice_row *ours = es_onednn_choices_find(c, r->key, r->n);
    if (ours == NULL || ours->n != r->n)
      st = es_onednn_choices_add(all, r->key, r->n, r->way->name);
  }
  es_free(&other.row);
  return st;
}

static es_status write_rows(const char *path, const es_onednn_choices *c) {
  char begin[256], line[512], *bytes = NULL;
  size_t size = 0;
  begin_of_lines(begin, sizeof begin);
  FILE *text = open_memstream(&bytes, &size);
  ES_CHECK(text != NULL, ES_ENOMEM, "%s: no memory", path);
  FILE *old = fopen(path, "r");
  while (old != NULL && fgets(line, sizeof line, old) != NULL)
    if (strncmp(line, begin, strlen(begin)) != 0) fputs(line, text);
  if (old != NULL) fclose(old);
  for (int i = 0; i < c->n; i++) put(text, begin, &c->row[i]);
  int failed = fclose(text) == 0 ? make_parent(path) : ENOMEM;
  if (failed == 0) failed = es_path_replace(path, bytes, size);
  free(bytes);
  ES_CHECK(failed == 0, ES_EIO, "%s: %s", path, strerror(failed));
  return ES_OK;
}

es_status es_onednn_choices_write(const char *path, const es_onednn_choices *c) {
  es_onednn_choices all = {0};
  es_status st = merge(path, c, &all);
  if (st == ES_OK) st = write_rows(path, &all);
  es_free(&all.row);
  return st;
}
