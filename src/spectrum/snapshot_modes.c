/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_modes.c  The transition detector of a snapshot, fed with the
 *  eigenvalues of the followed matrix: /forecast row by row, /steps at the end. */
#include <string.h>
#include "eigenstep/mem.h"
#include "snapshot_private.h"

static const char per_time[] = "1 / (learning rate x steps)";
static const char time_unit[] = "learning rate x steps";

es_status es_snapshot_declare_forecast(es_snapshot *s) {
  const es_traj_field field[] = {
      ES_TRAJ_SCALAR("mode", "1", "next mode to be learned; 0: all are learned"),
      ES_TRAJ_SCALAR("step_predicted", "steps",
                     "step at which its eigenvalue crosses half of its final value, "
                     "extrapolated from the exponential phase"),
      ES_TRAJ_SCALAR("time_predicted", time_unit, "effective time of that step"),
      ES_TRAJ_SCALAR("gamma", per_time, "growth rate gamma of the mode so far"),
      ES_TRAJ_SCALAR("gamma_error", per_time, "standard error of gamma")};
  return es_traj_declare(s->traj, "/forecast",
                         "forecast of the next mode to be learned, made at each "
                         "snapshot; NaN where there is none yet",
                         field, sizeof field / sizeof *field, &s->modes.series);
}

/* Feed the transition detector one snapshot. */
static es_status add(es_snapshot_modes *m, int k, int64_t step, double time,
                     const double *value) {
  memcpy(m->value, value, (size_t) k * sizeof *value);
  return es_transitions_add(m->detector, step, time, m->value);
}

es_status es_snapshot_append_forecast(es_snapshot *s, const es_moment *now) {
  const double *const value = s->matrices.followed->spectrum->value;
  ES_TRY(add(&s->modes, s->size.k, now->step, now->time, value));
  const es_forecast f = es_transitions_next(s->modes.detector);
  const double row[] = {f.mode, f.step, f.time, f.gamma, f.gamma_error};
  return es_traj_append(s->traj, s->modes.series, now->step, now->time, row);
}

es_status es_snapshot_recall(es_snapshot *s) {
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

int es_snapshot_learned(const es_snapshot *s) {
  return es_transitions_learned(s->modes.detector);
}

es_forecast es_snapshot_next(const es_snapshot *s) {
  return es_transitions_next(s->modes.detector);
}

int es_snapshot_transitions(const es_snapshot *s, es_transition *rows) {
  es_transitions_table(s->modes.detector, rows);
  return s->size.k;
}

es_status es_snapshot_write_transitions(es_snapshot *s) {
  const es_traj_field col[] = {
      ES_TRAJ_SCALAR("mode", "1", "number of the mode, largest eigenvalue first"),
      ES_TRAJ_SCALAR("step_measured", "steps",
                     "step at which the eigenvalue crossed half of its final value (the "
                     "median of the latest), dips of one snapshot ignored"),
      ES_TRAJ_SCALAR("time_measured", time_unit, "effective time of that crossing"),
      ES_TRAJ_SCALAR("step_predicted", "steps",
                     "forecast of that step, extrapolated from the exponential phase"),
      ES_TRAJ_SCALAR("time_predicted", time_unit, "effective time of the forecast"),
      ES_TRAJ_SCALAR("gamma", per_time,
                     "growth rate of the eigenvalue in the exponential phase over the "
                     "loss's factor (8 for Barlow Twins)"),
      ES_TRAJ_SCALAR("gamma_error", per_time, "standard error of gamma")};
  enum { COLS = sizeof col / sizeof col[0] };
  es_transition *row = NULL;
  double *v = NULL;
  es_status st = ES_NEW(s->size.k, &row);
  if (st == ES_OK) st = ES_NEW(COLS * (size_t) s->size.k, &v);
  st = es_comm_agree(s->grid->comm, st);
  if (st != ES_OK) goto done;
  es_transitions_table(s->modes.detector, row);
  for (int i = 0; i < s->size.k; i++) {
    double *r = v + (size_t) i * COLS;
    r[0] = row[i].mode;
    r[1] = row[i].step;
    r[2] = row[i].time;
    r[3] = row[i].step_predicted;
    r[4] = row[i].time_predicted;
    r[5] = row[i].gamma;
    r[6] = row[i].gamma_error;
  }
  st = es_traj_write_table(
      s->traj,
      &(es_traj_table){.path = "/steps",
                       .doc = "transitions: when each mode was learned, one row a mode",
                       .column = col,
                       .columns = COLS,
                       .rows = s->size.k,
                       .values = v});
done:
  es_free(&v);
  es_free(&row);
  return st;
}
