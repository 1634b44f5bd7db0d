/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj_read.c  Reading side of a trajectory. Where series, labels and parameters
 *  are: traj_declare.c's group layout, snapshot.h, provenance.h. */
#include "eigenstep/traj_read.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/provenance.h"
#include "h5_private.h"
#include "traj_private.h"

/* Collective. Did eigenstep write it, in a layout that this version knows? */
static es_status check_schema(es_h5 *f) {
  es_collective_error n = {0};
  char *software = NULL;
  int64_t version[2];
  if (es_h5_has_attr(f, "/", "software"))
    ES_TRY(es_h5_get_string(f, "/", "software", &software));
  if (!software || strcmp(software, "eigenstep") != 0) {
    es_collective_error_set(&n, ES_EFORMAT, "%s was written by %s, expected eigenstep",
                            f->path, software ? software : "an unknown program");
  }
  es_free(&software);
  ES_TRY(es_collective_error_agree(f->comm, &n));
  ES_TRY(es_h5_get_i64s(f, "/schema", "version", 2, version));
  if (version[0] != ES_SCHEMA_MAJOR) {
    es_collective_error_set(&n, ES_EFORMAT,
                            "%s has layout %lld.%lld, expected %d: it was written by "
                            "another version of eigenstep",
                            f->path, (long long) version[0], (long long) version[1],
                            ES_SCHEMA_MAJOR);
  }
  return es_collective_error_agree(f->comm, &n);
}

es_status es_traj_read_open(const es_comm *c, const char *path, es_h5 **out) {
  es_h5 *f = NULL;
  ES_TRY(es_h5_open_live(c, path, &f));
  const es_status st = check_schema(f);
  if (st == ES_OK)
    *out = f;
  else
    (void) es_h5_close(&f); /* open for reading only: nothing can be lost */
  return st;
}

/* The group of a series, the nearest one above it with steps; false: it is no series. */
static bool find_group(es_h5 *f, const char *path, char group[ES_TRAJ_PATH]) {
  char step[ES_TRAJ_PATH + 8];
  if (strlen(path) >= ES_TRAJ_PATH) return false;
  strcpy(group, path);
  for (char *end = strrchr(group, '/'); end; end = strrchr(group, '/')) {
    *end = '\0';
    snprintf(step, sizeof step, "%s/step", group);
    if (!es_h5_exists(f, step)) continue;
    return strcmp(step, path) != 0 && strcmp(path + strlen(group), "/time") != 0 &&
           es_h5_is_attached(f, path, 0, step);
  }
  return false;
}

es_status es_traj_read_list(es_h5 *f, es_h5_names *series) {
  es_h5_names all;
  char group[ES_TRAJ_PATH];
  int kept = 0;
  ES_TRY(es_h5_list(f, &all));
  for (int i = 0; i < all.n; i++) {
    char *const name = all.name[i];
    if (!find_group(f, name, group)) continue;
    all.name[i] = all.name[kept];
    all.name[kept++] = name;
  }
  for (int i = kept; i < all.n; i++) es_free(&all.name[i]);
  all.n = kept;
  *series = all;
  return ES_OK;
}

/* "/a, /b, ...", as many as fit. */
static void join(const es_h5_names *names, char *text, size_t size) {
  static const char more[] = ", ...";
  size_t used = 0;
  snprintf(text, size, "no series");
  for (int i = 0; i < names->n; i++) {
    const size_t needed = strlen(names->name[i]) + 2;
    if (used + needed + sizeof more > size) {
      snprintf(text + used, size - used, "%s", more);
      return;
    }
    used += (size_t) snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "",
                              names->name[i]);
  }
}

/* Collective. ES_EFORMAT: no series `path`, and which series exist. */
static es_status refuse(es_h5 *f, const char *path) {
  es_collective_error n = {0};
  es_h5_names have;
  char text[640];
  ES_TRY(es_traj_read_list(f, &have));
  join(&have, text, sizeof text);
  es_h5_names_free(&have);
  es_collective_error_set(&n, ES_EFORMAT, "%s has no series %s; it has %s", f->path, path,
                          text);
  return es_collective_error_agree(f->comm, &n);
}

/* Collective. Rows of the series that have a step, a time and values. */
static es_status count_rows(es_h5 *f, const char *group, const char *path, int64_t *n) {
  char axis[ES_TRAJ_PATH + 8];
  int64_t *step = NULL;
  es_h5_info info;
  ES_TRY(es_h5_stat(f, path, &info));
  int64_t rows = info.dim[0];
  snprintf(axis, sizeof axis, "%s/time", group);
  ES_TRY(es_h5_stat(f, axis, &info));
  if (info.dim[0] < rows) rows = info.dim[0];
  snprintf(axis, sizeof axis, "%s/step", group);
  ES_TRY(es_h5_stat(f, axis, &info));
  if (info.dim[0] < rows) rows = info.dim[0];
  ES_TRY(es_traj_read_block(f, axis, ES_H5_I64, 0, rows, (void **) &step));
  *n = es_traj_ascending(step, rows);
  es_free(&step);
  return ES_OK;
}

