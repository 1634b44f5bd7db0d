/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_mode_state.c  What the transition detector says of a mode that fell again,
 *  and of one without a transition. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include "eigenstep/transitions.h"

static void within(double got, double want, double relative) {
  if (!(fabs(got - want) <= relative * fabs(want)))
    fail_msg("got %.10g, expected %.10g within %g", got, want, relative);
}

/* Snapshots of one mode, 1 a step. */
static es_transition follow(const double *lambda, int n) {
  const es_transitions_options o = {.modes = 1, .rate = 8, .settled = 1};
  es_transitions *s = NULL;
  es_transition row;
  assert_int_equal(es_transitions_create(&o, &s), ES_OK);
  for (int i = 0; i < n; i++)
    assert_int_equal(es_transitions_add(s, i, i, &lambda[i]), ES_OK);
  es_transitions_table(s, &row);
  es_transitions_destroy(&s);
  return row;
}

static void says(const es_transition *row, const char *words) {
  char text[64];
  es_transition_note(row, 150, text);
  assert_string_equal(text, words);
}

static void a_mode_that_fell_is_unstable(void **state) {
  (void) state;
  const double l[] = {0.1, 0.3, 0.4, 0.6, 0.9, 1, 1, 0.2, 0.1, 0.3, 0.7, 1, 1, 1, 1, 1};
  es_transition r = follow(l, 16);
  assert_int_equal(r.state, ES_MODE_UNSTABLE);
  within(r.step_first, 2.5, 1e-12);
  within(r.time_first, 2.5, 1e-12);
  within(r.step, 9 + log(0.5 / 0.3) / log(0.7 / 0.3), 1e-12);
  says(&r, "unstable: above first at step 2, then fell");
  r = follow(l, 10); /* not learned at the end of these */
  assert_int_equal(r.state, ES_MODE_FELL);
  within(r.step_first, 2.5, 1e-12);
  assert_true(isnan(r.step) && isnan(r.time));
  says(&r, "unstable: above at step 2, then fell");
  /* High at the start: when it first rose is not known. */
  const double high[] = {1, 1, 1, 0.1, 0.1, 0.2, 0.7, 1, 1, 1, 1, 1};
  r = follow(high, 12);
  assert_int_equal(r.state, ES_MODE_UNSTABLE);
  assert_true(isnan(r.step_first) && r.step > 5 && r.step < 6);
  says(&r, "unstable: above first in the first snapshot, then fell");
  /* A fall to more than a quarter of the final value is the noise of a rise. */
  const double hop[] = {0.1, 0.3, 0.6, 0.6, 0.4, 0.4, 0.9, 1, 1, 1, 1, 1};
  r = follow(hop, 12);
  assert_int_equal(r.state, ES_MODE_LEARNED);
  within(r.step_first, r.step, 1e-15);
  /* One value alone above, before the rise, is none. */
  const double spike[] = {0.01, 0.01, 0.01, 0.6, 0.01, 1, 1, 1, 1, 1};
  assert_int_equal(follow(spike, 10).state, ES_MODE_LEARNED);
}

static void a_row_without_a_step_says_why(void **state) {
  (void) state;
  double l[40];
  for (int i = 0; i < 40; i++) l[i] = 1e-4 * exp(0.2 * i); /* to 0.24 */
  es_transition r = follow(l, 40);
  assert_int_equal(r.state, ES_MODE_GROWING);
  assert_true(isnan(r.step) && r.forecast.step > 40);
  says(&r, "not reached within 150 steps");
  for (int i = 0; i < 40; i++) l[i] = i % 2 ? 1e-4 : -1e-4;
  r = follow(l, 40);
  assert_int_equal(r.state, ES_MODE_FLAT);
  says(&r, "never rose above its noise");
  for (int i = 0; i < 40; i++) l[i] = i < 39 ? 1e-4 : 0.05;
  r = follow(l, 40);
  assert_int_equal(r.state, ES_MODE_IRREGULAR);
  says(&r, "not reached; growth irregular, no forecast");
  for (int i = 0; i < 40; i++) l[i] = 1;
  r = follow(l, 40);
  assert_int_equal(r.state, ES_MODE_FROM_START);
  says(&r, "above half its value from the start");
  for (int i = 0; i < 40; i++) l[i] = i < 20 ? 1e-4 : 1;
  r = follow(l, 40);
  assert_int_equal(r.state, ES_MODE_LEARNED);
  says(&r, "no exponential phase seen");
}

/* A mode that hovers about the half is counted from when it first was above. */
static void a_mode_at_the_half_does_not_flip(void **state) {
  (void) state;
  double l[60];
  for (int i = 0; i < 60; i++) l[i] = fmin(1e-4 * exp(0.3 * i), i % 2 ? 0.46 : 0.55);
  for (int n = 40; n < 60; n++) {
    const es_transition r = follow(l, n);
    assert_int_equal(r.state, ES_MODE_LEARNED);
    assert_true(r.step > 24 && r.step < 28);
  }
}

/* Snapshots of one mode; what is forecast of it. */
static es_forecast next_of(const double *lambda, int n) {
  const es_transitions_options o = {.modes = 1, .rate = 8, .settled = 1};
  es_transitions *s = NULL;
  assert_int_equal(es_transitions_create(&o, &s), ES_OK);
  for (int i = 0; i < n; i++)
    assert_int_equal(es_transitions_add(s, i, i, &lambda[i]), ES_OK);
  const es_forecast f = es_transitions_next(s);
  assert_int_equal(es_transitions_learned(s), 0);
  es_transitions_destroy(&s);
  return f;
}

static void a_mode_that_stopped_below_the_half_has_no_forecast(void **state) {
  (void) state;
  double l[200];
  for (int i = 0; i < 200; i++) l[i] = fmin(1e-4 * exp(0.3 * i), 0.43);
  es_transition r = follow(l, 200);
  assert_int_equal(r.state, ES_MODE_STOPPED);
  within(r.half, 0.5, 1e-12);
  assert_true(isnan(r.step));
  says(&r, "stopped at 0.43, below 0.5: not counted as learned");
  within(next_of(l, 20).step, log(1e4) / 0.3, 0.05);
  assert_true(isnan(next_of(l, 200).step) && next_of(l, 200).mode == 1);
  /* Creeping on, long after its forecast: not exponential, no "next step". */
  for (int i = 30; i < 200; i++) l[i] = 0.1 + 0.002 * (i - 30);
  r = follow(l, 200);
  assert_int_equal(r.state, ES_MODE_GROWING);
  assert_true(isnan(next_of(l, 200).step));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_mode_that_fell_is_unstable),
      cmocka_unit_test(a_row_without_a_step_says_why),
      cmocka_unit_test(a_mode_at_the_half_does_not_flip),
      cmocka_unit_test(a_mode_that_stopped_below_the_half_has_no_forecast),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
