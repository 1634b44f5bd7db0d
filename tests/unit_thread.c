/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_thread.c  A thread beside those of OpenMP: it gets no signals, and is not
 *  held on the one processor to which OpenMP binds the thread that made it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "eigenstep/thread.h"

typedef struct seen {
  cpu_set_t allowed;
  sigset_t blocked;
} seen;

static void *look(void *ctx) {
  seen *const s = ctx;
  sched_getaffinity(0, sizeof s->allowed, &s->allowed);
  pthread_sigmask(SIG_SETMASK, NULL, &s->blocked);
  return NULL;
}

static void a_thread_has_all_places(void **state) {
  const cpu_set_t *const before = *state;
  seen s;
  cpu_set_t mine;
  pthread_t thread;
  assert_int_equal(es_thread_start(&thread, look, &s), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_true(CPU_EQUAL(&s.allowed, before));
  assert_true(sigismember(&s.blocked, SIGTERM) == 1);
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, NULL, &own);
  assert_true(sigismember(&own, SIGTERM) == 0);
  assert_int_equal(sched_getaffinity(0, sizeof mine, &mine), 0);
  print_message("the main thread has %d of %d processors\n", CPU_COUNT(&mine),
                CPU_COUNT(before));
}

/* OpenMP reads OMP_PLACES when the program starts, and binds it: what it may use is asked
 * before, and passed on. */
int main(int argc, char **argv) {
  static cpu_set_t before;
  const char *const text = getenv("ES_TEST_PROCESSORS");
  (void) argc;
  if (text == NULL) {
    char mask[CPU_SETSIZE + 1] = "";
    if (sched_getaffinity(0, sizeof before, &before) != 0) return 99;
    for (int i = 0; i < CPU_SETSIZE; i++) mask[i] = CPU_ISSET(i, &before) ? '1' : '0';
    setenv("ES_TEST_PROCESSORS", mask, 1);
    setenv("OMP_PLACES", "threads", 1);
    setenv("OMP_PROC_BIND", "true", 1);
    execv(argv[0], argv);
    return 99;
  }
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (text[i] == '1') CPU_SET(i, &before);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_prestate(a_thread_has_all_places, &before)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
