/* SPDX-License-Identifier: BSD-3-Clause */
/** @file progress.c  The thread that says what takes long (progress.h). It is made for
 *  the first activity and sleeps while there is none. */
#include "eigenstep/progress.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "eigenstep/clock.h"
#include "eigenstep/log.h"
#include "eigenstep/thread.h"

enum { DEPTH = 8, TEXT = 160, LINE = 320 };
#define QUIET 4.0  /* seconds before an activity is mentioned */
#define RARE 60.0  /* most seconds between two lines: else as long as the time so far */
#define LEAST 0.02 /* share of the work from which the rest is estimated */

typedef struct activity {
  char what[TEXT];
  double began, due; /* es_now */
  double done, total;
  bool told;
  bool silent; /* begun while nothing was to be printed */
} activity;

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool running;
  int depth;
  activity stack[DEPTH];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void tell(activity *a, double now) {
  const double spent = now - a->began, share = a->total > 0 ? a->done / a->total : 0;
  char line[LINE], so_far[32], left[32];
  es_duration(spent, so_far);
  if (share >= LEAST && share <= 1)
    snprintf(line, sizeof line, "%s: %.0f %% after %s, about %s left", a->what,
             100 * share, so_far, es_duration(spent * (1 / share - 1), left));
  else
    snprintf(line, sizeof line, "%s: %s so far", a->what, so_far);
  if (es_log_is_terminal()) {
    es_log_transient(line);
    a->due = now + 1;
  } else {
    es_info("%s", line);
    a->due = now + fmin(spent, RARE);
  }
  a->told = true;
}

/* The one that is shown; NULL: none. The lock is held. */
static activity *innermost(void) {
  const int depth = state.depth < DEPTH ? state.depth : DEPTH;
  return depth > 0 ? &state.stack[depth - 1] : NULL;
}

static void *work(void *unused) {
  pthread_mutex_lock(&state.lock);
  for (;;) {
    activity *const a = innermost();
    const double now = es_now();
    if (a == NULL || a->silent) {
      pthread_cond_wait(&state.changed, &state.lock);
    } else if (now >= a->due) {
      tell(a, now);
    } else {
      struct timespec until;
      clock_gettime(CLOCK_REALTIME, &until);
      const double at = (double) until.tv_nsec * 1e-9 + a->due - now;
      until.tv_sec += (time_t) at;
      until.tv_nsec = (long) (1e9 * (at - (double) (time_t) at));
      pthread_cond_timedwait(&state.changed, &state.lock, &until);
    }
  }
  return unused;
}

/* Without a thread nothing is said. */
static bool start_thread(void) {
  pthread_t thread;
  const bool started = es_thread_start(&thread, work, NULL) == 0;
  if (started) pthread_detach(thread);
  return started;
}

void es_progress_begin(const char *fmt, ...) {
  va_list args;
  const bool silent = !es_log_shows_progress();
  pthread_mutex_lock(&state.lock);
  if (!state.running && !silent) state.running = start_thread();
  if (state.depth < DEPTH) {
    activity *const a = &state.stack[state.depth];
    *a = (activity){.began = es_now(), .silent = silent};
    a->due = a->began + (es_log_is_terminal() ? 1 : QUIET);
    va_start(args, fmt);
    vsnprintf(a->what, sizeof a->what, fmt, args);
    va_end(args);
  }
  state.depth++; /* deeper ones are not shown */
  pthread_cond_signal(&state.changed);
  pthread_mutex_unlock(&state.lock);
}

void es_progress_at(double done, double total) {
  pthread_mutex_lock(&state.lock);
  if (state.depth > 0 && state.depth <= DEPTH) {
    innermost()->done = done;
    innermost()->total = total;
  }
  pthread_mutex_unlock(&state.lock);
}

/* The lock is held. */
static void end(bool finished) {
  char text[32];
  if (state.depth == 0 || --state.depth >= DEPTH) return;
  const activity *const a = &state.stack[state.depth];
  if (a->told && es_log_is_terminal()) es_log_transient(NULL);
  if (a->told && !es_log_is_terminal() && finished)
    es_info("%s: done in %s", a->what, es_duration(es_now() - a->began, text));
}

void es_progress_end(void) {
  pthread_mutex_lock(&state.lock);
  end(true);
  pthread_cond_signal(&state.changed);
  pthread_mutex_unlock(&state.lock);
}

int es_progress_depth(void) {
  return state.depth;
}

void es_progress_unwind(int depth) {
  pthread_mutex_lock(&state.lock);
  while (state.depth > depth) end(false);
  pthread_cond_signal(&state.changed);
  pthread_mutex_unlock(&state.lock);
}
