/* SPDX-License-Identifier: BSD-3-Clause */
/** @file record.c  compare.h5 and the table. */
#include "record.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"

/* Share of a random subspace. */
static double chance(const es_compare_set *set, int k) {
  return k < set->points - 1 ? (double) k / (set->points - 1) : 1;
}

/* Collective. A dataset of doubles, the same on all ranks; rank 0 writes. */
static es_status write_numbers(es_h5 *f, const es_h5_dataset *d, const double *value) {
  ES_TRY(es_h5_declare(f, d));
  return es_h5_write_root(f, d->path, ES_H5_F64, 0, d->dim[0], value);
}

/* Collective. 1..n as a dimension scale. */
static es_status write_scale(const es_comm *c, es_h5 *f, const char *path,
                             const char *doc, int n) {
  double *index = NULL;
  const es_h5_dataset d = {path, ES_H5_I64, 1, {n}, 0, "1", doc};
  ES_TRY(ES_COMM_NEW(c, n, &index));
  for (int i = 0; i < n; i++) index[i] = i + 1;
  es_status st = write_numbers(f, &d, index);
  if (st == ES_OK) st = es_h5_scale(f, path, path + 1);
  es_free(&index);
  return st;
}

static es_status attach(es_h5 *f, const es_h5_dataset *d) {
  for (int i = 0; i < d->ndim; i++)
    ES_TRY(es_h5_attach(f, d->path, i, i < 2 ? "/run" : "/mode"));
  return ES_OK;
}

/* Collective. */
static es_status write_names(const es_comm *c, es_h5 *f, const es_compare_set *set) {
  char *text = NULL;
  ES_TRY(ES_COMM_NEW(c, set->n * (ES_COMPARE_NAME + 1) + 1, &text));
  for (int i = 0, used = 0; i < set->n; i++)
    used += sprintf(text + used, "%s%s", i > 0 ? "\n" : "", set->source[i].name);
  const es_status st = es_h5_text(f, "/runs", text, "names of the sources, one a line");
  es_free(&text);
  return st;
}

/* Collective. All but the matrices. */
static es_status write_axes(const es_comm *c, es_h5 *f, const es_compare_set *set,
                            int k) {
  double *level = NULL;
  ES_TRY(write_names(c, f, set));
  ES_TRY(write_scale(c, f, "/run", "number of the source, from 1", set->n));
  ES_TRY(write_scale(c, f, "/mode", "number of the mode, from 1", k));
  ES_TRY(write_scale(c, f, "/points",
                     "rows that are compared; of runs first views, then second views of "
                     "the pairs",
                     set->points));
  const es_h5_dataset d = {"/chance",
                           ES_H5_F64,
                           1,
                           {k},
                           0,
                           "1",
                           "share of the first k modes in a random subspace of k"};
  ES_TRY(ES_COMM_NEW(c, k, &level));
  for (int j = 0; j < k; j++) level[j] = chance(set, j + 1);
  es_status st = write_numbers(f, &d, level);
  if (st == ES_OK) st = es_h5_attach(f, "/chance", 0, "/mode");
  es_free(&level);
  return st;
}

/* Collective. Matrices of numbers, or of a number a mode. */
static es_status write_matrices(es_h5 *f, const es_compared *m) {
  const int n = m->n, k = m->k;
  const struct {
    const char *path, *units, *doc;
    int ndim;
    const double *value;
  } matrix[] = {
      {"/subspace", "1",
       "share of row's first k modes in column's first k, ||A'B||_F^2 / k", 3,
       m->subspace},
      {"/error", "1", "standard error of subspace, by bootstrap of the points", 3,
       m->error},
      {"/angles", "rad", "principal angles of all these modes, ascending", 3, m->angles},
      {"/modes", "1", "|cosine| of row's mode and column's mode", 4, m->modes},
      {"/cka", "1", "linear CKA", 2, m->cka},
      {"/cka_unbiased", "1", "linear CKA without bias", 2, m->cka_unbiased},
      {"/mutual_knn", "1", "share of nearest neighbours that both have", 2,
       m->neighbours},
      {"/svcca", "1", "mean canonical correlation of the modes with 99 % of the variance",
       2, m->svcca}};
  for (size_t i = 0; i < sizeof matrix / sizeof *matrix; i++) {
    const es_h5_dataset d = {.path = matrix[i].path,
                             .type = ES_H5_F64,
                             .ndim = matrix[i].ndim,
                             .dim = {n, n, k, k},
                             .units = matrix[i].units,
                             .doc = matrix[i].doc};
    ES_TRY(write_numbers(f, &d, matrix[i].value));
    ES_TRY(attach(f, &d));
  }
  return ES_OK;
}

