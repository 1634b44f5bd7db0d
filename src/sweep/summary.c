/* SPDX-License-Identifier: BSD-3-Clause */
/** @file summary.c  The rows of a sweep's summary, read from the folders of its runs. */
#include "summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "eigenstep/stored_transitions.h"
#include "eigenstep/traj_read.h"

const es_summary_text es_summary_of_mode[ES_OF_MODE] = {
    {"step", "1", "step at which the mode crossed half of its own final value"},
    {"time", "lr steps", "effective time at which it did"},
    {"predicted", "lr steps",
     "that time, predicted before the first step (linear, kernel: from the solution)"},
    {"forecast", "lr steps", "that time, extrapolated from its exponential growth"},
    {"forecast_error", "lr steps", "standard deviation of forecast: a 68 % interval"},
    {"gamma", "1", "growth rate of the mode (linear, kernel: eigenvalue of Gamma)"},
    {"start", "1", "eigenvalue of the mode at the start, as the prediction has it"}};

static double *at(const es_summary *s, int row, int q, int k) {
  return &s->mode[((size_t) row * ES_OF_MODE + (size_t) q) * ES_SUMMARY_MODES +
                  (size_t) k];
}

double es_summary_mode(const es_summary *s, int row, int q, int k) {
  return *at(s, row, q, k);
}

static void put_mode(es_summary *s, int row, int q, int k, double value) {
  *at(s, row, q, k) = value;
  if (isfinite(value) && k >= s->modes) s->modes = k + 1;
}

/* Numbers of a dataset that need not be there, a mode each. */
static void read_modes(es_h5 *f, const char *path, int q, int row, es_summary *s) {
  int64_t n = 0;
  double *value = NULL;
  if (!es_h5_exists(f, path)) return;
  if (es_traj_read_numbers(f, path, &n, &value) != ES_OK) return;
  for (int k = 0; k < n && k < ES_SUMMARY_MODES; k++) put_mode(s, row, q, k, value[k]);
  es_free(&value);
}

/* A training's transitions and forecasts, from its spectra: also of runs that go on, and
 * by the same rules for all runs of the sweep. */
static void read_training(const es_comm *self, es_h5 *f, int row, es_summary *s) {
  es_transition *t = NULL;
  int n = 0;
  if (es_stored_transitions(self, f, &t, &n) != ES_OK) return;
  for (int k = 0; k < n && k < ES_SUMMARY_MODES; k++) {
    put_mode(s, row, ES_OF_STEP, k, t[k].step);
    put_mode(s, row, ES_OF_TIME, k, t[k].time);
    put_mode(s, row, ES_OF_FORECAST, k, t[k].forecast.time);
    put_mode(s, row, ES_OF_FORECAST_ERROR, k, t[k].forecast.time_error);
  }
  es_free(&t);
}

/* A solved model's /steps holds its prediction, that of a training its forecast. */
static void read_steps(const es_comm *self, es_h5 *f, int row, es_summary *s) {
  const bool training = es_h5_exists(f, "/forecast/step");
  if (training) {
    read_training(self, f, row, s);
  } else {
    read_modes(f, "/steps/step_measured", ES_OF_STEP, row, s);
    read_modes(f, "/steps/time_measured", ES_OF_TIME, row, s);
  }
  read_modes(f, training ? "/theory/tau" : "/steps/time_predicted", ES_OF_PREDICTED, row,
             s);
  read_modes(f, training ? "/theory/gamma" : "/steps/gamma", ES_OF_GAMMA, row, s);
  read_modes(f, "/theory/start", ES_OF_START, row, s);
  for (int k = 0; k < ES_SUMMARY_MODES; k++) { /* of W there: lambda_j = gamma_j s_j^2 */
    double *const start = at(s, row, ES_OF_START, k);
    *start *= *start * es_summary_mode(s, row, ES_OF_GAMMA, k);
  }
}

/* "loss" of "/loss/value", "rankme" of "/metrics/rankme/value"; false: another series. */
static bool name_series(const char *path, char name[96]) {
  static const char *const from[] = {"/metrics/", "/accuracy/", "/loss/", "/probe_loss/"};
  const char *const end = strrchr(path, '/');
  if (strcmp(end, "/value") != 0) return false;
  for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
    const size_t n = strlen(from[i]);
    if (strncmp(path, from[i], n) != 0) continue;
    const char *const first = path + n <= end ? path + n : path + 1;
    snprintf(name, 96, "%.*s", (int) (end - first), first);
    return true;
  }
  return false;
}

