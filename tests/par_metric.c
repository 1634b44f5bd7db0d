/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_metric.c  Metrics of embeddings spread over the ranks, against their
 *  formulas on all rows (LiDAR: LAPACK's generalised eigenvalues, a different method than
 *  metric_lidar.c), and on sets whose value is known. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/metric.h"
#include "eigenstep/rng.h"
#include "par.h"

enum { N = 37, D = 5, VIEWS = 4 };

/* View v of sample i. */
static double random_set(int v, int64_t i, int j) {
  es_rng own = es_rng_at(5, ES_STREAM_TEST, (uint64_t) i, (uint32_t) j);
  es_rng part = es_rng_at(6, ES_STREAM_TEST, (uint64_t) i, (uint32_t) (100 * v + j));
  return 0.3 * (j == 1) + (1 + j) * es_rng_normal(&own) + 0.5 * es_rng_normal(&part);
}
/* Two clusters at opposite ends of an axis, both views the same. */
static double opposite(int v, int64_t i, int j) {
  (void) v;
  return j == 2 ? (i % 2 ? 3.0 : -3.0) : 0;
}
static double point(int v, int64_t i, int j) {
  (void) v;
  (void) i;
  return j == 0 ? 2 : 1;
}

typedef double (*set)(int v, int64_t i, int j);

/* Sample numbers go round robin: no rank holds a contiguous part. */
static bool measure(const es_grid *g, const char *name, set f, int views, double *value) {
  const es_comm *c = g->comm;
  const es_metric_ops *const *list;
  const size_t count = es_metric_list(&list);
  static double z[VIEWS * N * D];
  static int64_t row[N];
  int n = 0;
  for (int i = c->rank; i < N; i += c->size) row[n++] = i;
  for (int v = 0; v < views; v++)
    for (int i = 0; i < n; i++)
      for (int j = 0; j < D; j++) z[(v * n + i) * D + j] = f(v, row[i], j);
  const es_embedding e = {
      .grid = g, .views = views, .d = D, .samples = N, .n = n, .row = row, .z = z};
  for (size_t i = 0; i < count; i++)
    if (strcmp(list[i]->name, name) == 0 && list[i]->measure != NULL)
      return list[i]->measure(&e, value) == ES_OK;
  return false;
}

/* 1e-12: sums of 37 terms in another order, through two eigenproblems for LiDAR. */
static void expect(const es_grid *g, const char *name, set f, int views, double want) {
  double got = NAN;
  const bool ok =
      measure(g, name, f, views, &got) && fabs(got - want) <= 1e-12 + 1e-12 * fabs(want);
  if (!ok) print_message("%s: got %.15g, expected %.15g\n", name, got, want);
  assert_true(par_all(g->comm, ok));
}

/* u = z / |z| of all rows. */
static void unit(set f, int v, int64_t i, double *u) {
  double square = 0;
  for (int j = 0; j < D; j++) square += f(v, i, j) * f(v, i, j);
  for (int j = 0; j < D; j++) u[j] = f(v, i, j) / sqrt(square);
}

static double distance2(const double *a, const double *b) {
  double sum = 0;
  for (int j = 0; j < D; j++) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return sum;
}

static void directions_follow_their_formulas(void **state) {
  es_grid *g = NULL;
  assert_int_equal(es_grid_create(*state, 0, &g), ES_OK);
  double u[2][N][D], align = 0, uniform = 0, std = 0;
  for (int v = 0; v < 2; v++)
    for (int i = 0; i < N; i++) unit(random_set, v, i, u[v][i]);
  for (int i = 0; i < N; i++) align += distance2(u[0][i], u[1][i]) / N;
  for (int v = 0; v < 2; v++) {
    double sum = 0;
    for (int a = 0; a < N; a++)
      for (int b = a + 1; b < N; b++) sum += exp(-2 * distance2(u[v][a], u[v][b]));
    uniform += log(sum / (N * (N - 1) / 2.0)) / 2;
  }
  for (int j = 0; j < D; j++) {
    double s = 0, ss = 0;
    for (int v = 0; v < 2; v++)
      for (int i = 0; i < N; i++) {
        s += u[v][i][j];
        ss += u[v][i][j] * u[v][i][j];
      }
    std += sqrt(ss / (2 * N) - s / (2 * N) * s / (2 * N)) / D;
  }
  expect(g, "alignment", random_set, 2, align);
  expect(g, "alignment", random_set, 4, align); /* the pair are the first two views */
  expect(g, "uniformity", random_set, 2, uniform);
  expect(g, "unit_std", random_set, 2, std);
  es_grid_destroy(&g);
}

