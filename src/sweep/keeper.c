/* SPDX-License-Identifier: BSD-3-Clause */
/** @file keeper.c  Signs of life, reports and requests to stop, from a thread. */
#define _POSIX_C_SOURCE 200809L
#include "keeper.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include "eigenstep/clock.h"
#include "eigenstep/log.h"
#include "eigenstep/mem.h"
#include "eigenstep/stop.h"
#include "eigenstep/thread.h"

#define LOOK 2.0 /* seconds between two looks for the file `stop` */

struct es_keeper {
  es_kept kept;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  bool stop;
};

/* Wait for so many seconds or until told to stop. The lock is held. */
static void wait_for(es_keeper *k, double seconds) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until); /* as the condition's */
  const double end = (double) until.tv_sec + 1e-9 * (double) until.tv_nsec + seconds;
  until.tv_sec = (time_t) floor(end);
  until.tv_nsec = (long) (1e9 * (end - floor(end)));
  pthread_cond_timedwait(&k->wake, &k->lock, &until);
}

static void beat(const es_kept *kept) {
  if (es_claim_touch(kept->claim, kept->queue, kept->id)) return;
  es_warn_local("run %s: another job has taken it over, after this one had stood still; "
                "this job ends so that only one writes to its folder",
                kept->id);
  raise(SIGKILL);
}

static void *keep(void *ctx) {
  es_keeper *const k = ctx;
  const es_kept *const kept = &k->kept;
  es_log_mute(true); /* its errors are not the reason of a run's end */
  double next_beat = es_now(), next_report = es_now() + kept->every;
  pthread_mutex_lock(&k->lock);
  while (!k->stop) {
    pthread_mutex_unlock(&k->lock);
    if (es_now() >= next_beat) {
      beat(kept);
      next_beat = es_now() + kept->beat;
    }
    if (kept->report != NULL && es_now() >= next_report) {
      kept->report(kept->ctx);
      next_report = es_now() + kept->every;
    }
    if (kept->stop_file != NULL && access(kept->stop_file, F_OK) == 0)
      es_stop_request(ES_STOP_FILE);
    double next = fmin(next_beat, es_now() + LOOK);
    if (kept->report != NULL) next = fmin(next, next_report);
    pthread_mutex_lock(&k->lock);
    if (!k->stop) wait_for(k, fmax(next - es_now(), 0.01));
  }
  pthread_mutex_unlock(&k->lock);
  return NULL;
}

/* A condition that waits by the clock that nobody sets. */
static void make_condition(pthread_cond_t *c) {
  pthread_condattr_t how;
  pthread_condattr_init(&how);
  pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
  pthread_cond_init(c, &how);
  pthread_condattr_destroy(&how);
}

es_status es_keeper_start(const es_kept *kept, es_keeper **out) {
  es_keeper *k = NULL;
  ES_TRY(ES_NEW(1, &k));
  k->kept = *kept;
  pthread_mutex_init(&k->lock, NULL);
  make_condition(&k->wake);
  const int err = es_thread_start(&k->thread, keep, k);
  if (err == 0) {
    *out = k;
    return ES_OK;
  }
  es_error("cannot start a thread for a run's signs of life (error %d)", err);
  pthread_cond_destroy(&k->wake);
  pthread_mutex_destroy(&k->lock);
  es_free(&k);
  return ES_ENOMEM;
}

void es_keeper_stop(es_keeper **k) {
  if (*k == NULL) return;
  pthread_mutex_lock(&(*k)->lock);
  (*k)->stop = true;
  pthread_cond_signal(&(*k)->wake);
  pthread_mutex_unlock(&(*k)->lock);
  pthread_join((*k)->thread, NULL);
  pthread_cond_destroy(&(*k)->wake);
  pthread_mutex_destroy(&(*k)->lock);
  es_free(k);
}
