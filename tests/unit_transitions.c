/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_transitions.c  The transition detector on logistic curves with known rate
 *  and time, with and without a noise floor, coarse and fine snapshots. */
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

/* Three modes, `rate` steps a unit of time, up to t_end, each value through
   `change`. */
static es_transitions *run(double t_end, int every, double scale,
                           double (*change)(double value, int mode, int i)) {
  es_transitions *s = NULL;
  const es_transitions_options o = {.modes = 3, .rate = 8, .settled = scale};
  assert_int_equal(es_transitions_create(&o, &s), ES_OK);
  for (int i = 0; i * every / 1000.0 <= t_end; i++) {
    const double t = i * every / 1000.0;
    double lambda[3];
    for (int j = 0; j < 3; j++) {
      lambda[j] = scale * logistic(j, t);
      if (change) lambda[j] = change(lambda[j], j, i);
    }
    assert_int_equal(es_transitions_add(s, (int64_t) i * every, t, lambda), ES_OK);
  }
  return s;
}

static void logistic_curves_are_recovered(void **state) {
  (void) state;
  const double scales[] = {1, 0.02, 40};
  for (int k = 0; k < 3; k++) {
    es_transitions *s = run(8, 10, scales[k], NULL);
    es_transition row[3];
    es_transitions_table(s, row);
    assert_int_equal(es_transitions_learned(s), 3);
    for (int j = 0; j < 3; j++) {
      assert_int_equal(row[j].mode, j + 1);
      within(row[j].forecast.gamma, gammas[j], 0.01);
      within(row[j].time, tau(j), 0.003);
      within(row[j].step, 1000 * tau(j), 0.003);
      within(row[j].forecast.time, tau(j), 0.01);
      within(row[j].value, scales[k] * logistic(j, 8), 1e-14);
    }
    es_transitions_destroy(&s);
    assert_null(s);
  }
}

static void coarse_snapshots(void **state) {
  (void) state;
  /* Mode 2 doubles every 0.12: snapshots every 0.25 make it jump fourfold. */
  es_transitions *s = run(8, 250, 1, NULL);
  es_transition row[3];
  es_transitions_table(s, row);
  for (int j = 1; j < 3; j++) {
    within(row[j].forecast.gamma, gammas[j], 0.01);
    assert_true(fabs(row[j].time - tau(j)) < 0.07);
    within(row[j].forecast.time, tau(j), 0.01);
  }
  es_transitions_destroy(&s);
}

static double floor_and_noise(double value, int mode, int i) {
  es_rng r = es_rng_at(3, ES_STREAM_TEST, (uint64_t) i, (uint32_t) mode);
  const double wobble = 1 + 0.02 * es_rng_normal(&r);
  return value * wobble + 2e-4 * es_rng_range(&r, 0.8, 1.2);
}

static void noise_floor_is_kept_out(void **state) {
  (void) state;
  es_transitions *s = run(8, 10, 1, floor_and_noise);
  es_transition row[3];
  es_transitions_table(s, row);
  for (int j = 0; j < 3; j++) {
    /* The floor adds 2e-4 to values from 6e-4 on, which takes some of the slope, and more
     * of the earlier one: the mode seems to quicken. */
    within(row[j].forecast.gamma, gammas[j], 0.1);
    within(row[j].time, tau(j), 0.03);
    within(row[j].forecast.time, tau(j), 0.05);
  }
  es_transitions_destroy(&s);
}

static double only_floor(double value, int mode, int i) {
  return mode == 0 ? value : floor_and_noise(0, mode, i);
}

static void noise_alone_is_no_step(void **state) {
  (void) state;
  es_transitions *s = run(8, 10, 1, only_floor);
  es_transition row[3];
  es_transitions_table(s, row);
  assert_int_equal(es_transitions_learned(s), 1);
  for (int j = 1; j < 3; j++) {
    assert_true(isnan(row[j].step) && isnan(row[j].time));
    assert_true(isnan(row[j].forecast.gamma) && isnan(row[j].forecast.time));
    assert_true(row[j].value < 3e-4);
  }
  es_transitions_destroy(&s);
}

