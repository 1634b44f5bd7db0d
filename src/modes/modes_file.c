/* SPDX-License-Identifier: BSD-3-Clause */
/** @file modes_file.c  modes.h5. */
#include "modes_file.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/h5.h"
#include "eigenstep/mem.h"

/* The open file, what goes there, and the dimensions that datasets share. */
typedef struct target {
  const es_comm *c;
  es_h5 *f;
  const es_study_findings *r;
} target;

/* A dataset and the scales of its dimensions; NULL: none. */
typedef struct item {
  const char *path, *units, *doc;
  int ndim;
  int64_t dim[3];
  const char *scale[3];
  const double *value;
} item;

/* Collective. Numbers that are the same on all ranks; rank 0 writes. Where there are none
 * nothing is written. */
static es_status write(const target *t, const item *i) {
  es_h5_dataset d = {.path = i->path,
                     .type = ES_H5_F64,
                     .ndim = i->ndim,
                     .units = i->units,
                     .doc = i->doc};
  if (i->value == NULL) return ES_OK;
  for (int k = 0; k < i->ndim; k++) d.dim[k] = i->dim[k];
  ES_TRY(es_h5_declare(t->f, &d));
  ES_TRY(es_h5_write_root(t->f, i->path, ES_H5_F64, 0, i->dim[0], i->value));
  for (int k = 0; k < i->ndim; k++)
    if (i->scale[k] != NULL) ES_TRY(es_h5_attach(t->f, i->path, k, i->scale[k]));
  return ES_OK;
}

static es_status write_all(const target *t, const item *i, size_t n) {
  for (size_t k = 0; k < n; k++) ES_TRY(write(t, &i[k]));
  return ES_OK;
}

/* Collective. Integers, a dataset of one dimension. */
static es_status write_integers(const target *t, const char *path, int64_t n,
                                const int64_t *value, const char *doc) {
  const es_h5_dataset d = {path, ES_H5_I64, 1, {n}, 0, "1", doc};
  ES_TRY(es_h5_declare(t->f, &d));
  return es_h5_write_root(t->f, path, ES_H5_I64, 0, n, value);
}

/* Collective. 1..n as a dimension scale. */
static es_status write_scale(const target *t, const char *path, int64_t n,
                             const char *doc) {
  int64_t *index = NULL;
  ES_TRY(ES_COMM_NEW(t->c, n, &index));
  for (int64_t i = 0; i < n; i++) index[i] = i + 1;
  es_status st = write_integers(t, path, n, index, doc);
  if (st == ES_OK) st = es_h5_scale(t->f, path, path + 1);
  es_free(&index);
  return st;
}

/* Collective. The steps, the modes, and the names of attributes. */
static es_status write_axes(const target *t) {
  const es_study_series *const s = &t->r->series;
  const char *name[ES_ATTRIBUTES], *doc[ES_ATTRIBUTES];
  for (int a = 0; a < ES_ATTRIBUTES; a++) {
    name[a] = es_attribute_table[a].name;
    doc[a] = es_attribute_table[a].doc;
  }
  ES_TRY(write_integers(t, "/step", s->steps, s->step, "training step"));
  ES_TRY(es_h5_scale(t->f, "/step", "step"));
  ES_TRY(write_scale(t, "/mode", s->modes, "number of the mode, from 1"));
  ES_TRY(es_h5_write_strings(t->f, "/attribute", ES_ATTRIBUTES, name,
                             "names of the attributes"));
  return es_h5_write_strings(t->f, "/attribute_meaning", ES_ATTRIBUTES, doc,
                             "what the attributes are");
}

static es_status write_series(const target *t) {
  const es_study_series *const s = &t->r->series;
  const int64_t T = s->steps, K = s->modes, A = ES_ATTRIBUTES;
  const item all[] = {
      {"/time", "learning rate x steps", "effective time", 1, {T}, {"/step"}, s->time},
      {"/variance",
       "1",
       "variance of each mode, largest first",
       2,
       {T, K},
       {"/step", "/mode"},
       s->variance},
      {"/reproducibility",
       "1",
       "|correlation| of the modes found from either half of the pairs",
       2,
       {T, K},
       {"/step", "/mode"},
       s->halves},
      {"/r2",
       "1",
       "R^2 of each mode and attribute, eta^2 for the class; NaN: the attribute does not "
       "vary",
       3,
       {T, K, A},
       {"/step", "/mode", NULL},
       s->r2},
      {"/p",
       "1",
       "share of random exchanges of the pairs in which the largest R^2 of any mode is "
       "as large",
       3,
       {T, K, A},
       {"/step", "/mode", NULL},
       s->p},
      {"/null",
       "1",
       "99th percentile, over random exchanges of the pairs, of the largest R^2 of any "
       "mode",
       1,
       {A},
       {NULL},
       s->null}};
  return write_all(t, all, sizeof all / sizeof *all);
}

