/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_forecast.c  Intervals of the transition detector's forecasts, and what it
 *  learns from the modes before, on logistic curves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <cmocka.h>
#include <math.h>
#include "eigenstep/rng.h"
#include "eigenstep/transitions.h"

static const double gammas[3] = {2.0, 0.7, 0.4};
static const double starts[3] = {1e-3, 1e-5, 3e-6};

static double logistic(int mode, double t) {
  return 1 / (1 + (1 / starts[mode] - 1) * exp(-8 * gammas[mode] * t));
}

static double tau(int mode) {
  return log(1 / starts[mode] - 1) / (8 * gammas[mode]);
}

static void within(double got, double want, double relative) {
  if (!(fabs(got - want) <= relative * fabs(want)))
    fail_msg("got %.10g, expected %.10g within %g", got, want, relative);
}

/* Share of the time left that is the model's error, after m modes that kept to it. */
static double share_of(int m) {
  return 0.15 * sqrt(1 + 1.0 / (m + 1));
}

/* Clean curves: the line fits, so that what is left of the interval are the share of the
 * model and the level of n pairs. */
static void the_interval_is_of_model_and_level(void **state) {
  (void) state;
  for (int k = 0; k < 2; k++) {
    const double pairs = k * 200.0, level = k > 0 ? sqrt(2 / pairs) : 0;
    const es_transitions_options o = {
        .modes = 3, .rate = 8, .settled = 1, .pairs = pairs};
    es_transitions *s = NULL;
    es_transition row[3];
    assert_int_equal(es_transitions_create(&o, &s), ES_OK);
    for (int i = 0; i <= 800; i++) {
      const double t = i / 100.0, l[3] = {logistic(0, t), logistic(1, t), logistic(2, t)};
      assert_int_equal(es_transitions_add(s, 10 * i, t, l), ES_OK);
    }
    es_transitions_table(s, row);
    for (int j = 0; j < 3; j++) {
      int end = 0; /* the last snapshot below a tenth */
      while (logistic(j, (end + 1) / 100.0) < 0.1) end++;
      const double left = tau(j) - end / 100.0;
      const double want = hypot(share_of(j) * left, level / (8 * gammas[j]));
      within(row[j].forecast.time_error, want, 0.02);
      within(row[j].forecast.step_error, 1000 * row[j].forecast.time_error, 1e-9);
    }
    es_transitions_destroy(&s);
  }
}

/* Values that scatter by 4 %: what the line adds to the interval is how far forecasts of
 * many such curves lie apart. */
static void the_interval_is_of_the_line(void **state) {
  (void) state;
  enum { CURVES = 600, SNAPSHOTS = 30 };
  const es_transitions_options o = {.modes = 1, .rate = 8, .settled = 1};
  double sum = 0, square = 0, told = 0;
  for (int k = 0; k < CURVES; k++) {
    es_transitions *s = NULL;
    es_transition row;
    assert_int_equal(es_transitions_create(&o, &s), ES_OK);
    for (int i = 0; i <= SNAPSHOTS; i++) {
      es_rng r = es_rng_at(5, ES_STREAM_TEST, (uint64_t) i, (uint32_t) k);
      const double clean = 1e-3 * exp(0.2 * i);
      const double l = i < 22 ? clean * exp(0.04 * es_rng_normal(&r)) : 1;
      assert_int_equal(es_transitions_add(s, i, i, &l), ES_OK);
    }
    es_transitions_table(s, &row);
    const double model = share_of(0) * (row.forecast.time - 21);
    sum += row.forecast.time / CURVES;
    square += row.forecast.time * row.forecast.time / CURVES;
    told += (pow(row.forecast.time_error, 2) - model * model) / CURVES;
    es_transitions_destroy(&s);
  }
  within(sqrt(told), sqrt(square - sum * sum), 0.1);
}

/* Every mode grows 1.5 times as fast once it is above a tenth: forecasts of the third
 * have learned most of that from the two before. */
static void forecasts_learn_from_the_modes_before(void **state) {
  (void) state;
  const es_transitions_options o = {.modes = 3, .rate = 8, .settled = 1};
  es_transitions *s = NULL;
  es_transition row[3];
  assert_int_equal(es_transitions_create(&o, &s), ES_OK);
  for (int i = 0; i <= 1200; i++) {
    double l[3];
    for (int j = 0; j < 3; j++) {
      const double y = 0.03 * (i - 250 * (j + 1)) - log(9);
      l[j] = 1 / (1 + exp(-(y > -log(9) ? -log(9) + 1.5 * (y + log(9)) : y)));
    }
    assert_int_equal(es_transitions_add(s, i, i, l), ES_OK);
  }
  es_transitions_table(s, row);
  for (int j = 0; j < 3; j++) { /* the line alone: ln 9 / 0.03 after the tenth */
    const double at = 250 * (j + 1), left = log(9) / 0.03;
    const double learned = j / (j + 1.0);
    within(row[j].time, at + left / 1.5, 1e-3);
    within(row[j].forecast.time - at, left * pow(1 / 1.5, learned), 0.03);
  }
  es_transitions_destroy(&s);
}

/* A mode quickens all along: d ln l / dt grows by 9 % while l doubles. The forecast is
 * nearer to what comes than the line, whose slope is that of the window's middle. */
static void quickening_goes_on(void **state) {
  (void) state;
  const es_transitions_options o = {.modes = 1, .rate = 8, .settled = 1};
  es_transitions *s = NULL;
  es_transition row;
  assert_int_equal(es_transitions_create(&o, &s), ES_OK);
  double y = log(1e-4), end = 0, line = 0; /* the logit of l */
  for (int i = 0; i <= 400; i++) {
    const double l = 1 / (1 + exp(-y)), slope = 0.03 * exp(0.125 * (y - log(1e-4)));
    assert_int_equal(es_transitions_add(s, i, i, &l), ES_OK);
    if (l < 0.1) {
      end = i;
      line = i - y / (slope * exp(-0.125 * log(2)));
    }
    y += slope;
  }
  es_transitions_table(s, &row);
  const double left = row.time - end;
  assert_true(line - row.time > 0.2 * left);
  assert_true(fabs(row.forecast.time - row.time) < 0.6 * (line - row.time));
  es_transitions_destroy(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_interval_is_of_model_and_level),
      cmocka_unit_test(the_interval_is_of_the_line),
      cmocka_unit_test(quickening_goes_on),
      cmocka_unit_test(forecasts_learn_from_the_modes_before),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
