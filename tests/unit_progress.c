/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_progress.c  What takes long is said, once it has: lines into a file, one
 *  rewritten line on a terminal, nothing of what is quick. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "eigenstep/log.h"
#include "eigenstep/progress.h"

static void wait_for(double seconds) {
  const struct timespec t = {(time_t) seconds,
                             (long) (1e9 * (seconds - (double) (time_t) seconds))};
  nanosleep(&t, NULL);
}

/* What `work` prints to stdout. */
static void capture(void (*work)(void), char *text, size_t size) {
  FILE *const f = tmpfile();
  assert_non_null(f);
  fflush(stdout);
  const int out = dup(STDOUT_FILENO);
  dup2(fileno(f), STDOUT_FILENO);
  work();
  fflush(stdout);
  dup2(out, STDOUT_FILENO);
  close(out);
  rewind(f);
  text[fread(text, 1, size - 1, f)] = '\0';
  fclose(f);
}

static void long_and_short(void) {
  es_progress_begin("matrix of %d points", 40);
  es_progress_begin("a quick part");
  es_progress_end();
  es_progress_at(1, 4);
  wait_for(4.6);
  es_progress_end();
  es_progress_end(); /* outside of any */
  es_progress_at(1, 2);
}

static void lines_without_a_terminal(void **state) {
  char text[2000];
  (void) state;
  es_log_setup(0, ES_LOG_INFO, false);
  capture(long_and_short, text, sizeof text);
  assert_non_null(strstr(text, "matrix of 40 points: 25 % after 4 s, about 12 s left\n"));
  assert_non_null(strstr(text, "matrix of 40 points: done in 5 s\n"));
  assert_null(strstr(text, "quick"));
  assert_null(strchr(text, '\r'));
}

static void unknown_size(void) {
  es_progress_begin("opening");
  wait_for(1.4);
  es_info("a line of its own");
  es_progress_end();
}

static void one_line_on_a_terminal(void **state) {
  char text[2000];
  (void) state;
  es_log_terminal(true);
  capture(unknown_size, text, sizeof text);
  es_log_terminal(false);
  assert_string_equal(text, "\ropening: 1 s so far\033[K\r\033[Ka line of its own\n");
}

static void other_ranks_say_nothing(void **state) {
  char text[2000];
  (void) state;
  es_log_setup(1, ES_LOG_INFO, true);
  es_log_terminal(true);
  capture(unknown_size, text, sizeof text);
  assert_null(strstr(text, "opening"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_without_a_terminal),
      cmocka_unit_test(one_line_on_a_terminal),
      cmocka_unit_test(other_ranks_say_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
