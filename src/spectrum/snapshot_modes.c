/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_modes.c  The transition detector of a snapshot, fed with the
 *  eigenvalues of the followed matrix: /forecast row by row, /steps at the end. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "snapshot_private.h"

/* Times what is expected, an eigenvalue shows a training that has diverged: even an
 * encoder that is started far too large shrinks. */
#define EXPLODED 1e6

static const char per_time[] = "1 / (learning rate x steps)";
static const char time_unit[] = "learning rate x steps";
static const char error_doc[] =
    "standard deviation of step_forecast: the step is to lie within it in 68 % of cases";

/* Collective. The names that forecasts had before, for readers of these; `resumed`: the
 * file may be of a version that knew only them. */
static es_status keep_names(es_traj *t, const char *group, bool resumed) {
  static const char *const names[][2] = {{"step_forecast", "step_predicted"},
                                         {"time_forecast", "time_predicted"}};
  es_h5 *const f = es_traj_h5(t);
  for (int i = 0; i < 2; i++) {
    char now[64], before[64];
    snprintf(now, sizeof now, "%s/%s", group, names[i][0]);
    snprintf(before, sizeof before, "%s/%s", group, names[i][1]);
    if (!resumed)
      ES_TRY(es_h5_link(f, now, before));
    else if (!es_h5_exists(f, now) && es_h5_exists(f, before))
      ES_TRY(es_h5_link(f, before, now));
  }
  return ES_OK;
}

es_status es_snapshot_declare_forecast(es_snapshot *s) {
  s->modes.series = -1;
  if (s->opt.of == ES_SNAPSHOT_FEATURES) return ES_OK; /* of levels that nobody knows */
  if (es_traj_resumed(s->traj)) ES_TRY(keep_names(s->traj, "/forecast", true));
  const es_traj_field field[] = {
      ES_TRAJ_SCALAR("mode", "1", "next mode to be learned; 0: all are learned"),
      ES_TRAJ_SCALAR(
          "step_forecast", "steps",
          "step at which its eigenvalue will have crossed half of its own final "
          "value, extrapolated from the exponential phase"),
      ES_TRAJ_SCALAR("time_forecast", time_unit, "effective time of that step"),
      ES_TRAJ_SCALAR("gamma", per_time, "growth rate gamma of the mode so far"),
      ES_TRAJ_SCALAR("gamma_error", per_time, "standard error of gamma"),
      ES_TRAJ_SCALAR("step_error", "steps", error_doc),
      ES_TRAJ_SCALAR("time_error", time_unit, "the same of time_forecast")};
  int columns = sizeof field / sizeof *field;
  if (es_traj_resumed(s->traj) && es_h5_exists(es_traj_h5(s->traj), "/forecast/mode") &&
      !es_h5_exists(es_traj_h5(s->traj), "/forecast/step_error"))
    columns -= 2; /* a file of a version that knew no errors goes on without */
  ES_TRY(es_traj_declare(s->traj, "/forecast",
                         "forecast of the next mode to be learned, made at each "
                         "snapshot; NaN where there is none yet",
                         field, columns, &s->modes.series));
  return keep_names(s->traj, "/forecast", false);
}

/* Feed the transition detector one snapshot, of k values. */
static es_status add(es_snapshot_modes *m, int k, int64_t step, double time,
                     const double *value) {
  memcpy(m->value, value, (size_t) k * sizeof *value);
  if (m->first == 0) m->first = value[0];
  return es_transitions_add(m->detector, step, time, m->value);
}

es_status es_snapshot_append_forecast(es_snapshot *s, const es_moment *now) {
  const double *const value = s->matrices.followed->spectrum->value;
  ES_TRY(es_comm_agree(s->grid->comm,
                       add(&s->modes, s->size.k, now->step, now->time, value)));
  if (s->modes.series < 0) return ES_OK;
  const es_forecast f = es_transitions_next(s->modes.detector);
  const double row[] = {f.mode,        f.step,       f.time,      f.gamma,
                        f.gamma_error, f.step_error, f.time_error};
  return es_traj_append(s->traj, s->modes.series, now->step, now->time, row);
}

es_status es_snapshot_replay(es_snapshot *s) {
  const int k = s->size.k;
  es_traj_rows r;
  es_status st = ES_OK;
  ES_TRY(es_traj_history(s->traj, s->matrices.followed->series, &r));
  for (int64_t i = 0; i < r.n && st == ES_OK; i++)
    st = add(&s->modes, k, r.step[i], r.time[i], r.values + i * k);
  es_traj_rows_free(&r);
  return es_comm_agree(s->grid->comm, st);
}

const double *es_snapshot_values(const es_snapshot *s, int *k) {
  *k = s->size.k;
  return s->modes.value;
}

const double *es_snapshot_values_of(const es_snapshot *s, const char *matrix, int *k) {
  *k = s->size.k;
  for (int i = 0; i < s->matrices.n; i++) {
    const es_matrix *const m = &s->matrices.of[i];
    if (strcmp(m->ops->name, matrix) == 0 && m->spectrum != NULL)
      return m->spectrum->value;
  }
  return NULL;
}

