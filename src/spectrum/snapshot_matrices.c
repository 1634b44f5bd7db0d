/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_matrices.c  The matrices whose spectra a snapshot holds. To add one:
 *  a row of the table and its `build`.
 *
 *  D embedding width, N samples of one view. Covariances are of both views together (2N
 *  rows, ddof 1), centred; the cross-correlation C = 1/(2N) sum (z z'^T + z' z^T) follows
 *  the loss's convention (centred, batch-normalised). */
#include <math.h>
#include <string.h>
#include "eigenstep/cov.h"
#include "eigenstep/mem.h"
#include "eigenstep/param.h"
#include "metric_private.h"
#include "snapshot_private.h"

/** nn.BatchNorm1d's eps, as the batch-normalised loss uses it. */
#define BATCH_NORM_EPS 1e-5

enum { NAMES = 4 };

/* Does spectrum.matrices name it? A list that cannot be read names nothing. */
static bool is_listed(const char *list, const char *name) {
  char item[NAMES][64];
  size_t n = 0;
  if (es_split("spectrum.matrices", list, NAMES, item, &n) != ES_OK) return false;
  for (size_t i = 0; i < n; i++)
    if (strcmp(item[i], name) == 0) return true;
  return false;
}

/* Collective. A copy of the embeddings' first views, [views n, D]. */
static es_status copy_views(const es_embedding *e, int views, double **rows) {
  const size_t count = (size_t) views * (size_t) e->n * (size_t) e->d;
  double *copy = NULL;
  const es_status st = ES_COMM_NEW(e->grid->comm, count, &copy);
  if (st == ES_OK) {
    memcpy(copy, e->z, count * sizeof *copy);
    *rows = copy;
  } else {
    es_free(&copy);
  }
  return st;
}

static bool want_covariance(const es_snapshot_options *o, const char *list) {
  (void) o;
  return is_listed(list, "covariance");
}

static es_status build_covariance(const es_snapshot *s, const es_embedding *e,
                                  double **rows, es_dmat **a) {
  ES_TRY(copy_views(e, s->size.shown, rows));
  return es_cov_covariance(s->grid, *rows, s->size.shown * e->n, e->d, 1, a);
}

/* The same rows without the matrix. */
static es_status covariance_rows(const es_snapshot *s, const es_embedding *e,
                                 double **rows) {
  const int64_t n = s->size.shown * e->n;
  ES_TRY(copy_views(e, s->size.shown, rows));
  return es_cov_center(s->grid->comm, *rows, n, e->d);
}

static bool want_cross(const es_snapshot_options *o, const char *list) {
  return o->pairs && is_listed(list, "cross");
}

/* Collective. z <- (z - mean) [/ std]: the loss's convention for C. Columns over all
 * ranks. moment: [2 D] workspace. */
static es_status condition(const es_snapshot *s, double *z, int64_t n, double *moment) {
  const int d = s->opt.dim;
  double *const mean = moment, *const var = moment + d;
  if (!s->opt.center && !s->opt.normalize) return ES_OK;
  ES_TRY(es_cov_mean(s->grid->comm, z, n, d, mean));
  memset(var, 0, sizeof(double) * (size_t) d);
  for (int64_t i = 0; i < n; i++) {
    for (int j = 0; j < d; j++) {
      z[i * d + j] -= mean[j];
      var[j] += z[i * d + j] * z[i * d + j];
    }
  }
  if (!s->opt.normalize) return ES_OK;
  es_comm_sum_f64(s->grid->comm, var, d);
  for (int j = 0; j < d; j++)
    var[j] = 1 / sqrt(var[j] / (double) s->opt.samples + BATCH_NORM_EPS);
  for (int64_t i = 0; i < n; i++) {
    for (int j = 0; j < d; j++) z[i * d + j] *= var[j];
  }
  return ES_OK;
}

static es_status build_cross(const es_snapshot *s, const es_embedding *e, double **rows,
                             es_dmat **a) {
  double *moment = NULL;
  es_status st;
  ES_TRY_GOTO(ES_COMM_NEW(s->grid->comm, 2 * e->d, &moment), done);
  ES_TRY_GOTO(copy_views(e, 2, rows), done);
  double *const second = *rows + e->n * e->d;
  ES_TRY_GOTO(condition(s, *rows, e->n, moment), done);
  ES_TRY_GOTO(condition(s, second, e->n, moment), done);
  st = es_cov_cross(s->grid, *rows, second, e->n, e->d, a);
done:
  es_free(&moment);
  return st;
}

static bool want_unit(const es_snapshot_options *o, const char *list) {
  return o->followed != NULL && strcmp(o->followed, "unit") == 0 &&
         is_listed(list, "covariance");
}

static es_status build_unit(const es_snapshot *s, const es_embedding *e, double **rows,
                            es_dmat **a) {
  ES_TRY(es_metric_unit_rows(e, s->size.shown, rows));
  return es_cov_covariance(s->grid, *rows, s->size.shown * e->n, e->d, 1, a);
}

const es_matrix_ops es_matrix_table[ES_MATRICES] = {
    {.name = "covariance",
     .path = "/spectrum/covariance",
     .doc = "centred embedding covariance of the probe set (ddof 1)",
     .listed = true,
     .wanted = want_covariance,
     .build = build_covariance,
     .rows = covariance_rows,
     .described = true},
    {.name = "cross",
     .path = "/spectrum/cross_correlation",
     .doc = "symmetrised cross-correlation of the probe set's two views",
     .listed = true,
     .wanted = want_cross,
     .build = build_cross},
    {.name = "unit",
     .path = "/spectrum/unit_covariance",
     .doc =
         "centred covariance of the probe set's unit-length embeddings z / |z| (ddof 1)",
     .wanted = want_unit,
     .build = build_unit}};

/* Is it a name that spectrum.matrices may contain? */
static bool is_known(const char *name) {
  for (int i = 0; i < ES_MATRICES; i++)
    if (es_matrix_table[i].listed && strcmp(es_matrix_table[i].name, name) == 0)
      return true;
  return false;
}

es_status es_snapshot_check_matrices(const es_spectrum_params *p,
                                     const es_snapshot_options *o) {
  char item[NAMES][64];
  size_t n = 0;
  ES_TRY(es_split("spectrum.matrices", p->matrices, NAMES, item, &n));
  for (size_t i = 0; i < n; i++)
    ES_CHECK(is_known(item[i]), ES_ECONFIG,
             "spectrum.matrices: got '%s', expected covariance and/or cross", item[i]);
  for (int i = 0; i < ES_MATRICES; i++)
    if (es_matrix_table[i].wanted(o, p->matrices)) return ES_OK;
  es_error("spectrum.matrices: got '%s', expected at least one of covariance, cross%s",
           p->matrices, o->pairs ? "" : " (cross needs pairs)");
  return ES_ECONFIG;
}

void es_snapshot_choose_matrices(es_snapshot *s) {
  es_matrices *const m = &s->matrices;
  const char *const followed = s->opt.followed != NULL ? s->opt.followed : "covariance";
  for (int i = 0; i < ES_MATRICES; i++) {
    const es_matrix_ops *const ops = &es_matrix_table[i];
    if (!ops->wanted(&s->opt, s->par.matrices)) continue;
    es_matrix *const new = &m->of[m->n++];
    *new = (es_matrix){.ops = ops};
    if (ops->described) m->described = new;
    if (strcmp(ops->name, followed) == 0) m->followed = new;
  }
  if (m->followed == NULL) m->followed = &m->of[0]; /* what is measured at all */
}
