/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_similarity.c  Similarity of embeddings, mode by mode, against values that
 *  are known: rotated and mixed modes, random subspaces, independent clouds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "eigenstep/rng.h"
#include "eigenstep/similarity.h"

enum { N = 200, K = 4 };

static void normal(uint64_t index, int n, double *x) {
  es_rng r = es_rng_at(5, ES_STREAM_TEST, index, 0);
  for (int i = 0; i < n; i++) x[i] = es_rng_normal(&r);
}

/* K orthonormal vectors of mean 0, at random. */
static void random_modes(uint64_t index, double q[K * N]) {
  static double x[K * N];
  normal(index, K * N, x);
  const es_embedded e = {{K, x}, true};
  assert_int_equal(es_embedded_modes(N, e, K, q, NULL), ES_OK);
}

static void principal_modes_of_scaled_ones(void **state) {
  (void) state;
  static double q[K * N], x[K * N], found[K * N];
  double value[K], overlap[K], cosine[K * K];
  random_modes(1, q);
  /* outputs: a rotation of modes of sizes 4, 3, 2, 1, away from the origin */
  const double c = cos(0.7), s = sin(0.7);
  for (int i = 0; i < N; i++) {
    const double m[K] = {4 * q[i], 3 * q[N + i], 2 * q[2 * N + i], q[3 * N + i]};
    x[i] = c * m[0] + s * m[3] + 7;
    x[N + i] = c * m[3] - s * m[0];
    x[2 * N + i] = c * m[1] + s * m[2] - 2;
    x[3 * N + i] = c * m[2] - s * m[1];
  }
  const es_embedded e = {{K, x}, false};
  assert_int_equal(es_embedded_modes(N, e, K, found, value), ES_OK);
  for (int j = 0; j < K; j++) assert_true(fabs(value[j] * N - (4 - j) * (4 - j)) < 1e-10);
  es_modes_overlap(N, (es_outputs){K, found}, (es_outputs){K, q}, 1, overlap);
  es_modes_cosines(N, K, found, q, cosine);
  for (int j = 0; j < K; j++) {
    assert_true(fabs(overlap[j] - 1) < 1e-10);
    for (int i = 0; i < K; i++) assert_true(fabs(cosine[j * K + i] - (i == j)) < 1e-10);
  }
}

static void a_mode_between_two(void **state) {
  (void) state;
  static double q[K * N], a[K * N];
  double overlap[K], triple[K], angle[K * K];
  const double c = cos(0.3), s = sin(0.3);
  random_modes(2, q);
  memcpy(a, q, sizeof a);
  for (int i = 0; i < N; i++) { /* the first two modes rotated by 0.3 */
    a[i] = c * q[i] + s * q[N + i];
    a[N + i] = c * q[N + i] - s * q[i];
  }
  es_modes_overlap(N, (es_outputs){K, a}, (es_outputs){K, q}, 1, overlap);
  es_modes_overlap(N, (es_outputs){K, a}, (es_outputs){K, q}, 3, triple);
  assert_true(fabs(overlap[0] - c * c) < 1e-12 && fabs(triple[0] - 1) < 1e-12);
  for (int j = 1; j < K; j++) assert_true(fabs(overlap[j] - 1) < 1e-12);
  assert_int_equal(es_modes_angles(N, K, a, q, angle), ES_OK);
  assert_true(fabs(angle[0] - 0.3) < 1e-12 && isnan(angle[1]));
  assert_true(angle[K] < 1e-7 && angle[K + 1] < 1e-7 && isnan(angle[K + 2]));
}

static void random_subspaces_have_the_chance_level(void **state) {
  (void) state;
  static double a[K * N], b[K * N];
  double mean[K] = {0}, overlap[K];
  enum { TIMES = 200 };
  for (int t = 0; t < TIMES; t++) {
    random_modes(100 + 2 * (uint64_t) t, a);
    random_modes(101 + 2 * (uint64_t) t, b);
    es_modes_overlap(N, (es_outputs){K, a}, (es_outputs){K, b}, 1, overlap);
    for (int j = 0; j < K; j++) mean[j] += overlap[j] / TIMES;
  }
  for (int j = 0; j < K; j++)
    assert_true(fabs(mean[j] - (j + 1.0) / (N - 1)) < 0.3 * (j + 1.0) / (N - 1));
}

/** The spread of the first cosine squared over independent samples is what the bootstrap
 *  of one sample says. */