/* The point of it: a mode is forecast before it rises, and the forecast stays. */
static void forecast_comes_before_the_step(void **state) {
  (void) state;
  const double early = 0.6 * tau(2);
  es_transitions *s = run(early, 10, 1, NULL);
  es_transition before[3], after[3];
  es_transitions_table(s, before);
  assert_int_equal(es_transitions_learned(s), 2);
  assert_true(before[2].value < 0.01);
  assert_true(isnan(before[2].step) && isnan(before[2].time));
  within(before[2].forecast.gamma, gammas[2], 0.01);
  within(before[2].forecast.time, tau(2), 0.02);
  es_transitions_destroy(&s);
  s = run(tau(1) + 0.05, 10, 1, NULL);
  es_transitions_table(s, before);
  es_transitions_destroy(&s);
  s = run(8, 10, 1, NULL);
  es_transitions_table(s, after);
  assert_true(before[1].forecast.time == after[1].forecast.time);
  assert_true(before[1].forecast.gamma == after[1].forecast.gamma);
  es_transitions_destroy(&s);
}

/* Five modes one after the other, of a loss with its own rate and end value, each value
 * off by 5 % and by a floor: once a mode is in its window every forecast of it is within
 * 15 % of its step for at least 4 of the 5, and steps follow times at the lr that is. */
static void noisy_forecasts_are_near(void **state) {
  (void) state;
  enum { MODES = 5, SNAPSHOTS = 400 };
  const double rates[2] = {2, 8}, settled[2] = {0.1, 1};
  for (int k = 0; k < 2; k++) {
    const es_transitions_options o = {
        .modes = MODES, .rate = rates[k], .settled = settled[k]};
    es_transitions *s = NULL;
    int seen[MODES] = {0}, far[MODES] = {0}, good = 0;
    double tau[MODES], gamma[MODES];
    assert_int_equal(es_transitions_create(&o, &s), ES_OK);
    for (int j = 0; j < MODES; j++) {
      gamma[j] = 3 * pow(0.6, j);
      tau[j] = log(1e4) / (rates[k] * gamma[j]);
    }
    const double dt = 1.3 * tau[MODES - 1] / SNAPSHOTS;
    for (int i = 0; i < SNAPSHOTS; i++) {
      double l[MODES];
      for (int j = 0; j < MODES; j++) {
        es_rng r = es_rng_at(8, ES_STREAM_TEST, (uint64_t) i, (uint32_t) j);
        const double clean = 1 / (1 + exp(-rates[k] * gamma[j] * (i * dt - tau[j])));
        l[j] = settled[k] * (clean * (1 + 0.05 * es_rng_normal(&r)) +
                             5e-5 * es_rng_range(&r, 0.5, 1.5));
      }
      assert_int_equal(es_transitions_add(s, i, i * dt, l), ES_OK);
      const es_forecast f = es_transitions_next(s);
      if (f.mode == 0 || !isfinite(f.time) || l[f.mode - 1] > 0.1 * settled[k]) continue;
      seen[f.mode - 1]++;
      far[f.mode - 1] += fabs(f.time / tau[f.mode - 1] - 1) > 0.15;
      within(f.step, f.time / dt, 1e-9);
      within(f.gamma, gamma[f.mode - 1], 0.5);
    }
    for (int j = 0; j < MODES; j++) good += seen[j] > 0 && far[j] == 0;
    if (good < 4)
      fail_msg("good %d: far %d/%d %d/%d %d/%d %d/%d %d/%d", good, far[0], seen[0],
               far[1], seen[1], far[2], seen[2], far[3], seen[3], far[4], seen[4]);
    es_transition row[MODES];
    es_transitions_table(s, row);
    for (int j = 0; j < MODES; j++) {
      within(row[j].time, tau[j], 0.05);
      within(row[j].forecast.time, tau[j], 0.15);
      within(row[j].forecast.gamma, gamma[j], 0.2);
      assert_true(row[j].forecast.gamma_error > 0 &&
                  row[j].forecast.gamma_error < 0.2 * gamma[j]);
    }
    es_transitions_destroy(&s);
  }
}

