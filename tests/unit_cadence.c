/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_cadence.c  When something is due: numbers, log2, lists, ranges. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "eigenstep/cadence.h"
#include "eigenstep/log.h"

/* The steps 0..40 that are due, against a list ended by -1; the count to every step. */
static void expect_due(const char *text, const int *due) {
  es_cadence c;
  assert_int_equal(es_cadence_parse(text, "key", &c), ES_OK);
  int64_t count = 0;
  for (int64_t step = 0; step <= 40; step++) {
    const bool expected = *due == step;
    if (es_cadence_due(&c, step) != expected)
      fail_msg("'%s': got due %d at step %d", text, !expected, (int) step);
    due += expected;
    count += expected;
    assert_int_equal(es_cadence_count(&c, step), count);
  }
  assert_int_equal(*due, -1);
}

static void numbers_are_multiples(void **state) {
  (void) state;
  expect_due("10", (const int[]){0, 10, 20, 30, 40, -1});
  expect_due("0", (const int[]){-1});
  expect_due("33", (const int[]){0, 33, -1});
  expect_due("log2", (const int[]){0, 1, 2, 4, 8, 16, 32, -1});
}

static void lists_name_steps_and_ranges(void **state) {
  (void) state;
  expect_due("0, 10,11", (const int[]){0, 10, 11, -1});
  expect_due("0:2:6, 10:15", (const int[]){0, 2, 4, 6, 10, 25, 40, -1});
  expect_due("3:5:9, 12", (const int[]){3, 8, 12, -1});
  expect_due("7:40", (const int[]){7, -1});
  expect_due("5:1:5", (const int[]){5, -1});
}

static void no_step_is_too_late(void **state) {
  (void) state;
  es_cadence c;
  assert_int_equal(es_cadence_parse("0:1:9, 1000000000000:7", "key", &c), ES_OK);
  assert_true(es_cadence_due(&c, 1000000000000));
  assert_false(es_cadence_due(&c, 1000000000006));
  assert_int_equal(es_cadence_count(&c, INT64_MAX),
                   10 + (INT64_MAX - 1000000000000) / 7 + 1);
}

static void refuses_what_is_no_cadence(void **state) {
  (void) state;
  const char *const bad[] = {
      "",       "-1",    "ten",     "1.5",        "0:0",     "0:0:10",
      "0:2:",   "4:1:3", "1:2:3:4", "0:",         ":2",      "0 10",
      "10, 10", "20, 5", "0:5, 20", "0:2:9, 9:2", "log2, 5", "99999999999999999999"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    es_cadence c = {.n = 7};
    char key[32];
    snprintf(key, sizeof key, "key%d.every", (int) i);
    if (es_cadence_parse(bad[i], key, &c) != ES_ECONFIG)
      fail_msg("'%s' was taken", bad[i]);
    assert_int_equal(c.n, 7);
    assert_non_null(strstr(es_log_last_error(), key));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_multiples),
      cmocka_unit_test(lists_name_steps_and_ranges),
      cmocka_unit_test(no_step_is_too_late),
      cmocka_unit_test(refuses_what_is_no_cadence),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
