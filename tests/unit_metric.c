/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_metric.c  Spectrum metrics on spectra whose value is known. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "eigenstep/metric.h"

#define WIDTH 120

static double value(const char *name, const es_spectrum *s) {
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i]->name, name) == 0 && list[i]->eval) return list[i]->eval(s);
  fail_msg("no metric '%s'", name);
  return NAN;
}

static void expect(const char *name, const es_spectrum *s, double want,
                   double tolerance) {
  const double got = value(name, s);
  if (!(fabs(got - want) <= tolerance * fabs(want)))
    fail_msg("%s: got %.15g, expected %.15g", name, got, want);
}

static es_spectrum spectrum(const double *lambda, const double *sigma, int k, int d) {
  es_spectrum s = {.k = k,
                   .d = d,
                   .samples = 1000,
                   .lambda = lambda,
                   .sigma = sigma,
                   .followed = lambda,
                   .settled = 1};
  for (int i = 0; i < d; i++) s.trace += lambda[i];
  return s;
}

static void every_metric_is_described(void **state) {
  (void) state;
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  assert_true(n >= 8);
  for (size_t i = 0; i < n; i++) {
    assert_true(strlen(list[i]->doc) > 10 && strlen(list[i]->unit) > 0);
    assert_true((list[i]->eval == NULL) != (list[i]->measure == NULL));
    for (size_t j = 0; j < i; j++) assert_string_not_equal(list[i]->name, list[j]->name);
  }
}

static void flat_spectrum_has_rank_k(void **state) {
  (void) state;
  const char *const ranks[] = {"effective_rank", "participation_ratio", "stable_rank",
                               "numerical_rank"};
  for (int rank = 1; rank <= WIDTH; rank += 17) {
    double lambda[WIDTH] = {0}, sigma[WIDTH] = {0};
    for (int i = 0; i < rank; i++) {
      lambda[i] = 0.7;
      sigma[i] = sqrt(0.7 * 999);
    }
    /* Round-off below zero must not count. */
    if (rank < WIDTH) lambda[WIDTH - 1] = -1e-17;
    const es_spectrum s = spectrum(lambda, sigma, WIDTH, WIDTH);
    for (int i = 0; i < 4; i++) expect(ranks[i], &s, rank, 1e-12);
    /* 1e-7 is added to every p, also the zero ones: about 2e-6 WIDTH in the entropy. */
    expect("rankme", &s, rank, 3e-4);
    expect("modes_learned", &s, rank, 0);
  }
}

static void two_levels_by_hand(void **state) {
  (void) state;
  const double lambda[4] = {3, 1, 0, 0}, sigma[4] = {3, 1, 0, 0};
  const es_spectrum s = spectrum(lambda, sigma, 4, 4);
  expect("effective_rank", &s, exp(0.75 * log(4 / 3.0) + 0.25 * log(4)), 1e-14);
  expect("participation_ratio", &s, 1.6, 1e-14);
  expect("stable_rank", &s, 4 / 3.0, 1e-14);
  double entropy = 0;
  for (int i = 0; i < 4; i++) {
    const double p = sigma[i] / 4 + 1e-7;
    entropy -= p * log(p);
  }
  expect("rankme", &s, exp(entropy), 1e-14);
  assert_true(isinf(value("condition_number", &s)));
  const double full[3] = {8, 4, 0.5};
  es_spectrum t = spectrum(full, NULL, 3, 3);
  expect("condition_number", &t, 16, 1e-14);
  expect("modes_learned", &t, 2, 0);
  const double directions[3] = {0.3, 0.2, 0.1};
  t.followed = directions;
  t.settled = 1 / 3.0;
  expect("modes_learned", &t, 2, 0);
}

