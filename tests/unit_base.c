/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_base.c  Status names, log, memory, registry, clock, version, visitor
 *  sizes. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "eigenstep/clock.h"
#include "eigenstep/log.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"
#include "eigenstep/version.h"
#include "eigenstep/visit.h"

static void status_names_differ(void **state) {
  (void) state;
  for (int a = ES_EINTERNAL; a <= ES_STOPPED; a++) {
    assert_true(strlen(es_status_name((es_status) a)) > 0);
    assert_string_not_equal(es_status_name((es_status) a), "unknown status");
    for (int b = a + 1; b <= ES_STOPPED; b++)
      assert_string_not_equal(es_status_name((es_status) a),
                              es_status_name((es_status) b));
  }
}

static es_status checked(int got) {
  ES_CHECK(got == 1, ES_EARG, "got %d, expected 1", got);
  return ES_OK;
}

static es_status tried(int got) {
  ES_TRY(checked(got));
  return ES_STOPPED;
}

static void macros_return_and_log(void **state) {
  (void) state;
  assert_int_equal(tried(1), ES_STOPPED);
  assert_int_equal(tried(5), ES_EARG);
  assert_string_equal(es_log_last_error(), "got 5, expected 1");
  es_warn("a warning is not an error");
  assert_string_equal(es_log_last_error(), "got 5, expected 1");
}

/** All of a small file as text. */
static void slurp(const char *path, char *text, size_t size) {
  FILE *in = fopen(path, "r");
  assert_non_null(in);
  text[fread(text, 1, size - 1, in)] = '\0';
  fclose(in);
}

/** Redirect a stream into a file while `log_lines` runs, and read the file. */
static void capture(FILE *stream, void (*log_lines)(void), char *text, size_t size) {
  char path[] = "/tmp/es_out_XXXXXX";
  const int fd = mkstemp(path), saved = dup(fileno(stream));
  assert_true(fd >= 0 && saved >= 0);
  fflush(stream);
  dup2(fd, fileno(stream));
  log_lines();
  fflush(stream);
  dup2(saved, fileno(stream));
  close(saved);
  close(fd);
  slurp(path, text, size);
  unlink(path);
}

static void log_long_lines(void) {
  char big[8192];
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = '\0';
  es_error("first\nline\n");
  es_phase("not printed by default");
  es_print("step  loss");
  es_warn("%s", big);
}

static void log_file_has_whole_lines(void **state) {
  (void) state;
  char path[] = "/tmp/es_log_XXXXXX", text[16384], shown[16384];
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  assert_false(es_log_file("/no/such/folder/log.txt"));
  assert_true(es_log_file(path));
  capture(stderr, log_long_lines, shown, sizeof shown);
  assert_true(es_log_file(NULL));
  es_error("after the end");

  slurp(path, text, sizeof text);
  unlink(path);
  assert_non_null(strstr(text, "Z error: first line\n"));
  assert_non_null(strstr(text, "\nstep  loss\n"));
  assert_non_null(strstr(text, "xxx...\n"));
  assert_non_null(strstr(shown, "xxx...\n"));
  assert_null(strstr(text, "not printed"));
  assert_null(strstr(text, "after the end"));
}

static void log_all_levels(void) {
  es_error("broken");
  es_warn("odd");
  es_info("progress");
  es_phase("phase");
  es_print("table");
}

static void flush_deferred(void) {
  es_log_flush_deferred(true);
}

static void ranks_print_their_lines(void **state) {
  (void) state;
  char text[4096];
  es_log_flush_deferred(false); /* errors of earlier tests */
  es_log_setup(3, ES_LOG_INFO, false);
  capture(stderr, log_all_levels, text, sizeof text);
  assert_string_equal(text, ""); /* deferred until the ranks have agreed */
  assert_string_equal(es_log_deferred(), "broken");
  capture(stderr, flush_deferred, text, sizeof text);
  assert_string_equal(text, "eigenstep: error: [rank 3] broken\n");
  assert_string_equal(es_log_deferred(), "");
  capture(stderr, flush_deferred, text, sizeof text);
  assert_string_equal(text, "");
  capture(stdout, log_all_levels, text, sizeof text);
  assert_string_equal(text, "");
  es_log_flush_deferred(false);
  assert_string_equal(es_log_deferred(), "");
  es_log_set_error("theirs");
  assert_string_equal(es_log_last_error(), "theirs");

  es_log_setup(3, ES_LOG_PHASE, true);
  capture(stdout, log_all_levels, text, sizeof text);
  assert_string_equal(text, "[rank 3] progress\n[rank 3] phase\n");
  capture(stderr, log_all_levels, text, sizeof text);
  assert_string_equal(text, "eigenstep: error: [rank 3] broken (log_all_levels)\n"
                            "eigenstep: warning: [rank 3] odd (log_all_levels)\n");

  es_log_setup(0, ES_LOG_INFO, false);
  capture(stderr, log_all_levels, text, sizeof text);
  assert_string_equal(text, "eigenstep: error: broken\neigenstep: warning: odd\n");
  capture(stdout, log_all_levels, text, sizeof text);
  assert_string_equal(text, "progress\ntable\n");
}