/* Collective. From which row each mode is. */
static es_status write_rows(const target *t) {
  const es_study_learned *const l = &t->r->learned;
  int64_t *row = NULL;
  ES_TRY(ES_COMM_NEW(t->c, l->modes, &row));
  for (int k = 0; k < l->modes; k++) row[k] = l->row[k];
  es_status st =
      write_integers(t, "/learned/row", l->modes, row, "row of /step, from 0 on");
  if (st == ES_OK) st = es_h5_attach(t->f, "/learned/row", 0, "/mode");
  es_free(&row);
  return st;
}

static es_status write_learned(const target *t) {
  const es_study_learned *const l = &t->r->learned;
  const int64_t K = l->modes;
  ES_TRY(
      es_h5_group(t->f, "/learned",
                  "modes in the order in which they were learned: mode k is, in the span "
                  "of the first k components at the first step here after its "
                  "transition, what the modes before leave"));
  ES_TRY(write_rows(t));
  const item all[] = {
      {"/learned/step",
       "steps",
       "step of the transition; NaN: none was seen",
       1,
       {K},
       {"/mode"},
       l->step},
      {"/learned/coordinates",
       "1",
       "coordinates of the points, first views, then second ones; of length 1",
       2,
       {K, l->points},
       {"/mode", NULL},
       l->q},
      {"/learned/r2",
       "1",
       "R^2 of each mode and attribute, as /r2",
       2,
       {K, ES_ATTRIBUTES},
       {"/mode", NULL},
       l->r2},
      {"/learned/p", "1", "as /p", 2, {K, ES_ATTRIBUTES}, {"/mode", NULL}, l->p},
      {"/learned/reproducibility",
       "1",
       "|correlation| of the modes found from either half of the pairs",
       1,
       {K},
       {"/mode"},
       l->halves},
      {"/learned/direction",
       "1",
       "direction of the last step's output that shows the mode",
       2,
       {K, l->d},
       {"/mode", NULL},
       l->w},
      {"/learned/kept",
       "1",
       "share of the mode that the last step's leading modes show",
       1,
       {K},
       {"/mode"},
       l->kept}};
  return write_all(t, all, sizeof all / sizeof *all);
}

static es_status write_invariance(const target *t) {
  const es_study_table *const v = &t->r->invariance;
  const int64_t K = v->modes, N = v->columns;
  const item all = {"/invariance/value",
                    "1",
                    "2 sum a b / sum (a^2 + b^2) of two views: of the run's, and of "
                    "whole images changed by one augmentation alone; 1: they agree",
                    2,
                    {K, N},
                    {"/mode", NULL},
                    v->value};
  ES_TRY(write(t, &all));
  return es_h5_write_strings(t->f, "/invariance/name", N, v->name,
                             "the run's views, then the augmentations");
}

static es_status write_usefulness(const target *t) {
  static const char *const path[ES_MODE_SETS] = {
      "/probe_accuracy/first", "/probe_accuracy/last", "/probe_accuracy/random",
      "/probe_accuracy/alone"};
  static const char *const doc[ES_MODE_SETS] = {
      "accuracy of a classifier by the first k modes", "by the last k modes",
      "by k random modes, mean over draws", "by mode k alone"};
  const es_study_usefulness *const u = &t->r->usefulness;
  const int64_t K = t->r->learned.modes;
  if (u->accuracy == NULL) return ES_OK;
  for (int i = 0; i < ES_MODE_SETS; i++) {
    const item one = {path[i], "1", doc[i], 1, {K}, {"/mode"}, u->accuracy + i * K};
    ES_TRY(write(t, &one));
  }
  return es_h5_attr_f64(t->f, "/probe_accuracy", "chance", u->chance);
}

/* Collective. One end of the modes. */
static es_status write_end(const target *t, int end) {
  static const char *const name[ES_ENDS] = {"top", "bottom"};
  const es_study_extremes *const e = &t->r->extremes;
  const int64_t K = t->r->learned.modes, all = K * e->n, pixels = all * e->h * e->w * 3;
  const int64_t start[5] = {0};
  char path[64];
  snprintf(path, sizeof path, "/extremes/%s", name[end]);
  es_h5_dataset d = {
      path,
      ES_H5_I64,
      2,
      {K, e->n},
      0,
      "1",
      "numbers of the pairs, from 0 on, whose first views are at this end"};
  ES_TRY(es_h5_declare(t->f, &d));
  ES_TRY(es_h5_write_root(t->f, path, ES_H5_I64, 0, K, e->sample + end * all));
  ES_TRY(es_h5_attach(t->f, path, 0, "/mode"));
  if (e->pixel == NULL) return ES_OK;
  snprintf(path, sizeof path, "/extremes/%s_image", name[end]);
  d = (es_h5_dataset){path,
                      ES_H5_U8,
                      5,
                      {K, e->n, e->h, e->w, 3},
                      0,
                      "grey levels",
                      "these views, R, G, B, at most 64 pixels a side"};
  const int64_t count[5] = {t->c->rank == 0 ? K : 0, e->n, e->h, e->w, 3};
  ES_TRY(es_h5_declare(t->f, &d));
  ES_TRY(es_h5_write_slab(t->f, path, ES_H5_I64, start, count, e->pixel + end * pixels));
  return es_h5_attach(t->f, path, 0, "/mode");
}