static void alpha_recovers_a_power_law(void **state) {
  (void) state;
  double lambda[WIDTH];
  const double exponents[] = {0.5, 1.0, 2.3};
  for (int e = 0; e < 3; e++) {
    /* Only k = 11..100 may matter. */
    for (int k = 1; k <= WIDTH; k++)
      lambda[k - 1] = k < 11 ? 1e3 - k : k > 100 ? 1e-12 / k : 5 * pow(k, -exponents[e]);
    const es_spectrum s = spectrum(lambda, NULL, WIDTH, WIDTH);
    expect("alpha", &s, exponents[e], 1e-12);
    expect("alpha_r2", &s, 1, 1e-12);
    const es_spectrum few = spectrum(lambda, NULL, 13, WIDTH);
    expect("alpha", &few, exponents[e], 1e-12);
    lambda[40] = 0;
    expect("alpha", &s, exponents[e], 1e-12);
    lambda[12] = 0;
    assert_true(isnan(value("alpha", &s)) && isnan(value("alpha_r2", &s)));
  }
  /* Below the numerical rank there is no power law, only the decay of round-off. */
  for (int k = 1; k <= WIDTH; k++)
    lambda[k - 1] = k <= 12 ? 3.0 / k : 1e-17 * pow(0.8, k);
  const es_spectrum flat = spectrum(lambda, NULL, WIDTH, WIDTH);
  assert_true(isnan(value("alpha", &flat)) && isnan(value("alpha_r2", &flat)));
  /* The weights 1/k, by hand on three points that are on no line. */
  double y[13], w = 0, wx = 0, wy = 0, sxy = 0, sxx = 0;
  for (int k = 1; k <= 13; k++) y[k - 1] = k < 13 ? 1 : 0.5;
  for (int k = 11; k <= 13; k++) {
    w += 1.0 / k;
    wx += -log(k) / k;
    wy += log(y[k - 1]) / k;
  }
  for (int k = 11; k <= 13; k++) {
    sxy += (-log(k) - wx / w) * (log(y[k - 1]) - wy / w) / k;
    sxx += (-log(k) - wx / w) * (-log(k) - wx / w) / k;
  }
  const es_spectrum s = spectrum(y, NULL, 13, 13);
  expect("alpha", &s, sxy / sxx, 1e-10);
  /* R^2 = 1 - rest / all, from the residuals. */
  double rest = 0, all = 0;
  for (int k = 11; k <= 13; k++) {
    const double off = log(y[k - 1]) - wy / w;
    const double fitted = sxy / sxx * (-log(k) - wx / w);
    rest += (off - fitted) * (off - fitted) / k;
    all += off * off / k;
  }
  expect("alpha_r2", &s, 1 - rest / all, 1e-10);
}

static void unknown_eigenvalues_give_nan(void **state) {
  (void) state;
  const double lambda[6] = {2, 1, 1, 1, 1, 1}, sigma[6] = {2, 1, 1, 1, 1, 1};
  es_spectrum s = spectrum(lambda, sigma, 3, 6);
  assert_true(isnan(value("effective_rank", &s)));
  assert_true(isnan(value("participation_ratio", &s)));
  assert_true(isnan(value("rankme", &s)));
  assert_true(isnan(value("condition_number", &s)));
  assert_true(isnan(value("numerical_rank", &s)));
  expect("stable_rank", &s, 3.5, 1e-14);
  /* If the three hold all of the trace, the rest is zero and need not be known. */
  s.trace = 4;
  expect("participation_ratio", &s, 16 / 6.0, 1e-14);
  assert_false(isnan(value("effective_rank", &s)));
}

static void noise_levels(void **state) {
  (void) state;
  /* d/n = 1/4: edges at 1/4 and 9/4 of the level; d > n leaves null directions. */
  assert_true(fabs(es_metric_mp_lower(2, 25, 100) - 0.5) < 1e-15);
  assert_true(fabs(es_metric_mp_upper(2, 25, 100) - 4.5) < 1e-15);
  assert_true(es_metric_mp_lower(2, 200, 100) == 0);
  double lambda[25];
  for (int i = 0; i < 25; i++) lambda[i] = i < 3 ? 2.8 : i < 5 ? 1.2 : 14.2 / 20;
  es_spectrum s = spectrum(lambda, NULL, 25, 25); /* trace 25: the edge is at 2.25 */
  s.independent = 100;
  expect("above_flat", &s, 3, 0);
  lambda[2] = 2.2;
  expect("above_flat", &s, 2, 0);
}

static void zero_spectrum(void **state) {
  (void) state;
  const double none[3] = {0};
  const es_spectrum s = spectrum(none, none, 3, 3);
  const char *const undefined[] = {"effective_rank", "participation_ratio", "stable_rank",
                                   "rankme",         "condition_number",    "alpha"};
  for (int i = 0; i < 6; i++) assert_true(isnan(value(undefined[i], &s)));
  expect("numerical_rank", &s, 0, 0);
  expect("modes_learned", &s, 0, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_metric_is_described),
      cmocka_unit_test(flat_spectrum_has_rank_k),
      cmocka_unit_test(two_levels_by_hand),
      cmocka_unit_test(alpha_recovers_a_power_law),
      cmocka_unit_test(unknown_eigenvalues_give_nan),
      cmocka_unit_test(noise_levels),
      cmocka_unit_test(zero_spectrum),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
