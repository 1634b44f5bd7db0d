/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj_declare.c  Creates the datasets, attributes and scales of declared fields.
 *
 *  Group layout (H5MD's time-dependent elements, netCDF's coordinate variables):
 *    step  int64[T]            scale of dimension 0 of everything in the group
 *    time  float64[T]
 *    FIELD float64[T, dim...]  further dimensions have scales FIELD's dim_name = 1..dim
 */
#include "traj_private.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"

enum { CHUNK = 1 << 16, CHUNK_ROWS = 1024 }; /* bytes, rows: small files stay small */

static int64_t chunk_rows(int64_t width) {
  const int64_t fit = CHUNK / (8 * width);
  return fit < 1 ? 1 : fit > CHUNK_ROWS ? CHUNK_ROWS : fit;
}

/* Collective. A dimension scale 1..n, one per name and group. */
static es_status create_scale(es_traj *t, const char *group, const char *name,
                              int64_t n) {
  char path[ES_TRAJ_PATH];
  if (snprintf(path, sizeof path, "%s/%s", group, name) >= (int) sizeof path) {
    ES_CHECK(false, ES_EARG, "name of scale %s in %s is too long", name, group);
  }
  if (es_h5_exists(t->file, path)) {
    es_h5_info info;
    ES_TRY(es_h5_stat(t->file, path, &info));
    ES_CHECK(info.ndim == 1 && info.dim[0] == n, ES_EARG,
             "%s: got %lld entries of dimension %s, expected %lld as before", group,
             (long long) n, name, (long long) info.dim[0]);
    return ES_OK;
  }
  char text[128];
  snprintf(text, sizeof text, "index of the %s, from 1", name);
  ES_TRY(es_h5_declare(t->file, &(es_h5_dataset){.path = path,
                                                 .type = ES_H5_I64,
                                                 .ndim = 1,
                                                 .dim = {n},
                                                 .units = "1",
                                                 .doc = text}));
  int64_t first = 0, mine = 0;
  es_comm_local_range(t->comm, n, &first, &mine);
  int64_t *index = NULL;
  es_collective_error note = {0};
  if (ES_NEW(mine, &index) != ES_OK)
    es_collective_error_set(&note, ES_ENOMEM, "out of memory for the trajectory");
  es_status st = es_collective_error_agree(t->comm, &note);
  for (int64_t i = 0; st == ES_OK && i < mine; i++) index[i] = first + i + 1;
  if (st == ES_OK) st = es_h5_write_rows(t->file, path, ES_H5_I64, first, mine, index);
  es_free(&index);
  if (st != ES_OK) return st;
  return es_h5_scale(t->file, path, name);
}

/* Collective. A dataset of the group that grows by rows. */
static es_status declare_rows(es_traj *t, const char *path, es_h5_type type,
                              const es_traj_field *field) {
  es_h5_dataset d = {.path = path,
                     .type = type,
                     .ndim = 1 + field->ndim,
                     .dim = {ES_H5_UNLIMITED, field->dim[0], field->dim[1]},
                     .units = field->units,
                     .doc = field->doc};
  int64_t width = 1;
  for (int i = 0; i < field->ndim; i++) width *= field->dim[i];
  d.chunk_rows = chunk_rows(width);
  return es_h5_declare(t->file, &d);
}

/* Collective. step and time of a group. */
static es_status create_axis(es_traj *t, const char *group) {
  static const es_traj_field step = ES_TRAJ_SCALAR("step", "1", "training step");
  static const es_traj_field time = ES_TRAJ_SCALAR(
      "time", "1", "effective time t: sum of the learning rates of all steps so far");
  char step_path[ES_TRAJ_PATH + 8], time_path[ES_TRAJ_PATH + 8];
  snprintf(step_path, sizeof step_path, "%s/step", group);
  snprintf(time_path, sizeof time_path, "%s/time", group);
  ES_TRY(declare_rows(t, step_path, ES_H5_I64, &step));
  ES_TRY(es_h5_scale(t->file, step_path, "step"));
  ES_TRY(declare_rows(t, time_path, ES_H5_F64, &time));
  return es_h5_attach(t->file, time_path, 0, step_path);
}