/* Collective. Records, classes and files of the pairs. */
static es_status write_samples(const target *t, const es_dataset *set) {
  const es_study_numbers *const s = &t->r->numbers;
  const char **name = NULL;
  const int64_t most = s->pairs > set->labels ? s->pairs : set->labels;
  ES_TRY(write_integers(t, "/sample/record", s->pairs, s->record,
                        "number of each pair's record in the part of the data set that "
                        "was held out"));
  ES_TRY(write_integers(t, "/sample/label", s->pairs, s->label,
                        "class of each pair, from 0 on; -1: none"));
  es_status st = ES_COMM_NEW(t->c, most, &name);
  if (st == ES_OK && set->ops->file_name != NULL) {
    for (int64_t i = 0; i < s->pairs; i++)
      name[i] = set->ops->file_name(set, s->record[i]);
    st = es_h5_write_strings(t->f, "/sample/file", s->pairs, name,
                             "file of each pair, below the folder of the data");
  }
  if (st == ES_OK && set->labels > 0 && set->ops->class_name != NULL) {
    for (int k = 0; k < set->labels; k++) name[k] = set->ops->class_name(set, k);
    st = es_h5_write_strings(t->f, "/sample/class_name", set->labels, name,
                             "names of the classes");
  }
  es_free(&name);
  return st;
}

static es_status write_rates(const target *t, int kind) {
  const es_study_rates *const r = &t->r->rates[kind];
  const char *const of = kind == ES_OF_PIXELS ? "pixels" : "features";
  const int64_t K = r->modes, N = r->augmentations;
  char path[4][64];
  static const char *const part[4] = {"gamma", "change", "without", "change_error"};
  if (r->gamma == NULL) return ES_OK;
  for (int i = 0; i < 4; i++)
    snprintf(path[i], sizeof path[i], "/augment/%s/%s", of, part[i]);
  const item all[] = {
      {path[0],
       "1",
       "growth rates gamma_j at the start, descending",
       1,
       {K},
       {NULL},
       r->gamma},
      {path[1],
       "1",
       "d ln gamma_j / d strength of each augmentation; NaN: not known",
       2,
       {K, N},
       {NULL, NULL},
       r->change},
      {path[2], "1", "v_j' Gamma v_j without it", 2, {K, N}, {NULL, NULL}, r->without},
      {path[3],
       "1",
       "standard error of change: bootstrap of the images, the modes fixed",
       2,
       {K, N},
       {NULL, NULL},
       r->error}};
  ES_TRY(write_all(t, all, sizeof all / sizeof *all));
  snprintf(path[0], sizeof path[0], "/augment/%s/name", of);
  return es_h5_write_strings(t->f, path[0], N, r->name, "the augmentations");
}

static es_status fill(const target *t, const es_dataset *set) {
  ES_TRY(write_axes(t));
  ES_TRY(write_series(t));
  ES_TRY(write_learned(t));
  ES_TRY(write_invariance(t));
  ES_TRY(write_usefulness(t));
  for (int end = 0; end < ES_ENDS; end++) ES_TRY(write_end(t, end));
  ES_TRY(write_samples(t, set));
  for (int kind = 0; kind < ES_RATES; kind++) ES_TRY(write_rates(t, kind));
  return ES_OK;
}

es_status es_study_write(const es_job *job, const es_config *cfg, const char *dir,
                         const es_dataset *set, const es_study_findings *r) {
  char path[ES_STRING_MAX + 16];
  target t = {.c = job->comm, .r = r};
  snprintf(path, sizeof path, "%s/modes.h5", dir);
  ES_TRY(es_h5_create(job->comm, path, &t.f));
  es_status st = es_provenance_h5(t.f, job, cfg);
  if (st == ES_OK) st = fill(&t, set);
  const es_status closed = es_h5_close(&t.f);
  if (st == ES_OK) st = closed;
  if (st != ES_OK && job->comm->rank == 0) remove(path);
  return st;
}