static void log_notes(void) {
  for (int i = 0; i < 3; i++) {
    es_info_once("note %d", i % 2);
    es_warn_once("note %d", i % 2); /* the same line */
  }
}

static void notes_are_logged_once(void **state) {
  (void) state;
  char path[] = "/tmp/es_log_XXXXXX", text[4096];
  close(mkstemp(path));
  es_log_setup(0, ES_LOG_INFO, false);
  capture(stdout, log_notes, text, sizeof text);
  assert_string_equal(text, "note 0\nnote 1\n");
  capture(stdout, log_notes, text, sizeof text);
  assert_string_equal(text, "");
  assert_true(es_log_file(path)); /* which has none of them yet */
  capture(stdout, log_notes, text, sizeof text);
  assert_string_equal(text, "note 0\nnote 1\n");
  assert_true(es_log_file(NULL));
  unlink(path);
}

static void blocks_are_aligned_zero_and_counted(void **state) {
  (void) state;
  enum { BLOCKS = 40 };
  unsigned char *block[BLOCKS];
  const size_t before = es_mem_now();
  const int64_t calls = es_mem_count();
  size_t sum = 0;
  for (size_t i = 0; i < BLOCKS; i++) {
    const size_t bytes = i * i * 7;
    assert_int_equal(ES_NEW(bytes, &block[i]), ES_OK);
    assert_int_equal((uintptr_t) block[i] % 64, 0);
    for (size_t k = 0; k < bytes; k++) assert_int_equal(block[i][k], 0);
    memset(block[i], 0xA5, bytes);
    sum += bytes;
  }
  assert_true(block[0] != NULL && block[0] != block[1]);
  assert_int_equal(es_mem_now() - before, sum);
  assert_int_equal(es_mem_count() - calls, BLOCKS);
  for (size_t i = 0; i < BLOCKS; i++) {
    es_free(&block[i]);
    assert_null(block[i]);
    es_free(&block[i]);
  }
  assert_int_equal(es_mem_now(), before);
  assert_true(es_mem_peak() >= before + sum);
  assert_true(es_mem_rss_peak() > 1024 * 1024);
}

static void *allocate_a_lot(void *ctx) {
  int *failed = ctx;
  for (size_t i = 0; i < 5000; i++) {
    char *p;
    *failed += ES_NEW(i % 300, &p) != ES_OK;
    es_free(&p);
  }
  return NULL;
}

static void threads_may_allocate(void **state) {
  (void) state;
  enum { THREADS = 4 };
  pthread_t thread[THREADS];
  int failed[THREADS] = {0};
  const size_t before = es_mem_now();
  const int64_t calls = es_mem_count();
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&thread[i], NULL, allocate_a_lot, &failed[i]), 0);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(thread[i], NULL);
    assert_int_equal(failed[i], 0);
  }
  assert_int_equal(es_mem_now(), before);
  assert_int_equal(es_mem_count() - calls, THREADS * 5000);
}

static void impossible_sizes_are_refused(void **state) {
  (void) state;
  double mark = 0, *p = &mark;
  const size_t before = es_mem_now();
  assert_int_equal(ES_NEW(SIZE_MAX / 8 + 2, &p), ES_ENOMEM);
  assert_int_equal(ES_NEW((int64_t) -1, &p), ES_ENOMEM);
  assert_int_equal(es_alloc(SIZE_MAX - 1, "all", (void **) &p), ES_ENOMEM);
  assert_int_equal(es_alloc(SIZE_MAX / 2, "half of all", (void **) &p), ES_ENOMEM);
  assert_non_null(strstr(es_log_last_error(), "half of all"));
  assert_ptr_equal(p, &mark);
  assert_int_equal(es_mem_now(), before);
}

static void strings_are_copied(void **state) {
  (void) state;
  char text[] = "eigen", *copy;
  assert_int_equal(es_strdup(text, &copy), ES_OK);
  text[0] = 'E';
  assert_string_equal(copy, "eigen");
  es_free(&copy);
}

static const es_variant barlow = {"barlow", ""}, vicreg = {"vicreg", ""},
                        simclr = {"simclr", ""};
static const void *const losses[] = {&barlow, &vicreg, &simclr};

static void registry_finds_or_offers(void **state) {
  (void) state;
  const void *found = NULL;
  assert_int_equal(es_registry_find("loss", "vicreg", losses, 3, &found), ES_OK);
  assert_ptr_equal(found, &vicreg);
  assert_int_equal(es_registry_find("loss", "barlwo", losses, 3, &found), ES_ECONFIG);
  assert_ptr_equal(found, &vicreg);
  assert_string_equal(es_log_last_error(),
                      "unknown loss 'barlwo' (known: barlow, vicreg, "
                      "simclr); did you mean 'barlow'?");
  assert_int_equal(es_registry_find("loss", "cross_entropy", losses, 3, &found),
                   ES_ECONFIG);
  assert_string_equal(es_log_last_error(),
                      "unknown loss 'cross_entropy' (known: barlow, vicreg, simclr)");
}