bool es_snapshot_has_exploded(const es_snapshot *s, double *expected) {
  *expected = fmax(s->opt.settled, s->modes.first);
  return s->modes.value[0] > EXPLODED * *expected;
}

int es_snapshot_learned(const es_snapshot *s) {
  return es_transitions_learned(s->modes.detector);
}

es_forecast es_snapshot_next(const es_snapshot *s) {
  return es_transitions_next(s->modes.detector);
}

int es_snapshot_transitions(const es_snapshot *s, es_transition *rows) {
  es_transitions_table(s->modes.detector, rows);
  return s->size.modes;
}

/* Columns of /steps, and which are of a forecast: features have none. */
static const struct {
  es_traj_field field;
  bool forecast;
} columns[] = {
    {ES_TRAJ_SCALAR("mode", "1", "number of the mode, largest eigenvalue first"), false},
    {ES_TRAJ_SCALAR("step_measured", "steps",
                    "step at which the eigenvalue of a mode that is learned crossed half "
                    "of its own final value (the median of the latest), dips of one "
                    "snapshot ignored"),
     false},
    {ES_TRAJ_SCALAR("time_measured", time_unit, "effective time of that crossing"),
     false},
    {ES_TRAJ_SCALAR("step_forecast", "steps",
                    "forecast of that step, extrapolated from the exponential phase"),
     true},
    {ES_TRAJ_SCALAR("time_forecast", time_unit, "effective time of the forecast"), true},
    {ES_TRAJ_SCALAR("step_first", "steps",
                    "step of the first crossing, where the mode fell after it and, if "
                    "state is 1, rose again; else step_measured"),
     false},
    {ES_TRAJ_SCALAR("time_first", time_unit, "effective time of that crossing"), false},
    {ES_TRAJ_SCALAR("gamma", per_time,
                    "growth rate of the eigenvalue in the exponential phase over the "
                    "loss's factor (8 for Barlow Twins)"),
     true},
    {ES_TRAJ_SCALAR("gamma_error", per_time, "standard error of gamma"), true},
    {ES_TRAJ_SCALAR("step_error", "steps", error_doc), true},
    {ES_TRAJ_SCALAR("time_error", time_unit, "the same of time_forecast"), true},
    {ES_TRAJ_SCALAR("state", "1",
                    "0 learned: its eigenvalue exceeded half of what modes of the loss "
                    "settle at (of features: any value) and stayed above 0.8 of this "
                    "half; 1 unstable: learned again after a fall; 2 learned from "
                    "the first snapshot on; 3 fell, not learned now; 4 growing; 5 risen, "
                    "but irregularly; 6 never rose; 7 stopped rising before it was "
                    "learned"),
     false}};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

/* The columns of this snapshot, and a row of them. */
static int choose_columns(const es_snapshot *s, es_traj_field col[COLUMNS]) {
  int n = 0;
  for (int i = 0; i < COLUMNS; i++)
    if (!columns[i].forecast || s->opt.of != ES_SNAPSHOT_FEATURES)
      col[n++] = columns[i].field;
  return n;
}

static void fill_row(const es_snapshot *s, const es_transition *m, double *v) {
  const es_forecast *const f = &m->forecast;
  const double all[COLUMNS] = {m->mode,        m->step,       m->time,       f->step,
                               f->time,        m->step_first, m->time_first, f->gamma,
                               f->gamma_error, f->step_error, f->time_error, m->state};
  int n = 0;
  for (int i = 0; i < COLUMNS; i++)
    if (!columns[i].forecast || s->opt.of != ES_SNAPSHOT_FEATURES) v[n++] = all[i];
}

es_status es_snapshot_write_transitions(es_snapshot *s) {
  const size_t modes = (size_t) s->size.modes;
  es_traj_field col[COLUMNS];
  const int n = choose_columns(s, col);
  char path[ES_SNAPSHOT_PATH];
  es_transition *row = NULL;
  double *v = NULL;
  es_snapshot_path(s, "/steps", path);
  es_status st = ES_NEW(modes, &row);
  if (st == ES_OK) st = ES_NEW(COLUMNS * modes, &v);
  st = es_comm_agree(s->grid->comm, st);
  if (st != ES_OK) goto done;
  es_transitions_table(s->modes.detector, row);
  for (size_t i = 0; i < modes; i++) fill_row(s, &row[i], v + i * (size_t) n);
  st = es_traj_write_table(
      s->traj, &(es_traj_table){
                   .path = path,
                   .doc = "transitions: when each mode that is learned crossed half of "
                          "its own final value, one row a mode",
                   .column = col,
                   .columns = n,
                   .rows = s->size.modes,
                   .values = v});
  if (st == ES_OK && s->opt.of != ES_SNAPSHOT_FEATURES)
    st = keep_names(s->traj, path, false);
done:
  es_free(&v);
  es_free(&row);
  return st;
}