static void known_sets(void **state) {
  es_grid *g = NULL;
  assert_int_equal(es_grid_create(*state, 0, &g), ES_OK);
  expect(g, "alignment", opposite, 2, 0);
  expect(g, "alignment", point, 2, 0);
  expect(g, "uniformity", point, 2, 0);
  /* 18 and 19 samples at distance 2: of 37 36 / 2 pairs 18 19 have exp(-8). */
  const double apart = 18 * 19 / (37 * 18.0);
  expect(g, "uniformity", opposite, 2, log(1 - apart + apart * exp(-8)));
  expect(g, "unit_std", point, 2, 0);
  const double mean = 1 / 37.0;
  expect(g, "unit_std", opposite, 2, sqrt(1 - mean * mean) / D);
  double none = 0;
  assert_true(measure(g, "alignment", point, 1, &none) && isnan(none));
  assert_true(measure(g, "lidar", point, 1, &none) && isnan(none));
  assert_true(measure(g, "unit_std", point, 1, &none) && fabs(none) < 1e-12);
  es_grid_destroy(&g);
}

void dsygv_(const int *type, const char *job, const char *half, const int *n, double *a,
            const int *lda, double *b, const int *ldb, double *w, double *work,
            const int *lwork, int *info);

static double lidar(int views) {
  double between[D * D] = {0}, within[D * D] = {0}, mean[N][D], all[D] = {0}, w[D];
  double work[64 * D], sum = 0, entropy = 0;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < D; j++) {
      mean[i][j] = 0;
      for (int v = 0; v < views; v++) mean[i][j] += random_set(v, i, j) / views;
      all[j] += mean[i][j] / N;
    }
  for (int i = 0; i < N; i++)
    for (int a = 0; a < D; a++)
      for (int b = 0; b < D; b++) {
        between[a * D + b] += (mean[i][a] - all[a]) * (mean[i][b] - all[b]) / N;
        for (int v = 0; v < views; v++)
          within[a * D + b] += (random_set(v, i, a) - mean[i][a]) *
                               (random_set(v, i, b) - mean[i][b]) / (N * views);
      }
  for (int j = 0; j < D; j++) within[j * D + j] += 1e-4;
  const int one = 1, d = D, lwork = 64 * D;
  int info = 0;
  dsygv_(&one, "N", "U", &d, between, &d, within, &d, w, work, &lwork, &info);
  assert_int_equal(info, 0);
  for (int j = 0; j < D; j++) sum += w[j];
  for (int j = 0; j < D; j++) {
    const double p = w[j] / sum + 1e-7;
    entropy -= p * log(p);
  }
  return exp(entropy);
}

static void lidar_by_another_route(void **state) {
  es_grid *g = NULL;
  assert_int_equal(es_grid_create(*state, 0, &g), ES_OK);
  expect(g, "lidar", random_set, 2, lidar(2));
  expect(g, "lidar", random_set, 4, lidar(4));
  /* One axis of variance, views that agree: rank 1 but for 1e-7 in each p. */
  double one = 0;
  assert_true(measure(g, "lidar", opposite, 4, &one) && fabs(one - 1) < 1e-4);
  es_grid_destroy(&g);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(directions_follow_their_formulas),
      cmocka_unit_test(known_sets),
      cmocka_unit_test(lidar_by_another_route),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