static double shaken(double value, int mode, int i) {
  /* Mode 1 overshoots to 0.9 early and falls back; mode 2 dips to 0.7 after its
     rise. */
  if (mode == 0) return i == 5 ? 0.9 : i < 10 ? 1e-3 : value;
  return mode == 1 && i == 700 ? 0.7 : value;
}

static void excursions_do_not_count(void **state) {
  (void) state;
  es_transitions *s = run(8, 10, 1, shaken);
  es_transition row[3];
  es_transitions_table(s, row);
  within(row[0].time, tau(0), 0.01);
  within(row[1].time, tau(1), 0.003);
  es_transitions_destroy(&s);
}

static double learned_at_once(double value, int mode, int i) {
  return mode == 0 ? 0.95 + 0.01 * (i % 2) : value;
}

static void learned_from_the_start_has_no_step(void **state) {
  (void) state;
  es_transitions *s = run(8, 10, 1, learned_at_once);
  es_transition row[3];
  es_transitions_table(s, row);
  assert_int_equal(es_transitions_learned(s), 3);
  assert_true(isnan(row[0].step) && isnan(row[0].time) && isnan(row[0].forecast.gamma));
  assert_true(isnan(row[0].forecast.time) && row[0].value > 0.9);
  within(row[1].time, tau(1), 0.003);
  es_transitions_destroy(&s);
}

/* The first mode settles at 6, where a learned one settles at about 1. */
static void the_first_may_settle_higher(void **state) {
  (void) state;
  double off[2];
  for (int k = 0; k < 2; k++) {
    const es_transitions_options o = {
        .modes = 1, .rate = 2, .settled = 1, .alone = k * 6};
    es_transitions *s = NULL;
    es_transition row;
    assert_int_equal(es_transitions_create(&o, &s), ES_OK);
    for (int i = 0; i < 200; i++) {
      const double t = i / 10.0, l = 6 / (1 + 1e6 * exp(-2 * t));
      assert_int_equal(es_transitions_add(s, i, t, &l), ES_OK);
    }
    es_transitions_table(s, &row);
    off[k] = row.forecast.time / row.time - 1;
    es_transitions_destroy(&s);
  }
  within(off[0], -log(6) / 2 / (log(1e6) / 2), 0.2); /* as if it were to be at 1 */
  assert_true(fabs(off[1]) < 0.005);
}

/* Snapshots of one mode, 1 a step; the step at which it rose. */
static double rose_at(const double *lambda, int n) {
  const es_transitions_options o = {.modes = 1, .rate = 8, .settled = 1};
  es_transitions *s = NULL;
  es_transition row;
  assert_int_equal(es_transitions_create(&o, &s), ES_OK);
  for (int i = 0; i < n; i++)
    assert_int_equal(es_transitions_add(s, i, i, &lambda[i]), ES_OK);
  es_transitions_table(s, &row);
  es_transitions_destroy(&s);
  return row.step;
}

