/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prediction_score.c  How well the steps of a run were predicted:
 *  |ln(measured / predicted)| over its learned modes, of the prediction from the start
 *  and of the forecasts made in the run. 0.1 is a tenth too early or too late. */
#include "eigenstep/initial_prediction.h"

#include <math.h>
#include <stdlib.h>
#include "eigenstep/mem.h"

/* Beyond this factor a prediction does not hold. */
#define HOLDS 1.25

typedef struct score {
  int known, held; /* with an expected step; the leading ones within the factor */
  double median, largest;
} score;

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* error: [n] |ln ratio| by mode, NaN where a mode is not learned or has no expected step;
 * sorted here. */
static score score_of(int n, double *error) {
  score s = {.median = NAN, .largest = NAN};
  while (s.held < n && error[s.held] <= log(HOLDS)) s.held++;
  for (int i = 0; i < n; i++)
    if (isfinite(error[i])) error[s.known++] = error[i];
  if (s.known == 0) return s;
  qsort(error, (size_t) s.known, sizeof *error, ascending);
  s.median = (error[(s.known - 1) / 2] + error[s.known / 2]) / 2;
  s.largest = error[s.known - 1];
  return s;
}

static void print(const char *what, const char *step, const score *s) {
  if (s->known == 0) return;
  char held[64] = "the first mode is off by more than a factor";
  if (s->held == 1) snprintf(held, sizeof held, "the first mode is within a factor");
  if (s->held > 1)
    snprintf(held, sizeof held, "the first %d modes are within a factor", s->held);
  es_print("%s of %d learned modes: median |ln(measured / %s)| = %.2g, largest %.2g; %s "
           "of %.2f",
           what, s->known, step, s->median, s->largest, held, HOLDS);
}

/* Collective. Columns of /steps. ratio: [2][n] of both sources. */
static es_status write_ratios(es_traj *t, int n, double *const *ratio, double *row) {
  enum { COLUMNS = 3 };
  const es_traj_field column[COLUMNS] = {
      ES_TRAJ_SCALAR("mode", "1", "number of the mode, largest eigenvalue first"),
      ES_TRAJ_SCALAR("log_ratio_start", "1",
                     "ln(step measured / step predicted from the start)"),
      ES_TRAJ_SCALAR("log_ratio_forecast", "1",
                     "ln(step measured / step forecast in the run)")};
  for (int i = 0; i < n; i++) {
    row[i * COLUMNS] = i + 1;
    for (int k = 0; k < 2; k++) row[i * COLUMNS + 1 + k] = ratio[k][i];
  }
  return es_traj_write_table(
      t,
      &(es_traj_table){.path = "/steps",
                       .doc = "transitions: when each mode was learned, one row a mode",
                       .column = column,
                       .columns = COLUMNS,
                       .rows = n,
                       .values = row});
}

double es_prediction_log_ratio(const es_prediction *f, const es_transition *row) {
  const int j = row->mode - 1;
  return j < f->modes && f->step != NULL ? log(row->step / f->step[j]) : NAN;
}

es_status es_prediction_score(const es_comm *c, es_traj *t, const es_prediction *f,
                              const es_transition *row, int n) {
  enum { COLUMNS = 5 };
  const es_traj_field column[COLUMNS] = {
      ES_TRAJ_SCALAR("source", "1",
                     "0: predicted from the start; 1: forecast in the run"),
      ES_TRAJ_SCALAR("modes", "1", "learned modes whose step was predicted or forecast"),
      ES_TRAJ_SCALAR(
          "held", "1",
          "leading modes within a factor of 1.25, up to the first that is not"),
      ES_TRAJ_SCALAR("median", "1",
                     "median of |ln(step measured / step predicted or forecast)|"),
      ES_TRAJ_SCALAR("largest", "1", "its largest value")};
  double *error[2] = {NULL, NULL}, *ratios = NULL, values[2 * COLUMNS];
  es_status st = ES_NEW(n, &error[0]);
  if (st == ES_OK) st = ES_NEW(n, &error[1]);
  if (st == ES_OK) st = ES_NEW(3 * (int64_t) n, &ratios);
  st = es_comm_agree(c, st);
  for (int i = 0; i < n && st == ES_OK; i++) {
    error[0][i] = es_prediction_log_ratio(f, &row[i]);
    error[1][i] = log(row[i].step / row[i].forecast.step);
  }
  if (st == ES_OK) st = write_ratios(t, n, error, ratios);
  for (int i = 0; i < 2 * n && st == ES_OK; i++)
    error[i / n][i % n] = fabs(error[i / n][i % n]);
  for (int k = 0; k < 2 && st == ES_OK; k++) {
    const score s = score_of(n, error[k]);
    const double v[COLUMNS] = {k, s.known, s.held, s.median, s.largest};
    for (int i = 0; i < COLUMNS; i++) values[k * COLUMNS + i] = v[i];
    print(k == 0 ? "prediction from the start" : "forecast in the run",
          k == 0 ? "predicted" : "forecast", &s);
  }
  const es_traj_table table = {.path = "/score",
                               .doc =
                                   "how well the steps of learned modes were predicted",
                               .column = column,
                               .columns = COLUMNS,
                               .rows = 2,
                               .values = values};
  if (st == ES_OK) st = es_traj_write_table(t, &table);
  es_free(&ratios);
  es_free(&error[0]);
  es_free(&error[1]);
  return st;
}
