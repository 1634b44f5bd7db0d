/* SPDX-License-Identifier: BSD-3-Clause */
/** @file times.c  Measured times of modes beside two predictions of them. */
#include "times.h"

#include <math.h>
#include <stdio.h>
#include "eigenstep/mem.h"

/* Columns of /steps. */
enum { MODE, MEASURED, FEATURES, KERNEL, RATE, RATE_FEATURES, RATE_KERNEL, COLUMNS };

static const es_traj_field column[COLUMNS] = {
    ES_TRAJ_SCALAR("mode", "1", "mode, in order of eigenvalue"),
    ES_TRAJ_SCALAR("time_measured", "learning rate x steps",
                   "crossing of half the final value in the run; NaN: none"),
    ES_TRAJ_SCALAR("time_features", "learning rate x steps",
                   "predicted before the run from the features of the start"),
    ES_TRAJ_SCALAR("time_kernel", "learning rate x steps",
                   "predicted from the tangent kernel of the start"),
    ES_TRAJ_SCALAR("gamma_measured", "1", "growth rate in the run"),
    ES_TRAJ_SCALAR("gamma_features", "1", "from the features of the start"),
    ES_TRAJ_SCALAR("gamma_kernel", "1", "from the tangent kernel of the start")};

/* Collective. Column `to` of rows [n, COLUMNS] from a dataset, if the file has it. */
static es_status read_column(es_h5 *f, const char *path, int n, int to, double *rows) {
  double *value = NULL;
  int64_t found = 0;
  if (!es_h5_exists(f, path)) return ES_OK;
  ES_TRY(es_traj_read_numbers(f, path, &found, &value));
  for (int i = 0; i < n && i < found; i++) rows[i * COLUMNS + to] = value[i];
  es_free(&value);
  return ES_OK;
}

static es_status read_run(const es_comm *c, const char *dir, int n, double *rows) {
  static const struct {
    const char *path;
    int to;
  } source[] = {{"/steps/time_measured", MEASURED},
                {"/steps/gamma", RATE},
                {"/theory/tau", FEATURES},
                {"/theory/gamma", RATE_FEATURES}};
  char path[1200];
  es_h5 *f = NULL;
  snprintf(path, sizeof path, "%s/trajectory.h5", dir);
  ES_TRY(es_traj_read_open(c, path, &f));
  es_status st = ES_OK;
  for (size_t i = 0; i < sizeof source / sizeof *source && st == ES_OK; i++)
    st = read_column(f, source[i].path, n, source[i].to, rows);
  const es_status closed = es_h5_close(&f);
  return st != ES_OK ? st : closed;
}

static const char *cell(char text[16], double v) {
  if (isnan(v)) return "-";
  snprintf(text, 16, "%.4g", v);
  return text;
}

/* Factor by which times of a column are off, in the geometric mean over modes that all
 * three know; NaN: there are none. */
static double factor_off(int n, const double *rows, int of) {
  double sum = 0;
  int known = 0;
  for (int i = 0; i < n; i++) {
    const double *const r = rows + i * COLUMNS;
    if (!(r[MEASURED] > 0 && r[FEATURES] > 0 && r[KERNEL] > 0)) continue;
    sum += fabs(log(r[of] / r[MEASURED]));
    known++;
  }
  return known > 0 ? exp(sum / known) : NAN;
}

static void print(int n, const double *rows) {
  enum { SHOWN = 16 };
  es_print(
      "\nwhen modes are learned: measured, predicted from the features of the start, "
      "and from the tangent kernel of the start");
  es_print("%5s %11s %11s %11s %11s %11s %11s", "mode", "time", "features", "kernel",
           "gamma", "features", "kernel");
  for (int i = 0; i < n && i < SHOWN; i++) {
    char text[COLUMNS][16];
    const double *const r = rows + i * COLUMNS;
    es_print("%5d %11s %11s %11s %11s %11s %11s", i + 1,
             cell(text[MEASURED], r[MEASURED]), cell(text[FEATURES], r[FEATURES]),
             cell(text[KERNEL], r[KERNEL]), cell(text[RATE], r[RATE]),
             cell(text[RATE_FEATURES], r[RATE_FEATURES]),
             cell(text[RATE_KERNEL], r[RATE_KERNEL]));
  }
  if (n > SHOWN) es_print("      (%d more)", n - SHOWN);
  const double features = factor_off(n, rows, FEATURES);
  const double kernel = factor_off(n, rows, KERNEL);
  if (isfinite(kernel))
    es_print("on average the features are off by a factor of %.3g, the kernel by %.3g: "
             "the %s the better prediction",
             features, kernel, kernel < features ? "kernel is" : "features are");
  else
    es_print("no mode has a measured time and both predictions");
}

es_status es_ntk_compare_times(const es_comm *c, const char *dir, es_traj *t, int n,
                               const es_ntk_solution *s) {
  double *rows = NULL;
  es_status st = ES_COMM_NEW(c, n * COLUMNS, &rows);
  if (st != ES_OK) return st;
  for (int i = 0; i < n; i++) {
    double *const r = rows + i * COLUMNS;
    for (int k = 0; k < COLUMNS; k++) r[k] = NAN;
    r[MODE] = i + 1;
    r[RATE_KERNEL] = s->gamma[i];
    if (s->tau != NULL) r[KERNEL] = s->tau[i];
  }
  st = read_run(c, dir, n, rows);
  const es_traj_table table = {.path = "/steps",
                               .doc = "when modes are learned: measured and predicted",
                               .column = column,
                               .columns = COLUMNS,
                               .rows = n,
                               .values = rows};
  if (st == ES_OK) st = es_traj_write_table(t, &table);
  if (st == ES_OK) print(n, rows);
  es_free(&rows);
  return st;
}