es_summary_series *es_summary_column(es_summary *s, const char *name) {
  for (int i = 0; i < s->n; i++)
    if (strcmp(s->series[i].name, name) == 0) return &s->series[i];
  if (s->n == ES_SUMMARY_SERIES) return NULL;
  es_summary_series *const made = &s->series[s->n];
  if (ES_NEW(s->rows, &made->value) != ES_OK) return NULL;
  for (int i = 0; i < s->rows; i++) made->value[i] = NAN;
  snprintf(made->name, sizeof made->name, "%s", name);
  s->n++;
  return made;
}

static void read_last_values(es_h5 *f, int row, es_summary *s) {
  es_h5_names names = {.n = 0};
  if (es_traj_read_list(f, &names) != ES_OK) return;
  for (int i = 0; i < names.n; i++) {
    char name[96];
    es_traj_rows rows = {.n = 0};
    if (!name_series(names.name[i], name)) continue;
    if (es_traj_read_series(f, names.name[i], 1, &rows) != ES_OK) continue;
    es_summary_series *const c = rows.n == 1 ? es_summary_column(s, name) : NULL;
    if (c != NULL) c->value[row] = rows.values[0];
    es_traj_rows_free(&rows);
  }
  es_h5_names_free(&names);
}

/* The step before which a training had its modes changed, INFINITY: they were not. What a
 * solved model predicts knows of it. */
static double surgery_of(es_h5 *f) {
  int64_t n = 0;
  double *step = NULL, first = INFINITY;
  if (!es_h5_exists(f, "/forecast/step") || !es_h5_exists(f, "/surgery/step"))
    return first;
  if (es_traj_read_numbers(f, "/surgery/step", &n, &step) == ES_OK && n > 0)
    first = step[0];
  es_free(&step);
  return first;
}

/* What a run has published so far; one that has nothing is no error. */
static void read_run(const es_comm *self, const es_sweep_plan *p, int row,
                     es_summary *s) {
  char path[1400];
  bool whole = true;
  es_h5 *f = NULL;
  snprintf(path, sizeof path, "%s/%s/trajectory.h5", p->dir, p->run[row].name);
  if (access(path, R_OK) != 0) return;
  const es_log_scope before = es_log_enter(0);
  if (es_traj_read_open(self, path, &f) == ES_OK) {
    read_steps(self, f, row, s);
    const double until = surgery_of(f);
    read_last_values(f, row, s);
    whole = es_h5_close(&f) == ES_OK;
    snprintf(path, sizeof path, "%s/%s/ntk/ntk.h5", p->dir, p->run[row].name);
    es_summary_score(self, path, row, until, s);
  }
  es_log_leave(before);
  if (!whole)
    es_warn("run %s: its trajectory.h5 is damaged; what cannot be read of it is left out",
            p->run[row].name);
}

static es_status fill(const es_queue *q, es_summary *s) {
  es_comm *self = NULL;
  const size_t numbers = (size_t) s->rows * ES_OF_MODE * ES_SUMMARY_MODES;
  ES_TRY(ES_NEW(s->rows, &s->view));
  ES_TRY(ES_NEW(numbers, &s->mode));
  ES_TRY(ES_NEW(ES_SUMMARY_SERIES, &s->series));
  for (size_t i = 0; i < numbers; i++) s->mode[i] = NAN;
  ES_TRY(es_comm_create(MPI_COMM_SELF, &self));
  es_status st = ES_OK;
  for (int i = 0; i < s->rows && st == ES_OK; i++) {
    st = es_queue_look(q, i, &s->view[i]);
    if (st == ES_OK) read_run(self, q->plan, i, s);
  }
  es_comm_destroy(&self);
  return st;
}

es_status es_summary_make(const es_queue *q, es_summary *s) {
  *s = (es_summary){.plan = q->plan, .rows = q->plan->n};
  const es_status st = fill(q, s);
  if (st != ES_OK) es_summary_free(s);
  return st;
}

void es_summary_free(es_summary *s) {
  for (int i = 0; i < s->n; i++) es_free(&s->series[i].value);
  es_free(&s->series);
  es_free(&s->mode);
  es_free(&s->view);
  s->n = s->rows = 0;
}