es_status es_traj_read_series(es_h5 *f, const char *path, int64_t last,
                              es_traj_rows *rows) {
  char group[ES_TRAJ_PATH];
  int64_t n;
  if (!find_group(f, path, group)) return refuse(f, path);
  ES_TRY(count_rows(f, group, path, &n));
  const int64_t first = last > 0 && last < n ? n - last : 0;
  return es_traj_read_range(f, group, path, first, n - first, rows);
}

/* Collective. The series of eigenvalues in /spectrum, if there is exactly one. */
static es_status find_only_spectrum(es_h5 *f, char path[ES_TRAJ_PATH]) {
  static const char first[] = "/spectrum/", last[] = "/eigenvalues";
  es_collective_error n = {0};
  es_h5_names have;
  int found = 0;
  ES_TRY(es_traj_read_list(f, &have));
  for (int i = 0; i < have.n; i++) {
    const char *const name = have.name[i], *const end = strrchr(name, '/');
    if (strncmp(name, first, strlen(first)) != 0 || strcmp(end, last) != 0) continue;
    snprintf(path, ES_TRAJ_PATH, "%s", name);
    found++;
  }
  es_h5_names_free(&have);
  if (found != 1)
    es_collective_error_set(&n, ES_EFORMAT,
                            "%s holds eigenvalues of %d matrices and does not say which "
                            "of them is followed: no attribute /spectrum:followed",
                            f->path, found);
  return es_collective_error_agree(f->comm, &n);
}

es_status es_traj_read_followed(es_h5 *f, int64_t last, es_traj_rows *rows) {
  char path[ES_TRAJ_PATH], *matrix = NULL;
  if (es_h5_has_attr(f, "/spectrum", "followed")) {
    ES_TRY(es_h5_get_string(f, "/spectrum", "followed", &matrix));
    snprintf(path, sizeof path, "%s/eigenvalues", matrix);
    es_free(&matrix);
  } else {
    ES_TRY(find_only_spectrum(f, path));
  }
  return es_traj_read_series(f, path, last, rows);
}

es_status es_traj_read_numbers(es_h5 *f, const char *path, int64_t *n, double **value) {
  es_h5_info info;
  ES_TRY(es_h5_stat(f, path, &info));
  int64_t count = 1;
  for (int i = 0; i < info.ndim; i++) count *= info.dim[i];
  ES_TRY(es_traj_read_block(f, path, ES_H5_F64, 0, info.dim[0], (void **) value));
  *n = count;
  return ES_OK;
}

/* The attribute of files before /embedding/class_name: a blank between two names and none
 * within. Pointers and texts in one piece of memory. */
static es_status split_names(const char *text, int64_t *n, char ***name) {
  const size_t bytes = strlen(text) + 1, most = bytes / 2 + 1;
  char **list = NULL;
  ES_TRY(es_alloc(most * sizeof *list + bytes, "class names", (void **) &list));
  char *at = (char *) (list + most);
  memcpy(at, text, bytes);
  for (at += strspn(at, " "); *at != '\0'; at += strspn(at, " ")) {
    list[(*n)++] = at;
    at += strcspn(at, " ");
    if (*at != '\0') *at++ = '\0';
  }
  *name = list;
  return ES_OK;
}

static es_status read_old_names(es_h5 *f, const char *path, es_traj_labels *l) {
  char *text = NULL;
  if (!es_h5_has_attr(f, path, "class_names")) return ES_OK;
  ES_TRY(es_h5_get_string(f, path, "class_names", &text));
  const es_status st = split_names(text, &l->classes, &l->class_name);
  es_free(&text);
  return es_comm_agree(f->comm, st);
}

es_status es_traj_read_labels(es_h5 *f, es_traj_labels *labels) {
  static const char path[] = "/embedding/label", names[] = "/embedding/class_name";
  es_traj_labels l = {0};
  es_h5_info info;
  es_status st = ES_OK;
  if (es_h5_exists(f, path)) {
    ES_TRY(es_h5_stat(f, path, &info));
    l.n = info.dim[0];
    st = es_traj_read_block(f, path, ES_H5_I64, 0, l.n, (void **) &l.label);
    if (st == ES_OK && es_h5_exists(f, names))
      st = es_h5_read_strings(f, names, &l.classes, &l.class_name);
    else if (st == ES_OK)
      st = read_old_names(f, path, &l);
  }
  if (st == ES_OK)
    *labels = l;
  else
    es_traj_labels_free(&l);
  return st;
}

void es_traj_labels_free(es_traj_labels *labels) {
  es_free(&labels->label);
  es_free(&labels->class_name);
  labels->n = 0;
}

es_status es_traj_read_parameters(es_h5 *f, char **text) {
  return es_h5_read_text(f, "/parameters/text", text);
}