static void the_last_snapshot_may_be_noisy(void **state) {
  (void) state;
  const double l[] = {0.1, 0.3, 0.4, 0.6, 0.9, 1.0, 1.1, 1.0, 1.0, 1.6, 0.7, 0.4};
  within(rose_at(l, 9), 2.5, 1e-12);  /* of 1, the median of 1.1, 1 and 1 */
  within(rose_at(l, 10), 2.5, 1e-12); /* 1.6 moves it by nothing, */
  within(rose_at(l, 11), 2.5, 1e-12); /* 0.7 neither */
  assert_true(isnan(rose_at(l, 12)));
  within(rose_at(l, 4), 1, 1e-12);    /* 0.6 alone is known: half of it is 0.3 */
  within(rose_at(l, 5), 1.75, 1e-12); /* 0.75, the middle of two */
  /* A dip of one snapshot does not count, one of two does. */
  const double dip[] = {0.1, 0.3, 0.4, 0.6, 0.9, 0.2, 1.1, 1.0, 1.0, 1.0};
  within(rose_at(dip, 10), 2.5, 1e-12);
  const double two[] = {0.1, 0.3, 0.4, 0.6, 0.9, 0.2, 0.3, 0.7, 1.0, 1.0, 1.0, 1.0};
  within(rose_at(two, 12), 6 + log(0.5 / 0.3) / log(0.7 / 0.3), 1e-12);
  /* Nor is it a rise where one value alone was high before. */
  const double spike[] = {0.01, 0.01, 0.01, 0.6, 0.01, 1, 1, 1, 1, 1};
  within(rose_at(spike, 10), 4 + log(0.5 / 0.01) / log(1 / 0.01), 1e-12);
  const double late[] = {0.1, 0.3, 0.4, 0.6, 1, 1, 1, 1, 1, 1, 1, 0.45, 1.6};
  within(rose_at(late, 13), 2.5, 1e-12); /* of 1, the dip before 1.6 notwithstanding */
  /* Of the last quarter only, if that has three. */
  const double later[] = {0.1, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 2, 2, 1.2};
  within(rose_at(later, 12), 8 + log(1 / 0.8) / log(2 / 0.8), 1e-12);
  /* From 4 down to 1: half of the median 4 is above the latest, which counts then. */
  const double fallen[] = {0.1, 0.3, 0.55, 4, 4, 4, 4, 1};
  within(rose_at(fallen, 8), 1.8, 1e-12);
}

static void bad_snapshots_are_refused(void **state) {
  (void) state;
  es_transitions *s = NULL;
  es_transition row[2];
  const double good[2] = {1, 0.5}, bad[2] = {1, NAN};
  es_transitions_options o = {.modes = 0, .rate = 8, .settled = 1};
  assert_int_equal(es_transitions_create(&o, &s), ES_EARG);
  o = (es_transitions_options){.modes = 2, .rate = 0, .settled = 1};
  assert_int_equal(es_transitions_create(&o, &s), ES_EARG);
  assert_null(s);
  o.rate = 8;
  assert_int_equal(es_transitions_create(&o, &s), ES_OK);
  es_transitions_table(s, row);
  assert_true(isnan(row[1].value) && row[1].mode == 2);
  assert_int_equal(es_transitions_learned(s), 0);
  assert_int_equal(es_transitions_add(s, 10, 0.1, good), ES_OK);
  assert_int_equal(es_transitions_add(s, 10, 0.2, good), ES_EARG);
  assert_int_equal(es_transitions_add(s, 11, 0.0, good), ES_EARG);
  assert_int_equal(es_transitions_add(s, 11, NAN, good), ES_EARG);
  assert_int_equal(es_transitions_add(s, 11, 0.2, bad), ES_EMATH);
  assert_int_equal(es_transitions_add(s, 11, 0.1, good), ES_OK);
  assert_int_equal(es_transitions_learned(s), 1);
  es_transitions_destroy(&s);
  es_transitions_destroy(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(logistic_curves_are_recovered),
      cmocka_unit_test(coarse_snapshots),
      cmocka_unit_test(noise_floor_is_kept_out),
      cmocka_unit_test(noise_alone_is_no_step),
      cmocka_unit_test(forecast_comes_before_the_step),
      cmocka_unit_test(noisy_forecasts_are_near),
      cmocka_unit_test(excursions_do_not_count),
      cmocka_unit_test(learned_from_the_start_has_no_step),
      cmocka_unit_test(the_first_may_settle_higher),
      cmocka_unit_test(the_last_snapshot_may_be_noisy),
      cmocka_unit_test(bad_snapshots_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
