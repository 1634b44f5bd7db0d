/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_sweep.c  Sweeps: axes, conditions, names, states; unit_claim.c: claims. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "temp_dir.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/log.h"
#include "eigenstep/mem.h"
#include "sweep/axis.h"
#include "sweep/condition.h"
#include "sweep/run_name.h"
#include "sweep/run_state.h"

/* Values of an axis, point by point: "a,b;c,d". */
static void expect_axis(es_axis *a, int keys, const char *expected) {
  char got[512] = "";
  assert_int_equal(a->key.n, keys);
  assert_int_equal(a->value.n, a->points * keys);
  for (int i = 0; i < a->value.n; i++) {
    strcat(got, i == 0 ? "" : i % keys == 0 ? ";" : "|");
    strcat(got, a->value.word[i]);
  }
  assert_string_equal(got, expected);
  es_axis_free(a);
}

static void axes_are_lists_and_tuples(void **state) {
  (void) state;
  es_axis a = {.points = 0};
  assert_int_equal(es_axis_parse("optim.lr", "1e-3,  3e-3 ,1e-2", "f:1", &a), ES_OK);
  expect_axis(&a, 1, "1e-3;3e-3;1e-2");
  assert_int_equal(es_axis_parse("projector.widths", "(64), (64, 32), 16", "f:1", &a),
                   ES_OK);
  expect_axis(&a, 1, "64;64, 32;16");
  assert_int_equal(
      es_axis_parse("optim.name, optim.lr", "(sgd, 1), ( lars , 2)", "f:1", &a), ES_OK);
  expect_axis(&a, 2, "sgd|1;lars|2");
  assert_int_equal(es_axis_parse("a.b, c.d", "(1, (2, 3)), ((4), 5)", "f:1", &a), ES_OK);
  expect_axis(&a, 2, "1|2, 3;4|5");
  assert_int_equal(es_axis_seeds("1:3, 7", "f", &a), ES_OK);
  expect_axis(&a, 1, "1;2;3;7");
}

static void bad_axes_are_refused(void **state) {
  (void) state;
  static const char *const bad[][2] = {{"a.b", ""},
                                       {"a.b", "  "},
                                       {"a.b", "1,,2"},
                                       {"a.b", "1, 2,"},
                                       {"a.b", "(1, 2"},
                                       {"a.b", "1), 2"},
                                       {"a.b, c.d", "1"},
                                       {"a.b, c.d", "(1), (2)"},
                                       {"a.b, c.d", "(1, 2), (1, 2, 3)"},
                                       {"a.b, ", "(1, 2)"}};
  es_axis a = {.points = 0};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (es_axis_parse(bad[i][0], bad[i][1], "f:1", &a) != ES_ECONFIG)
      fail_msg("'%s = %s' was not refused", bad[i][0], bad[i][1]);
    assert_int_equal(a.key.n + a.value.n + a.points, 0);
  }
  static const char *const seeds[] = {
      "", "x", "3:1", "1:", "-1", "1:2:3", "1, ,2", "1:1000000"};
  for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++)
    if (es_axis_seeds(seeds[i], "f", &a) != ES_ECONFIG)
      fail_msg("seeds '%s' were not refused", seeds[i]);
}

static void tables_have_a_line_a_point(void **state) {
  (void) state;
  es_axis a = {.points = 0};
  assert_int_equal(
      es_axis_table("# a comment\noptim.lr\tloss.name\r\n1e-3\tbarlow\r\n\n 2 \t x y\n",
                    "t", &a),
      ES_OK);
  expect_axis(&a, 2, "1e-3|barlow;2|x y");
  assert_int_equal(es_axis_table("a.b\n1", "t", &a), ES_OK);
  expect_axis(&a, 1, "1");
  assert_int_equal(es_axis_table("", "t", &a), ES_ECONFIG);
  assert_int_equal(es_axis_table("a.b\tc.d\n", "t", &a), ES_ECONFIG);
  assert_int_equal(es_axis_table("a.b\tc.d\n1\n", "t", &a), ES_ECONFIG);
  assert_int_equal(es_axis_table("a.b\n1\t2\n", "t", &a), ES_ECONFIG);
}

static const char *value_of(void *ctx, const char *key) {
  (void) ctx;
  if (strcmp(key, "a") == 0) return "1e-2";
  if (strcmp(key, "b") == 0) return "barlow";
  if (strcmp(key, "w") == 0) return "64,64";
  if (strcmp(key, "and") == 0) return "7";
  return NULL;
}