es_status es_compare_write(const es_job *job, const es_config *cfg, const char *dir,
                           const es_compare_set *set, const es_compared *m) {
  const es_comm *const c = job->comm;
  char path[1200];
  es_h5 *f = NULL;
  ES_CHECK(snprintf(path, sizeof path, "%s/compare.h5", dir) < (int) sizeof path,
           ES_ECONFIG, "output.dir: got a path of more than %zu characters", sizeof path);
  ES_TRY(es_h5_create(c, path, &f));
  es_status st = es_provenance_h5(f, job, cfg);
  if (st == ES_OK) st = write_axes(c, f, set, m->k);
  if (st == ES_OK) st = write_matrices(f, m);
  const es_status closed = es_h5_close(&f);
  if (st == ES_OK) st = closed;
  if (st != ES_OK && c->rank == 0) remove(path);
  return st;
}

/* A row of the table: some of the modes. */
static void print_two(const es_compare_set *set, const es_compared *m, int a, int b) {
  static const int shown[] = {1, 2, 3, 5, 10};
  const int64_t at = (int64_t) a * m->n + b;
  char text[200] = "";
  int used = 0;
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
    if (shown[i] <= m->k)
      used += snprintf(text + used, sizeof text - (size_t) used, " %6.3f",
                       m->subspace[at * m->k + shown[i] - 1]);
  es_print("%s %7.3f +- %.3f %7.3f %7.3f %7.3f %7.3f  %s | %s", text,
           m->subspace[at * m->k + m->k - 1], m->error[at * m->k + m->k - 1], m->cka[at],
           m->cka_unbiased[at], m->svcca[at], m->neighbours[at], set->source[a].name,
           set->source[b].name);
}

void es_compare_print(const es_compare_set *set, const es_compared *m) {
  enum { LINES = 100 };
  static const int shown[] = {1, 2, 3, 5, 10};
  char head[200] = "", level[200] = "";
  int used = 0, lines = 0;
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
    if (shown[i] <= m->k) {
      snprintf(head + used, sizeof head - (size_t) used, "  k =%2d", shown[i]);
      used += snprintf(level + used, sizeof level - (size_t) used, " %6.3f",
                       chance(set, shown[i]));
    }
  es_print(
      "\n%d sources on %d points: share of the first k modes of one in the first k of "
      "the other",
      set->n, set->points);
  es_print("%s %5s%2d +- error     CKA  unbias.  SVCCA    kNN", head, "k =", m->k);
  es_print("%s %7.3f                                           chance", level,
           chance(set, m->k));
  for (int a = 0; a < m->n; a++)
    for (int b = a + 1; b < m->n && lines < LINES; b++, lines++) print_two(set, m, a, b);
  const int all = m->n * (m->n - 1) / 2;
  if (all > lines) es_print("(%d more in compare.h5)", all - lines);
  es_print(
      "1: the same, chance: unrelated sources; error: bootstrap of the pairs at the "
      "largest k; CKA,\nunbias.: linear CKA with and without the bias of few points; "
      "SVCCA: mean canonical correlation of\nthese modes; kNN: share of common nearest "
      "neighbours");
}