static void errors_are_those_of_new_samples(void **state) {
  (void) state;
  static double x[2 * N], y[2 * N], noise[2 * N];
  enum { TIMES = 60 };
  double sum = 0, square = 0, error[2], said = 0;
  for (int t = 0; t < TIMES; t++) {
    normal(1000 + 2 * (uint64_t) t, 2 * N, x);
    normal(1001 + 2 * (uint64_t) t, 2 * N, noise);
    for (int i = 0; i < N; i++) {
      x[i] *= 3; /* the principal component */
      y[i] = x[i] + 3 * noise[i];
      y[N + i] = x[N + i] + noise[N + i];
    }
    const es_embedded a = {{2, x}, false}, b = {{2, y}, true};
    static double qa[2 * N], qb[2 * N];
    double overlap[2];
    assert_int_equal(es_embedded_modes(N, a, 2, qa, NULL), ES_OK);
    assert_int_equal(es_embedded_modes(N, b, 2, qb, NULL), ES_OK);
    es_modes_overlap(N, (es_outputs){2, qa}, (es_outputs){2, qb}, 1, overlap);
    sum += overlap[0] / TIMES;
    square += overlap[0] * overlap[0] / TIMES;
    if (t % 10 != 0) continue;
    const es_bootstrap how = {.draws = 50, .seed = (uint64_t) t};
    assert_int_equal(es_overlap_errors(N, 2, a, b, how, error), ES_OK);
    said += error[0] / (TIMES / 10);
  }
  const double spread = sqrt(square - sum * sum);
  assert_true(spread > 0.01 && fabs(said / spread - 1) < 0.5);
}

static void kernels_of_clouds(void **state) {
  (void) state;
  static double x[3 * N], y[3 * N], z[60 * N];
  double same[2], other[2], few[2], share;
  normal(7, 3 * N, x);
  normal(8, 60 * N, z);
  for (int i = 0; i < N; i++) { /* rotated, scaled and moved */
    y[i] = 2 * x[N + i] + 1;
    y[N + i] = -2 * x[2 * N + i];
    y[2 * N + i] = 2 * x[i];
  }
  const es_outputs a = {3, x}, b = {3, y}, c = {60, z};
  assert_int_equal(es_cka(N, a, b, same), ES_OK);
  assert_true(fabs(same[0] - 1) < 1e-10 && fabs(same[1] - 1) < 1e-10);
  assert_int_equal(es_cka(N, a, c, other), ES_OK);
  /* independent: the biased one is far from 0, the other is not */
  assert_true(other[0] > 0.05 && fabs(other[1]) < 0.03);
  assert_int_equal(es_cka(3, a, b, few), ES_OK);
  assert_true(isnan(few[1]));
  assert_int_equal(es_mutual_neighbours(N, a, b, 10, &share), ES_OK);
  assert_true(share == 1);
  assert_int_equal(es_mutual_neighbours(N, a, c, 10, &share), ES_OK);
  assert_true(share > 0 && share < 3 * 10.0 / (N - 1));
  assert_int_equal(es_mutual_neighbours(3, a, c, 10, &share), ES_OK);
  assert_true(share == 1); /* both others are neighbours */
}

static void without_modes(void **state) {
  (void) state;
  static double x[K * N], q[K * N];
  double value[K];
  for (int i = 0; i < N; i++) { /* rank 1, and one output does not vary */
    x[i] = i;
    x[N + i] = -3.0 * i;
    x[2 * N + i] = 5;
    x[3 * N + i] = 0;
  }
  for (int ordered = 0; ordered < 2; ordered++) {
    const es_embedded e = {{K, x}, ordered == 1};
    assert_int_equal(es_embedded_modes(N, e, K, q, value), ES_OK);
    for (int i = N; i < K * N; i++) assert_true(q[i] == 0);
  }
  x[5] = NAN;
  const es_embedded bad = {{K, x}, false};
  assert_int_equal(es_embedded_modes(N, bad, K, q, value), ES_EMATH);
}

static void what_varies(void **state) {
  (void) state;
  static double z[K * N];
  for (int i = 0; i < K * N; i++) z[i] = 0.3;
  assert_int_equal(es_embedded_vary("equal", N, K, z), ES_EMATH);
  for (int i = 0; i < K * N; i++) z[i] = 0.3 + 1e-16 * (i % 3); /* round-off */
  assert_int_equal(es_embedded_vary("round-off", N, K, z), ES_EMATH);
  for (int i = 0; i < N; i++) z[i * K + 1] += 1e-9 * i;
  assert_int_equal(es_embedded_vary("one output", N, K, z), ES_OK);
  z[K * N - 1] = INFINITY;
  assert_int_equal(es_embedded_vary("infinite", N, K, z), ES_EMATH);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(principal_modes_of_scaled_ones),
      cmocka_unit_test(a_mode_between_two),
      cmocka_unit_test(random_subspaces_have_the_chance_level),
      cmocka_unit_test(errors_are_those_of_new_samples),
      cmocka_unit_test(kernels_of_clouds),
      cmocka_unit_test(without_modes),
      cmocka_unit_test(what_varies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