static void conditions_are_comparisons(void **state) {
  (void) state;
  static const struct {
    const char *text;
    bool holds;
  } cases[] = {
      {"", false},
      {"a = 0.01", true},
      {"a == 0.010", true},
      {"a != 0.01", false},
      {"a < 0.01", false},
      {"a <= 0.01", true},
      {"a>=0.01", true},
      {"a > 1e-3", true},
      {"b = barlow", true},
      {"b=vicreg", false},
      {"b != vicreg", true},
      {"b > 1", false}, /* a text has no order */
      {"w = 64,64", true},
      {"w = \"64,64\"", true},
      {"w = 64, 64", true},
      {"w = 64, 64 and b = barlow", true},
      {"none = 1", false},
      {"none != 1", false},
      {"a > 1e-3 and b = barlow", true},
      {"a > 1 and b = barlow", false},
      {"a > 1 or b = barlow", true},
      /* `and` binds more strongly */
      {"a > 1 and b = x or b = barlow", true},
      {"b = barlow or a > 1 and b = x", true},
      {"a > 1 or b = barlow and a > 1", false},
      {"a > 1 or b = barlow and a < 1", true},
      {"a > 1 or a > 2 or a > 0", true},
      {"and = 7 and and > 6", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    es_condition c;
    if (es_condition_parse(cases[i].text, "skip", &c) != ES_OK)
      fail_msg("'%s' was refused", cases[i].text);
    if (es_condition_holds(&c, value_of, NULL) != cases[i].holds)
      fail_msg("'%s': got %d", cases[i].text, !cases[i].holds);
  }
}

static void bad_conditions_are_refused(void **state) {
  (void) state;
  static const char *const bad[] = {"a",
                                    "a =",
                                    "= 1",
                                    "a = 1 and",
                                    "a = 1 b",
                                    "a = 1 or or",
                                    "a => 1",
                                    "a =! 1",
                                    "a < text",
                                    "a = \"open",
                                    "a = 1 andb = 2",
                                    "a === 1",
                                    "a = 1 xor b = 2"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    es_condition c;
    if (es_condition_parse(bad[i], "skip", &c) != ES_ECONFIG)
      fail_msg("'%s' was not refused", bad[i]);
  }
}

static void names_are_made_of_what_varies(void **state) {
  (void) state;
  char *name = NULL;
  es_words keys = {0}, values = {0};
  assert_int_equal(es_sweep_name(&keys, &values, &name), ES_OK);
  assert_string_equal(name, "run");
  es_free(&name);
  es_words_add(&keys, "optim.lr");
  es_words_add(&values, "0.001");
  es_words_add(&keys, "optim.name");
  es_words_add(&values, "sgd");
  es_words_add(&keys, "loss.name");
  es_words_add(&values, "../a b/#;\n");
  es_words_add(&keys, "run.seed");
  es_words_add(&values, "3");
  assert_int_equal(es_sweep_name(&keys, &values, &name), ES_OK);
  assert_string_equal(name, "lr=0.001_optim=sgd_loss=..-a-b----_seed=3");
  assert_int_equal(es_sweep_name_extend("0123456789abcdef", &name), ES_OK);
  assert_non_null(strstr(name, "_seed=3-01234567"));
  es_free(&name);
  es_words_add(&keys, "linear.lr");
  es_words_add(&values, "2");
  assert_int_equal(es_sweep_name(&keys, &values, &name), ES_OK);
  assert_non_null(strstr(name, "optim.lr=0.001_"));
  assert_non_null(strstr(name, "_linear.lr=2"));
  es_free(&name);
  es_words_free(&keys);
  es_words_free(&values);
}

static void states_are_read_as_written(void **state) {
  const char *const dir = *state;
  const es_run_state s = {.id = "0123456789abcdef",
                          .phase = ES_RUN_FAILED,
                          .generation = 3,
                          .job = "host.1.2",
                          .host = "host",
                          .ranks = 2,
                          .steps = 100,
                          .seconds = 12.5,
                          .reason = "optim.lr: got -1 = bad, expected a number"};
  es_run_state got;
  bool found = true, made = false;
  assert_int_equal(es_run_state_read(dir, "none", &got, &found), ES_OK);
  assert_false(found);
  assert_int_equal(es_run_state_create(dir, "a", &s, &made), ES_OK);
  assert_true(made);
  assert_int_equal(es_run_state_create(dir, "a", &s, &made), ES_OK);
  assert_false(made);
  assert_int_equal(es_run_state_read(dir, "a", &got, &found), ES_OK);
  assert_true(found);
  assert_int_equal(got.phase, ES_RUN_FAILED);
  assert_int_equal(got.generation, 3);
  assert_int_equal(got.ranks, 2);
  assert_int_equal(got.steps, 100);
  assert_string_equal(got.id, s.id);
  assert_string_equal(got.reason, s.reason);
  assert_true(got.seconds == 12.5);
  char path[256];
  snprintf(path, sizeof path, "%s/a.state", dir);
  FILE *f = fopen(path, "w");
  fputs("rubbish\n", f);
  fclose(f);
  assert_int_equal(es_run_state_read(dir, "a", &got, &found), ES_EFORMAT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(axes_are_lists_and_tuples),
      cmocka_unit_test(bad_axes_are_refused),
      cmocka_unit_test(tables_have_a_line_a_point),
      cmocka_unit_test(conditions_are_comparisons),
      cmocka_unit_test(bad_conditions_are_refused),
      cmocka_unit_test(names_are_made_of_what_varies),
      IN_DIR(states_are_read_as_written),
  };
  es_log_mute(true);
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  return failed != 0 || es_mem_now() != 0;
}
