/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_kernel.c  Values of all kernels against direct formulas and
 *  quadrature, no negative eigenvalues; comparison of embeddings with known angles. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "eigenstep/compare.h"
#include "eigenstep/kernel.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"

enum { M = 5, POINTS = 24 };
#define SPREAD 2.5

/* A kernel with the parameters of `setting` ("kernel.rbf.width=2", NULL: defaults). */
static es_kernel make(const char *name, const char *setting) {
  const es_kernel_ops *const *list;
  const size_t n = es_kernel_list(&list);
  es_kernel k = {0};
  es_config *cfg = NULL;
  char section[64];
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i]->name, name) == 0) k.ops = list[i];
  assert_non_null(k.ops);
  assert_int_equal(es_config_create(&cfg), ES_OK);
  if (setting != NULL) assert_int_equal(es_config_set(cfg, setting), ES_OK);
  assert_int_equal(es_alloc(k.ops->size, "parameters", &k.par), ES_OK);
  snprintf(section, sizeof section, "kernel.%s", name);
  assert_int_equal(es_config_get(cfg, section, k.ops->params, NULL, k.ops->size, k.par),
                   ES_OK);
  if (k.ops->prepare != NULL) assert_int_equal(k.ops->prepare(k.par, M, SPREAD), ES_OK);
  es_config_destroy(&cfg);
  return k;
}

static double dot(const double *x, const double *y) {
  double sum = 0;
  for (int i = 0; i < M; i++) sum += x[i] * y[i];
  return sum;
}

static double value(const es_kernel *k, const double *x, const double *y) {
  double d2 = 0;
  for (int i = 0; i < M; i++) d2 += (x[i] - y[i]) * (x[i] - y[i]);
  return k->ops->value(k->par, dot(x, x), dot(x, y), dot(y, y), d2);
}

/* Points, every third one close to the one before, the last one 0. */
static void points(double x[POINTS][M]) {
  for (int i = 0; i < POINTS; i++)
    for (int j = 0; j < M; j++) {
      es_rng r = es_rng_at(3, ES_STREAM_TEST, (uint64_t) i, (uint32_t) j);
      x[i][j] = i % 3 == 2 ? x[i - 1][j] + 1e-6 * es_rng_normal(&r) : es_rng_normal(&r);
      if (i == POINTS - 1) x[i][j] = 0;
    }
}

/* 2 E[g(u) g(v)], g = relu or its derivative, by Simpson's rule over the directions of
   the plane of x and y in which both are positive. */
static double expected(double angle, bool derivative) {
  const int n = 2000;
  const double from = angle - M_PI_2, h = (M_PI - angle) / n;
  double sum = 0;
  for (int i = 0; i <= n; i++) {
    const double phi = from + i * h;
    const double at = derivative ? 0.5 : cos(phi) * cos(phi - angle);
    sum += at * (i == 0 || i == n ? 1 : i % 2 ? 4 : 2);
  }
  return 2 * sum * h / 3 / M_PI;
}

/* Tangent kernel (or that of the last features) of `depth` layers. */
static double wide(const double *x, const double *y, int depth, bool tangent) {
  const double length = sqrt(dot(x, x) * dot(y, y));
  double sigma = dot(x, y), theta = sigma;
  for (int l = 0; l < depth; l++) {
    const double angle = acos(fmax(-1, fmin(1, sigma / length)));
    sigma = length * expected(angle, false);
    theta = sigma + theta * expected(angle, true);
  }
  return tangent ? theta : sigma;
}

static void close_to(double got, double want) {
  assert_true(fabs(got - want) <= 1e-11 * (1 + fabs(want)));
}

static void values_are_the_formulas(void **state) {
  (void) state;
  double x[POINTS][M];
  points(x);
  es_kernel linear = make("linear", "kernel.linear.offset=0.5");
  es_kernel cube = make("polynomial", "kernel.polynomial.degree=3");
  es_kernel rbf = make("rbf", NULL), wider = make("rbf", "kernel.rbf.width=4");
  es_kernel laplace = make("laplace", "kernel.laplace.width=0.7");
  es_kernel arccos = make("arccos", "kernel.arccos.depth=3");
  es_kernel ntk1 = make("ntk_relu", NULL),
            ntk3 = make("ntk_relu", "kernel.ntk_relu.depth=3");
  for (int i = 0; i < POINTS - 1; i++)
    for (int j = 0; j < POINTS - 1; j++) {
      const double *a = x[i], *b = x[j];
      const double xy = dot(a, b), d2 = i == j ? 0 : dot(a, a) + dot(b, b) - 2 * xy;
      const bool twins = i / 3 == j / 3 && i != j; /* formulas in xy lose digits
                                                      there */
      close_to(value(&linear, a, b), xy + 0.5);
      close_to(value(&cube, a, b), pow(xy / M + 1, 3));
      close_to(value(&rbf, a, b), exp(-d2 / (2 * SPREAD * SPREAD)));
      close_to(value(&wider, a, b), exp(-d2 / 32));
      if (twins) continue;
      close_to(value(&laplace, a, b), exp(-sqrt(d2) / 0.7));
      if (i == j) continue;
      close_to(value(&arccos, a, b), wide(a, b, 3, false));
      close_to(value(&ntk1, a, b), wide(a, b, 1, true));
      close_to(value(&ntk3, a, b), wide(a, b, 3, true));
    }
  es_kernel *all[] = {&linear, &cube, &rbf, &wider, &laplace, &arccos, &ntk1, &ntk3};
  for (int i = 0; i < 8; i++) es_free(&all[i]->par);
}

