/* SPDX-License-Identifier: BSD-3-Clause */
/** @file clock.c  Wall time and named phases. */
#define _POSIX_C_SOURCE 200809L
#include "eigenstep/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

double es_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

double es_cpu_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

const char *es_duration(double seconds, char text[32]) {
  if (!isfinite(seconds))
    snprintf(text, 32, "unknown");
  else if (seconds < 120)
    snprintf(text, 32, "%.0f s", seconds);
  else if (seconds < 2 * 3600)
    snprintf(text, 32, "%.0f min", seconds / 60);
  else
    snprintf(text, 32, "%.1f h", seconds / 3600);
  return text;
}

void es_timestamp(char *buf, size_t size) {
  const time_t t = time(NULL);
  struct tm utc;
  if (size == 0) return;
  buf[0] = '\0';
  if (gmtime_r(&t, &utc) != NULL) strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

const char *es_phase_name(es_phase_id p) {
  static const char *const names[ES_PHASES] = {"data",     "forward",   "loss",
                                               "backward", "allreduce", "optim",
                                               "probe",    "snapshot",  "ckpt"};
  return (int) p >= 0 && p < ES_PHASES ? names[p] : "unknown";
}

void es_clock_mark(es_clock *c) {
  c->mark = es_now();
}

void es_clock_lap(es_clock *c, es_phase_id p) {
  const double t = es_now();
  c->seconds[p] += t - c->mark;
  c->mark = t;
}
