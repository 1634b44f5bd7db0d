/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_cov.c  Mean, covariance and cross-correlation of rows spread unevenly
 *  over the ranks, against the formula on all rows; bad input. */
#include <math.h>
#include <stdlib.h>
#include "eigenstep/cov.h"
#include "eigenstep/rng.h"
#include "par.h"

#define ROWS 41

/* Row i of view v of all ROWS rows: the same on every rank. */
static double sample(int v, int64_t i, int j) {
  es_rng r = es_rng_at(9, ES_STREAM_TEST, (uint64_t) i, (uint32_t) (100 * v + j));
  return 3.0 + es_rng_normal(&r) * (1 + j % 4) + (v ? 0.1 * (double) i : 0);
}

/* Rank 0 takes nothing if it can, the last rank most: [first, first + count). */
static void uneven(const es_comm *c, int64_t *first, int64_t *count) {
  const int64_t mine = c->size == 1            ? ROWS
                       : c->rank == 0          ? 0
                       : c->rank < c->size - 1 ? c->rank
                                               : -1;
  int64_t others = mine < 0 ? 0 : mine, total;
  es_comm_scan(c, others, first, &total);
  *count = mine < 0 ? ROWS - total : mine;
}

static double *rows(const es_comm *c, int v, int d, int64_t *count) {
  int64_t first;
  uneven(c, &first, count);
  double *z = malloc(sizeof *z * (size_t) (*count * d + 1));
  for (int64_t i = 0; i < *count; i++)
    for (int j = 0; j < d; j++) z[i * d + j] = sample(v, first + i, j);
  return z;
}

static void serial_mean(int v, int d, double *m) {
  for (int j = 0; j < d; j++) {
    m[j] = 0;
    for (int i = 0; i < ROWS; i++) m[j] += sample(v, i, j) / ROWS;
  }
}

static bool near(double got, double want, double scale) {
  return fabs(got - want) <= 1e-13 * scale;
}

static bool covariance_at(const es_grid *g, int d, int ddof, bool centred) {
  double *m = malloc(sizeof *m * (size_t) d), *mean = malloc(sizeof *mean * (size_t) d);
  double *full = malloc(sizeof *full * (size_t) d * (size_t) d);
  int64_t count;
  double *z = rows(g->comm, 0, d, &count);
  es_dmat *c = NULL;
  serial_mean(0, d, m);
  bool ok = es_cov_mean(g->comm, z, count, d, mean) == ES_OK;
  for (int j = 0; j < d; j++) ok = ok && near(mean[j], m[j], 10);
  const es_status st = centred ? es_cov_covariance(g, z, count, d, ddof, &c)
                               : es_cov_moment(g, z, count, d, &c);
  ok = st == ES_OK && ok;
  ok = es_dmat_gather(c, full) == ES_OK && c->m == d && c->n == d && ok;
  for (int a = 0; a < d; a++)
    for (int b = 0; b < d; b++) {
      double sum = 0;
      for (int i = 0; i < ROWS; i++)
        sum += (sample(0, i, a) - (centred ? m[a] : 0)) *
               (sample(0, i, b) - (centred ? m[b] : 0));
      ok = ok && near(full[a * d + b], sum / (ROWS - ddof), 100);
    }
  es_dmat_destroy(&c);
  free(z);
  free(m);
  free(mean);
  free(full);
  return ok;
}

static void covariance_is_the_formula(void **state) {
  const es_comm *c = *state;
  const int widths[] = {1, 2, 7, 33};
  bool ok = true;
  for (int p = 1; p <= c->size; p++) {
    es_grid *g = NULL;
    if (c->size % p) continue;
    ok = es_grid_create(c, p, &g) == ES_OK && ok;
    for (int w = 0; w < 4; w++) {
      ok = covariance_at(g, widths[w], 1, true) && ok;
      ok = covariance_at(g, widths[w], 0, false) && ok;
    }
    es_grid_destroy(&g);
  }
  assert_true(par_all(c, ok));
}

