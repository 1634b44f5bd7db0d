/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_claim.c  Which job works on a run of a sweep: claims and the queue. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "temp_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "eigenstep/log.h"
#include "eigenstep/mem.h"
#include "sweep/claim.h"
#include "sweep/once.h"
#include "sweep/queue.h"

/* Processes that take one claim at the same moment: exactly one gets it. */
static void one_of_many_gets_a_claim(void **state) {
  const char *const dir = *state;
  enum { RACERS = 8, ROUNDS = 20 };
  for (int round = 1; round <= ROUNDS; round++) {
    int winners = 0, go[2];
    pid_t pid[RACERS];
    assert_int_equal(pipe(go), 0);
    for (int i = 0; i < RACERS; i++) {
      pid[i] = fork();
      if (pid[i] != 0) continue;
      es_claim c;
      char byte;
      close(go[1]);
      (void) !read(go[0], &byte, 1); /* until the parent closes it */
      const es_status st = es_claim_take(dir, "race", round, &c);
      _exit(st != ES_OK ? 2 : c.fd >= 0);
    }
    close(go[0]);
    close(go[1]);
    for (int i = 0; i < RACERS; i++) {
      int status = 0;
      waitpid(pid[i], &status, 0);
      assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
      winners += WEXITSTATUS(status);
    }
    assert_int_equal(winners, 1);
  }
}