static void nearest_is_sensible(void **state) {
  (void) state;
  static const char *const keys[] = {"loss.name", "data.name", "run.steps", "optim.lr"};
  assert_string_equal(es_nearest("los.name", keys, 4), "loss.name");
  assert_string_equal(es_nearest("LOSS.NAME", keys, 4), "loss.name");
  assert_string_equal(es_nearest("run.step", keys, 4), "run.steps");
  assert_string_equal(es_nearest("optim.rl", keys, 4), "optim.lr");
  assert_string_equal(es_nearest("sdg", (const char *const[]){"sgd"}, 1), "sgd");
  assert_string_equal(es_nearest("optim.learning_rate", keys, 4), "optim.lr");
  assert_string_equal(es_nearest("l.wd", (const char *const[]){"l.weight_decay"}, 1),
                      "l.weight_decay");
  assert_null(es_nearest("adapt.learning_rate", keys, 4)); /* another section */
  assert_null(es_nearest("optim.learning_rate_min", keys, 4));
  assert_null(es_nearest("projector.widths", keys, 4));
  assert_null(es_nearest("", keys, 4));
  assert_null(es_nearest("x", (const char *const[]){"y"}, 1));
  char endless[1000];
  memset(endless, 'a', sizeof endless - 1);
  endless[sizeof endless - 1] = '\0';
  assert_null(es_nearest(endless, keys, 4));
}

static void durations_in_their_unit(void **state) {
  (void) state;
  char text[32];
  assert_string_equal(es_duration(17.4, text), "17 s");
  assert_string_equal(es_duration(600, text), "10 min");
  assert_string_equal(es_duration(9000, text), "2.5 h");
  assert_string_equal(es_duration(NAN, text), "unknown");
}

static void clock_runs_forward(void **state) {
  (void) state;
  es_clock c = {0};
  es_clock_mark(&c);
  const double start = es_now();
  while (es_now() - start < 0.01) continue;
  es_clock_lap(&c, ES_PHASE_LOSS);
  es_clock_lap(&c, ES_PHASE_OPTIM);
  assert_true(c.seconds[ES_PHASE_LOSS] >= 0.01 && c.seconds[ES_PHASE_LOSS] < 10);
  assert_true(c.seconds[ES_PHASE_OPTIM] < 0.01);
  assert_string_equal(es_phase_name(ES_PHASE_CKPT), "ckpt");
  assert_string_equal(es_phase_name(ES_PHASE_ALLREDUCE), "allreduce");
  char stamp[24];
  int year, month, day, hour, minute, second;
  es_timestamp(stamp, sizeof stamp);
  assert_int_equal(strlen(stamp), 20);
  assert_int_equal(
      sscanf(stamp, "%d-%d-%dT%d:%d:%dZ", &year, &month, &day, &hour, &minute, &second),
      6);
}

static void version_is_one_list(void **state) {
  (void) state;
  const es_fact *facts;
  const int n = es_version_facts(&facts);
  assert_true(n >= 5);
  assert_string_equal(facts[0].key, "version");
  assert_string_equal(facts[0].value, es_version());
  assert_string_equal(facts[1].value, es_version_git());
  for (int i = 0; i < n; i++) assert_true(facts[i].key != NULL && facts[i].value != NULL);
}

static void item_sizes(void **state) {
  (void) state;
  const es_item matrix = {.ndim = 3, .dim = {3, 1000000, 5000}};
  const es_item scalar = {.ndim = 0};
  assert_int_equal(es_item_size(ES_ITEM_F32), sizeof(float));
  assert_int_equal(es_item_size(ES_ITEM_F64), sizeof(double));
  assert_int_equal(es_item_size(ES_ITEM_I64), sizeof(int64_t));
  assert_true(es_item_count(&matrix) == INT64_C(15000000000));
  assert_int_equal(es_item_count(&scalar), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(status_names_differ),
      cmocka_unit_test(macros_return_and_log),
      cmocka_unit_test(log_file_has_whole_lines),
      cmocka_unit_test(notes_are_logged_once),
      cmocka_unit_test(ranks_print_their_lines),
      cmocka_unit_test(blocks_are_aligned_zero_and_counted),
      cmocka_unit_test(threads_may_allocate),
      cmocka_unit_test(impossible_sizes_are_refused),
      cmocka_unit_test(strings_are_copied),
      cmocka_unit_test(registry_finds_or_offers),
      cmocka_unit_test(nearest_is_sensible),
      cmocka_unit_test(durations_in_their_unit),
      cmocka_unit_test(clock_runs_forward),
      cmocka_unit_test(version_is_one_list),
      cmocka_unit_test(item_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
