/* SPDX-License-Identifier: BSD-3-Clause */
/** @file report.c  The progress of a sweep on the terminal. */
#define _POSIX_C_SOURCE 200809L
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"

enum { LINE = 512, SHOWN = 16 };

es_status es_report_create(const es_queue *q, int groups, es_report *r) {
  *r = (es_report){.queue = q, .began = es_now(), .groups = groups};
  ES_TRY(ES_NEW(q->plan->n, &r->seen));
  for (int i = 0; i < q->plan->n; i++) {
    es_run_view v;
    r->seen[i] = es_queue_look(q, i, &v) == ES_OK ? v.phase : ES_RUN_PENDING;
  }
  return ES_OK;
}

void es_report_free(es_report *r) {
  es_free(&r->seen);
}

/* The columns `step` and `ETA` of the last row of a run's timesteps.txt. */
static bool read_last_row(const char *dir, const char *name, double *step, double *eta) {
  char path[1400], line[LINE], head[LINE] = "", last[LINE] = "";
  snprintf(path, sizeof path, "%s/%s/timesteps.txt", dir, name);
  FILE *f = fopen(path, "r");
  if (f == NULL) return false;
  while (fgets(line, sizeof line, f) != NULL) {
    if (line[0] == '#' && head[0] == '\0') snprintf(head, sizeof head, "%s", line + 1);
    if (line[0] != '#') snprintf(last, sizeof last, "%s", line);
  }
  fclose(f);
  *step = *eta = NAN;
  char *h = NULL, *v = NULL;
  const char *name_of = strtok_r(head, " \n", &h), *value = strtok_r(last, " \n", &v);
  for (; name_of != NULL && value != NULL;
       name_of = strtok_r(NULL, " \n", &h), value = strtok_r(NULL, " \n", &v)) {
    if (strcmp(name_of, "step") == 0) *step = strtod(value, NULL);
    if (strcmp(name_of, "ETA") == 0) *eta = strtod(value, NULL);
  }
  return isfinite(*step);
}

static void print_ended(const es_sweep_run *r, const es_run_view *v) {
  char text[32];
  if (v->phase == ES_RUN_DONE)
    es_print_terminal("  done     %s  (%s)", r->name,
                      es_duration(v->state.seconds, text));
  if (v->phase == ES_RUN_FAILED || v->phase == ES_RUN_STOPPED)
    es_print_terminal("  %s %s  %s", v->phase == ES_RUN_FAILED ? "FAILED  " : "stopped ",
                      r->name, v->state.reason);
}

static void print_running(const es_queue *q, const es_sweep_run *r) {
  double step, eta;
  char text[32];
  if (!read_last_row(q->plan->dir, r->name, &step, &eta))
    es_print_terminal("  running  %s", r->name);
  else if (!q->extend)
    es_print_terminal("  running  %s  step %.0f", r->name, step);
  else
    es_print_terminal("  running  %s  step %.0f of %lld, ETA %s", r->name, step,
                      (long long) r->steps, es_duration(eta, text));
}

/* What is left and what it takes, from the runs that are done. */
typedef struct forecast {
  double left, done;    /* expected units of runs not done, and done */
  double seconds;       /* that the latter took */
  int left_runs, known; /* runs not done; done ones with a time */
} forecast;

static void add(forecast *f, const es_sweep_run *r, const es_run_view *v) {
  const double units = isfinite(r->expected) ? r->expected : 1;
  if (v->phase == ES_RUN_DONE && v->state.seconds > 0) {
    f->done += units;
    f->seconds += v->state.seconds;
    f->known++;
  } else if (v->phase != ES_RUN_DONE && v->phase != ES_RUN_FAILED) {
    f->left += units;
    f->left_runs++;
  }
}

/* Seconds until all is done, by `workers` groups. */
static double remaining(const forecast *f, int workers) {
  if (f->known == 0 || f->done <= 0) return f->left_runs == 0 ? 0 : NAN;
  return f->left * f->seconds / f->done / (workers > 0 ? workers : 1);
}

void es_report_progress(void *ctx) {
  es_report *const rep = ctx;
  const es_queue *const q = rep->queue;
  int count[ES_RUN_PHASES] = {0}, shown = 0;
  forecast f = {.left = 0};
  for (int i = 0; i < q->plan->n; i++) {
    es_run_view v;
    if (es_queue_look(q, i, &v) != ES_OK) continue;
    if (v.phase != rep->seen[i]) print_ended(&q->plan->run[i], &v);
    rep->seen[i] = v.phase;
    count[v.phase]++;
    add(&f, &q->plan->run[i], &v);
  }
  char text[32];
  const int running = count[ES_RUN_RUNNING];
  es_print_terminal(
      "sweep: %d of %d done, %d running, %d failed, %d to do; %.0f s, ETA %s",
      count[ES_RUN_DONE], q->plan->n, running, count[ES_RUN_FAILED],
      q->plan->n - count[ES_RUN_DONE] - running - count[ES_RUN_FAILED],
      es_now() - rep->began,
      es_duration(remaining(&f, running > 0 ? running : rep->groups), text));
  for (int i = 0; i < q->plan->n && shown < SHOWN; i++)
    if (rep->seen[i] == ES_RUN_RUNNING) {
      print_running(q, &q->plan->run[i]);
      shown++;
    }
  if (shown < running) es_print_terminal("  ... (%d more are running)", running - shown);
}

es_status es_report_count(const es_queue *q, int count[ES_RUN_PHASES]) {
  memset(count, 0, ES_RUN_PHASES * sizeof *count);
  for (int i = 0; i < q->plan->n; i++) {
    es_run_view v;
    ES_TRY(es_queue_look(q, i, &v));
    count[v.phase]++;
  }
  return ES_OK;
}

es_status es_report_states(const es_queue *q) {
  es_print("%6s %-9s %9s  %s", "number", "state", "seconds", "run");
  for (int i = 0; i < q->plan->n; i++) {
    es_run_view v;
    ES_TRY(es_queue_look(q, i, &v));
    es_print("%6d %-9s %9.1f  %s%s%s", i + 1, es_run_phase_name(v.phase), v.state.seconds,
             q->plan->run[i].name, v.state.reason[0] != '\0' ? ": " : "", v.state.reason);
  }
  return ES_OK;
}
