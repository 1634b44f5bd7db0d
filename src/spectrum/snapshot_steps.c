/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_steps.c  The step detector of a snapshot: /forecast row by row, /steps
 *  at the end. */
#include <string.h>
#include "eigenstep/mem.h"
#include "snapshot_private.h"

es_status es_snapshot_declare_forecast(es_snapshot *s) {
  static const es_traj_field field[] = {
      ES_TRAJ_SCALAR("mode", "1", "the next mode to rise; 0: all have risen"),
      ES_TRAJ_SCALAR("step_predicted", "steps",
                     "forecast of the step at which it reaches half of its final value"),
      ES_TRAJ_SCALAR("time_predicted", "learning rate x steps",
                     "effective time of that step"),
      ES_TRAJ_SCALAR("gamma", "1 / (learning rate x steps)",
                     "its growth rate so far, gamma"),
      ES_TRAJ_SCALAR("gamma_error", "1 / (learning rate x steps)",
                     "standard error of that fit")};
  return es_traj_declare(
      s->traj, "/forecast",
      "the next step as foretold at each snapshot; NaN while it cannot", field,
      sizeof field / sizeof *field, &s->forecast_series);
}

es_status es_snapshot_follow(es_snapshot *s, int64_t step, double time) {
  ES_TRY(es_steps_add(s->steps, step, time, s->leading));
  const es_forecast f = es_steps_next(s->steps);
  const double row[] = {f.mode, f.step, f.time, f.gamma, f.gamma_error};
  return es_traj_append(s->traj, s->forecast_series, step, time, row);
}

/* The series of the eigenvalues that steps are looked for in, as es_snapshot_take leaves
 * them in s->leading. */
static int leading_series(const es_snapshot *s) {
  if (s->unit) return s->unit_series;
  const bool cross = s->cross && (s->opt.cross_modes || !s->covariance);
  return cross ? s->cross_series : s->covariance_series;
}

es_status es_snapshot_recall(es_snapshot *s) {
  es_traj_rows r;
  ES_TRY(es_traj_history(s->traj, leading_series(s), &r));
  es_status st = ES_OK;
  for (int64_t i = 0; i < r.n && st == ES_OK; i++) {
    memcpy(s->leading, r.values + i * s->k, (size_t) s->k * sizeof *s->leading);
    st = es_steps_add(s->steps, r.step[i], r.time[i], s->leading);
  }
  es_traj_rows_free(&r);
  return es_comm_agree(s->grid->comm, st);
}

int es_snapshot_learned(const es_snapshot *s) {
  return es_steps_learned(s->steps);
}

es_forecast es_snapshot_next(const es_snapshot *s) {
  return es_steps_next(s->steps);
}

int es_snapshot_steps(const es_snapshot *s, es_step_row *rows) {
  es_steps_table(s->steps, rows);
  return s->k;
}

es_status es_snapshot_write_steps(es_snapshot *s) {
  static const es_traj_field col[] = {
      ES_TRAJ_SCALAR("mode", "1", "number of the mode, largest eigenvalue first"),
      ES_TRAJ_SCALAR(
          "step_measured", "steps",
          "step at which the eigenvalue crossed half of its final value, the median "
          "of the latest; dips of one snapshot aside"),
      ES_TRAJ_SCALAR("time_measured", "learning rate x steps",
                     "effective time of that crossing"),
      ES_TRAJ_SCALAR("step_predicted", "steps",
                     "crossing forecast from the exponential window"),
      ES_TRAJ_SCALAR("time_predicted", "learning rate x steps",
                     "effective time of that forecast"),
      ES_TRAJ_SCALAR(
          "gamma", "1 / (learning rate x steps)",
          "growth rate fitted in that window over the loss's factor (8 for Barlow "
          "Twins)"),
      ES_TRAJ_SCALAR("gamma_error", "1 / (learning rate x steps)",
                     "standard error of that fit")};
  enum { COLS = sizeof col / sizeof col[0] };
  es_step_row *row = NULL;
  double *v = NULL;
  es_status st = ES_NEW(s->k, &row);
  if (st == ES_OK) st = ES_NEW(COLS * (size_t) s->k, &v);
  st = es_comm_agree(s->grid->comm, st);
  if (st != ES_OK) goto done;
  es_steps_table(s->steps, row);
  for (int i = 0; i < s->k; i++) {
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
      s->traj, &(es_traj_table){.path = "/steps",
                                .doc = "the step detector's table, one row a mode",
                                .column = col,
                                .columns = COLS,
                                .rows = s->k,
                                .values = v});
done:
  es_free(&v);
  es_free(&row);
  return st;
}