static void cross_is_the_formula(void **state) {
  const es_comm *c = *state;
  enum { D = 9 };
  int64_t count;
  double *a = rows(c, 0, D, &count), *b = rows(c, 1, D, &count), full[D * D];
  es_grid *g = NULL;
  es_dmat *x = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  ok = es_cov_cross(g, a, b, count, D, &x) == ES_OK && es_dmat_gather(x, full) == ES_OK;
  for (int i = 0; i < D; i++)
    for (int j = 0; j < D; j++) {
      double sum = 0;
      for (int r = 0; r < ROWS; r++)
        sum += sample(0, r, i) * sample(1, r, j) + sample(1, r, i) * sample(0, r, j);
      ok = ok && near(full[i * D + j], sum / (2 * ROWS), 100);
    }
  es_dmat_destroy(&x);
  es_grid_destroy(&g);
  free(a);
  free(b);
  assert_true(par_all(c, ok));
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* The order of rows is free, and some may be zeros: the same entries, sorted. */
static void gram_is_the_formula(void **state) {
  const es_comm *c = *state;
  enum { D = 9 };
  int64_t count;
  double *a = rows(c, 0, D, &count), *full = NULL, *want = NULL;
  es_grid *g = NULL;
  es_dmat *x = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  ok = es_cov_gram(g, a, count, D, 0.5, &x) == ES_OK && ok;
  assert_true(par_all(c, ok && x->m >= ROWS && x->n == x->m));
  const size_t n = (size_t) x->m * (size_t) x->m;
  full = malloc(sizeof *full * n);
  want = calloc(n, sizeof *want);
  ok = es_dmat_gather(x, full) == ES_OK;
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < ROWS; j++) {
      for (int k = 0; k < D; k++)
        want[i * ROWS + j] += 0.5 * sample(0, i, k) * sample(0, j, k);
    }
  qsort(full, n, sizeof *full, ascending);
  qsort(want, n, sizeof *want, ascending);
  for (size_t i = 0; ok && i < n; i++) ok = near(full[i], want[i], 1000);
  es_dmat_destroy(&x);
  es_grid_destroy(&g);
  free(a);
  free(full);
  free(want);
  assert_true(par_all(c, ok));
}

static void bad_rows_are_refused(void **state) {
  const es_comm *c = *state;
  enum { D = 3 };
  int64_t count;
  double *z = rows(c, 0, D, &count), *y = rows(c, 1, D, &count), m[D] = {0};
  es_grid *g = NULL;
  es_dmat *x = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  if (c->rank == c->size - 1) z[count * D - 1] = NAN;
  ok = es_cov_covariance(g, z, count, D, 1, &x) == ES_EMATH && ok;
  ok = es_cov_moment(g, z, count, D, &x) == ES_EMATH && ok;
  ok = es_cov_cross(g, y, z, count, D, &x) == ES_EMATH && ok;
  ok = es_cov_cross(g, z, y, count, D, &x) == ES_EMATH && ok;
  ok = es_cov_gram(g, z, count, D, 1, &x) == ES_EMATH && ok;
  ok = es_cov_gram(g, y, 0, D, 1, &x) == ES_EARG && ok;
  ok = es_cov_covariance(g, y, 0, D, 0, &x) == ES_EARG && ok;
  ok = es_cov_covariance(g, y, c->rank == c->size - 1, D, 1, &x) == ES_EARG && ok;
  ok = es_cov_moment(g, y, 0, D, &x) == ES_EARG && ok;
  ok = es_cov_mean(c, y, 0, D, m) == ES_EARG && !x && ok;
  es_grid_destroy(&g);
  free(z);
  free(y);
  assert_true(par_all(c, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(covariance_is_the_formula),
      cmocka_unit_test(cross_is_the_formula),
      cmocka_unit_test(gram_is_the_formula),
      cmocka_unit_test(bad_rows_are_refused),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