/* Path and shape of a series in group g. */
static es_status describe(const es_traj_group *g, const es_traj_field *field,
                          es_traj_series *s) {
  const int len = snprintf(s->path, sizeof s->path, "%s/%s", g->path, field->name);
  ES_CHECK(len < (int) sizeof s->path && field->ndim >= 0 && field->ndim <= 2, ES_EARG,
           "field %s of %s: name too long or %d dimensions, expected 0 to 2", field->name,
           g->path, field->ndim);
  s->ndim = field->ndim;
  s->width = 1;
  for (int i = 0; i < field->ndim; i++) {
    ES_CHECK(field->dim[i] > 0, ES_EARG, "%s: dimension %d is %lld, expected > 0",
             s->path, i + 1, (long long) field->dim[i]);
    s->dim[i] = field->dim[i];
    s->width *= field->dim[i];
  }
  return ES_OK;
}

/* Collective. One series with its scales. */
static es_status create_series(es_traj *t, const char *group, const es_traj_field *field,
                               const es_traj_series *s) {
  char scale[2 * ES_TRAJ_PATH];
  const es_h5_type type = field->single ? ES_H5_F32 : ES_H5_F64;
  ES_TRY(declare_rows(t, s->path, type, field));
  snprintf(scale, sizeof scale, "%s/step", group);
  ES_TRY(es_h5_attach(t->file, s->path, 0, scale));
  for (int i = 0; i < field->ndim; i++) {
    const char *name = field->dim_name[i];
    ES_CHECK(name && *name, ES_EARG, "%s: dimension %d has no name", s->path, i + 1);
    ES_TRY(create_scale(t, group, name, field->dim[i]));
    snprintf(scale, sizeof scale, "%s/%s", group, name);
    ES_TRY(es_h5_attach(t->file, s->path, i + 1, scale));
  }
  return ES_OK;
}

/* Collective. Memory for the series of a group. */
static es_status group_alloc(es_traj *t, es_traj_group *g, int n) {
  es_collective_error note = {0};
  if (ES_NEW(n, &g->series) != ES_OK)
    es_collective_error_set(&note, ES_ENOMEM, "out of memory for the trajectory");
  return es_collective_error_agree(t->comm, &note);
}

void es_traj_group_clear(es_traj_group *g) {
  es_free(&g->series);
  es_free(&g->step);
  es_free(&g->time);
  es_free(&g->values);
}

/* Does the group exist in a resumed file? */
static bool is_resumed(const es_traj *t, const es_traj_group *g) {
  char step[ES_TRAJ_PATH + 8];
  snprintf(step, sizeof step, "%s/step", g->path);
  return t->resumed && es_h5_exists(t->file, step);
}

/* Collective. step, time and series of a new group. */
static es_status create_group(es_traj *t, const es_traj_group *g, const char *description,
                              const es_traj_field *fields) {
  ES_TRY(es_h5_group(t->file, g->path, description));
  ES_TRY(create_axis(t, g->path));
  for (int i = 0; i < g->n; i++)
    ES_TRY(create_series(t, g->path, &fields[i], &g->series[i]));
  return ES_OK;
}

es_status es_traj_group_create(es_traj *t, const char *path, const char *description,
                               const es_traj_field *fields, int n, es_traj_group *g) {
  *g = (es_traj_group){.n = n};
  ES_CHECK(
      n > 0 && strlen(path) < sizeof g->path, ES_EARG,
      "group %s: got %d fields, expected at least 1, and a path below %zu characters",
      path, n, sizeof g->path);
  snprintf(g->path, sizeof g->path, "%s", path);
  es_status st = group_alloc(t, g, n);
  for (int i = 0; i < n && st == ES_OK; i++) {
    st = describe(g, &fields[i], &g->series[i]);
    g->series[i].offset = g->width;
    g->width += g->series[i].width;
  }
  if (st == ES_OK && is_resumed(t, g))
    st = es_traj_group_reopen(t, g);
  else if (st == ES_OK)
    st = create_group(t, g, description, fields);
  if (st != ES_OK) es_traj_group_clear(g);
  return st;
}