static void age(const char *dir, const char *name, int seconds) {
  char path[256];
  struct stat s;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  assert_int_equal(stat(path, &s), 0);
  const struct timespec t[2] = {{s.st_mtim.tv_sec - seconds, 0},
                                {s.st_mtim.tv_sec - seconds, 0}};
  assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

static es_claim_look watch(const char *dir, const char *id, es_claim_watch *w) {
  es_claim_look l;
  assert_int_equal(es_claim_find(dir, id, 0, 60, w, &l), ES_OK);
  return l;
}

/* Of somebody who has not seen it before. */
static es_claim_look look(const char *dir, const char *id) {
  es_claim_watch w = {.generation = 0};
  return watch(dir, id, &w);
}

/* As if it had been made on another host. */
static void move_away(const char *dir, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *f = fopen(path, "r+");
  assert_non_null(f);
  fputs("another", f);
  fclose(f);
}

static void claims_live_and_die(void **state) {
  const char *const dir = *state;
  es_claim c, d;
  assert_int_equal(look(dir, "x").life, ES_CLAIM_NONE);
  assert_int_equal(look(dir, "x").generation, 0);
  assert_int_equal(es_claim_take(dir, "x", 1, &c), ES_OK);
  assert_true(c.fd >= 0);
  assert_int_equal(es_claim_take(dir, "x", 1, &d), ES_OK);
  assert_true(d.fd < 0);
  assert_int_equal(look(dir, "x").life, ES_CLAIM_ALIVE);
  age(dir, "x.1", 10000); /* silent, perhaps suspended; but it holds its lock */
  assert_int_equal(look(dir, "x").life, ES_CLAIM_ALIVE);
  assert_true(es_claim_touch(&c, dir, "x"));
  assert_true(es_claim_is_held(&c, dir, "x"));
  assert_int_equal(es_claim_take(dir, "x", 2, &d), ES_OK);
  assert_true(d.fd >= 0);
  assert_int_equal(look(dir, "x").generation, 2);
  assert_int_equal(look(dir, "x").life, ES_CLAIM_ALIVE);
  assert_false(es_claim_is_held(&c, dir, "x"));
  assert_false(es_claim_touch(&c, dir, "x")); /* the first one sees that it has lost */
  es_claim_release(&d, true);
  assert_int_equal(look(dir, "x").generation, 1);
  es_claim_release(&c, false);
}

/* Its lock says nothing here: its beats do. */
static void a_claim_from_elsewhere_lives_by_its_beats(void **state) {
  const char *const dir = *state;
  es_claim_watch w = {.generation = 0};
  es_claim c;
  assert_int_equal(es_claim_take(dir, "r", 1, &c), ES_OK);
  move_away(dir, "r.1");
  assert_int_equal(watch(dir, "r", &w).life, ES_CLAIM_UNSURE); /* new, or just killed */
  assert_int_equal(watch(dir, "r", &w).life, ES_CLAIM_UNSURE);
  age(dir, "r.1", 5); /* another time: a beat */
  assert_int_equal(watch(dir, "r", &w).life, ES_CLAIM_ALIVE);
  age(dir, "r.1", 20); /* more than a quarter of 60 s ago: perhaps */
  assert_int_equal(watch(dir, "r", &w).life, ES_CLAIM_UNSURE);
  age(dir, "r.1", 61);
  assert_int_equal(watch(dir, "r", &w).life, ES_CLAIM_DEAD);
  es_claim_release(&c, false);
}

/* A file that a killed process of the same number has left does not stop the clock. */
static void the_clock_is_that_of_the_file_system(void **state) {
  const char *const dir = *state;
  char path[256], left[512];
  snprintf(path, sizeof path, "%s/clock", dir);
  es_once_own_name(path, left, sizeof left);
  FILE *f = fopen(left, "w");
  assert_non_null(f);
  fclose(f);
  const double t = es_claim_clock(dir);
  assert_true(t > 1e9);
  assert_int_not_equal(access(left, F_OK), 0);
  assert_true(es_claim_clock(dir) >= t);
  assert_true(isnan(es_claim_clock("/nonexistent")));
}

/* The lock goes with the process, so that its host sees at once that it has died. */
static void a_killed_process_loses_its_claim(void **state) {
  const char *const dir = *state;
  const pid_t pid = fork();
  if (pid == 0) {
    es_claim c;
    (void) es_claim_take(dir, "k", 1, &c);
    for (;;) pause();
  }
  while (look(dir, "k").generation == 0) usleep(1000);
  age(dir, "k.1", 5);
  assert_int_equal(look(dir, "k").life, ES_CLAIM_ALIVE);
  es_claim_watch w = {.generation = 0};
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  /* its other processes may still be about, however long ago it was touched */
  assert_int_equal(watch(dir, "k", &w).life, ES_CLAIM_UNSURE);
  usleep(1200000);
  assert_int_equal(watch(dir, "k", &w).life, ES_CLAIM_UNSURE);
  age(dir, "k.1", 1); /* a touch: the two seconds begin again */
  assert_int_equal(watch(dir, "k", &w).life, ES_CLAIM_UNSURE);
  usleep(1200000);
  assert_int_equal(watch(dir, "k", &w).life, ES_CLAIM_UNSURE);
  usleep(1000000);
  assert_int_equal(watch(dir, "k", &w).life, ES_CLAIM_DEAD);
}

/* The run of a queue, taken and failed. @return was there one to take? */
static bool take_and_fail(const es_queue *q) {
  es_run_state s;
  es_claim c;
  bool unsure;
  int run;
  assert_int_equal(es_queue_next(q, &run, &c, &s, &unsure), ES_OK);
  if (run < 0) return false;
  s.phase = ES_RUN_FAILED;
  assert_int_equal(es_run_state_write(q->plan->dir, "f", &s), ES_OK);
  es_claim_release(&c, false);
  return true;
}

/* Two jobs that retry failures do not pass a run to and fro. */
static void each_failure_is_retried_once(void **state) {
  char *const dir = *state;
  es_sweep_run r = {.id = "f0", .name = "f"};
  const es_sweep_plan plan = {.n = 1, .run = &r, .dir = dir};
  es_run_memory memory[4] = {{.taken = false}};
  es_queue q[4];
  for (int i = 0; i < 4; i++) {
    q[i] = (es_queue){
        .plan = &plan, .stale = 60, .retry = i > 0, .only = -1, .memory = &memory[i]};
    snprintf(q[i].dir, sizeof q[i].dir, "%s", dir);
    snprintf(q[i].job, sizeof q[i].job, "job %d", i);
  }
  assert_true(take_and_fail(&q[0]));
  assert_false(take_and_fail(&q[0]));
  usleep(50000); /* a tick of the file system's clock */
  q[1].began = q[2].began = es_claim_clock(dir);
  usleep(50000);
  assert_true(take_and_fail(&q[1]));
  for (int i = 0; i < 3; i++) assert_false(take_and_fail(&q[i]));
  usleep(50000);
  q[3].began = es_claim_clock(dir); /* a job that begins later */
  usleep(50000);
  assert_true(take_and_fail(&q[3]));
  for (int i = 0; i < 4; i++) assert_false(take_and_fail(&q[i]));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIR(one_of_many_gets_a_claim),
      IN_DIR(claims_live_and_die),
      IN_DIR(a_claim_from_elsewhere_lives_by_its_beats),
      IN_DIR(the_clock_is_that_of_the_file_system),
      IN_DIR(a_killed_process_loses_its_claim),
      IN_DIR(each_failure_is_retried_once),
  };
  es_log_mute(true);
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  return failed != 0 || es_mem_now() != 0;
}
