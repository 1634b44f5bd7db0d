/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_uniformity.c  ln of the mean of exp(-2 |u - v|^2) over all pairs of
 *  different samples u, v on the unit sphere (Wang and Isola, ICML 2020, t = 2), mean of
 *  the views: 0 if all embeddings coincide, near -4 for a uniform distribution. Uses the
 *  first 1024 samples, since the cost is quadratic. */
#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "metric_private.h"

enum { SAMPLES_MAX = 1024, BLOCK = 64 };

/* Collective. Gather the first m samples of u [n, d] into all [m, d] on every rank. */
static void collect(const es_embedding *e, const double *u, int64_t m, double *all) {
  const size_t d = (size_t) e->d;
  memset(all, 0, (size_t) m * d * sizeof *all);
  for (int64_t i = 0; i < e->n; i++)
    if (e->row[i] < m)
      memcpy(all + (size_t) e->row[i] * d, u + (size_t) i * d, d * sizeof *all);
  es_comm_sum_f64(e->grid->comm, all, m * e->d);
}

/* Collective. Each rank handles its block of rows. dot: workspace [BLOCK, m]. */
static double uniformity(const es_embedding *e, const double *all, int64_t m,
                         double *dot) {
  int64_t first, mine;
  double sum = 0;
  const int d = e->d, count = (int) m;
  es_comm_local_range(e->grid->comm, m, &first, &mine);
  for (int64_t i = first; i < first + mine; i += BLOCK) {
    const int rows = (int) (first + mine - i < BLOCK ? first + mine - i : BLOCK);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, count, d, 1, all + i * d,
                d, all, d, 0, dot, count);
    for (int r = 0; r < rows; r++)
      for (int j = 0; j < count; j++) /* |u - v|^2 = 2 - 2 u v for unit vectors */
        if (j != i + r) sum += exp(4 * dot[(size_t) r * (size_t) count + (size_t) j] - 4);
  }
  es_comm_sum_f64(e->grid->comm, &sum, 1);
  return log(sum / ((double) m * (double) (m - 1)));
}

static es_status measure(const es_embedding *e, double *value) {
  const int views = e->views > 1 ? 2 : 1;
  const int64_t m = e->samples < SAMPLES_MAX ? e->samples : SAMPLES_MAX;
  double *u = NULL, *all = NULL, *dot = NULL;
  *value = NAN;
  if (m < 2) return ES_OK;
  ES_TRY(es_metric_unit_rows(e, views, &u));
  es_status st = ES_NEW((size_t) m * (size_t) e->d, &all);
  if (st == ES_OK) st = ES_NEW(BLOCK * (size_t) m, &dot);
  st = es_comm_agree(e->grid->comm, st);
  if (st == ES_OK) *value = 0;
  for (int v = 0; v < views && st == ES_OK; v++) {
    collect(e, u + v * e->n * e->d, m, all);
    *value += uniformity(e, all, m, dot) / views;
  }
  es_free(&dot);
  es_free(&all);
  es_free(&u);
  return st;
}

const es_metric_ops es_metric_uniformity = {
    .name = "uniformity",
    .doc = "ln of the mean of exp(-2 |u - v|^2) over unit-length embeddings u, v",
    .unit = "1",
    .measure = measure,
};