static void none_has_a_negative_eigenvalue(void **state) {
  (void) state;
  double x[POINTS][M], k[POINTS * POINTS], work[POINTS * POINTS + 3 * POINTS];
  double lambda[POINTS];
  points(x);
  const es_kernel_ops *const *list;
  const size_t n = es_kernel_list(&list);
  for (size_t i = 0; i < n; i++) {
    es_kernel q = make(list[i]->name, NULL);
    for (int a = 0; a < POINTS; a++)
      for (int b = 0; b < POINTS; b++) {
        k[a * POINTS + b] = value(&q, x[a], x[b]);
        assert_true(k[a * POINTS + b] == value(&q, x[b], x[a]));
      }
    assert_int_equal(es_dense_eigenvalues(POINTS, k, work, lambda), ES_OK);
    assert_true(lambda[0] > 0 && lambda[POINTS - 1] > -1e-12 * lambda[0]);
    es_free(&q.par);
  }
}

static void automatic_width_wants_different_points(void **state) {
  (void) state;
  const es_kernel_ops *const *list;
  const size_t n = es_kernel_list(&list);
  for (size_t i = 0; i < n; i++) {
    if (strcmp(list[i]->name, "rbf") != 0 && strcmp(list[i]->name, "laplace") != 0)
      continue;
    double width = 0; /* the message is expected */
    assert_int_equal(list[i]->prepare(&width, M, 0), ES_ECONFIG);
    width = 2;
    assert_int_equal(list[i]->prepare(&width, M, 0), ES_OK);
  }
}

/* Rows (cos t e_1 + sin t e_3), e_2 against e_1, e_2: angles 0 and t. */
static void angles_are_found(void **state) {
  (void) state;
  enum { N = 7 };
  for (double t = 0.1; t < 1.5; t += 0.3) {
    double a[2 * N] = {0}, b[2 * N] = {0}, c[2 * N], angle[2];
    a[0] = 1;
    a[N + 1] = 2;
    b[0] = 3 * cos(t);
    b[2] = 3 * sin(t);
    b[N + 1] = -1;
    for (int i = 0; i < N; i++) { /* another basis of the same span */
      c[i] = b[i] + 2 * b[N + i];
      c[N + i] = b[i] - b[N + i];
    }
    es_similarity l, m;
    assert_int_equal(es_compare(N, (es_outputs){2, c}, (es_outputs){2, a}, &l, angle),
                     ES_OK);
    close_to(l.alignment, (1 + cos(t) * cos(t)) / 2);
    close_to(l.chance, 2.0 / N);
    close_to(l.angle, t);
    assert_true(fabs(angle[0]) < 1e-7 && fabs(angle[1] - t) < 1e-11);
    assert_int_equal(es_compare(N, (es_outputs){1, b}, (es_outputs){2, a}, &m, NULL),
                     ES_OK);
    close_to(m.alignment, cos(t) * cos(t));
    assert_true(isnan(m.error));
  }
}

static void cka_ignores_turns_shifts_and_scale(void **state) {
  (void) state;
  enum { N = 40 };
  double a[3 * N], b[3 * N], z[3 * N];
  for (int i = 0; i < N; i++) {
    es_rng r = es_rng_at(8, ES_STREAM_TEST, (uint64_t) i, 0);
    for (int j = 0; j < 3; j++) a[j * N + i] = (j + 1) * es_rng_normal(&r);
    b[i] = 5 * (0.6 * a[i] + 0.8 * a[N + i]) + 3;
    b[N + i] = 5 * (0.8 * a[i] - 0.6 * a[N + i]) - 1;
    b[2 * N + i] = 5 * a[2 * N + i];
    for (int j = 0; j < 3; j++) z[j * N + i] = es_rng_normal(&r);
  }
  es_similarity l;
  assert_int_equal(es_compare(N, (es_outputs){3, a}, (es_outputs){3, b}, &l, NULL),
                   ES_OK);
  close_to(l.cka, 1);
  assert_int_equal(es_compare(N, (es_outputs){3, a}, (es_outputs){3, a}, &l, NULL),
                   ES_OK);
  assert_true(l.error == 0);
  close_to(l.alignment, 1);
  assert_int_equal(es_compare(N, (es_outputs){3, a}, (es_outputs){3, z}, &l, NULL),
                   ES_OK);
  assert_true(l.cka < 0.3 && l.alignment < 0.5 && l.angle > 0.5);
  for (int i = 0; i < 3 * N; i++) b[i] = 1.1 * a[i];
  assert_int_equal(es_compare(N, (es_outputs){3, b}, (es_outputs){3, a}, &l, NULL),
                   ES_OK);
  close_to(l.error, 0.1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_the_formulas),
      cmocka_unit_test(none_has_a_negative_eigenvalue),
      cmocka_unit_test(automatic_width_wants_different_points),
      cmocka_unit_test(angles_are_found),
      cmocka_unit_test(cka_ignores_turns_shifts_and_scale)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
