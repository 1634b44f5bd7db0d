/* SPDX-License-Identifier: BSD-3-Clause */
/** @file watch.c  Reads what watch.h shows of a run's folder. */
#include "eigenstep/watch.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "eigenstep/run_facts.h"

enum { PATH_BYTES = 1200, LINE_BYTES = 512, MOST_COLUMNS = 16 };

static es_watch_state state_of(const es_watched *w) {
  if (strncmp(w->status, "RUNNING", 7) != 0) return ES_WATCH_ENDED;
  if (es_run_facts_in_use(w->dir)) return ES_WATCH_RUNNING;
  return es_run_facts_is_here(w->dir) || w->age > ES_RUN_FACTS_LOST ? ES_WATCH_GONE
                                                                    : ES_WATCH_SILENT;
}

/* The number under `name` of the table's last row. */
static double column(char names[][32], const double *value, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0) return value[i];
  return NAN;
}

/* Names from a heading "#  step  time ...", numbers from a row; returns how many. */
static int split(char *line, char names[][32], double *value) {
  int n = 0;
  char *rest = line;
  for (char *word = strtok_r(line, " #\n", &rest); word != NULL && n < MOST_COLUMNS;
       word = strtok_r(NULL, " #\n", &rest), n++) {
    if (names != NULL) snprintf(names[n], 32, "%.31s", word);
    if (value != NULL) value[n] = strcmp(word, "-") == 0 ? NAN : strtod(word, NULL);
  }
  return n;
}

/* timesteps.txt; a row that is being written lacks its end and is left out. */
static void read_table(const char *dir, es_watch_progress *p) {
  char path[PATH_BYTES], line[LINE_BYTES], names[MOST_COLUMNS][32] = {{0}};
  double value[MOST_COLUMNS];
  int n = 0;
  bool headed = false;
  snprintf(path, sizeof path, "%s/timesteps.txt", dir);
  FILE *const f = fopen(path, "r");
  for (int i = 0; i < MOST_COLUMNS; i++) value[i] = NAN;
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    const bool whole = strchr(line, '\n') != NULL, heading = line[0] == '#';
    if (!whole) continue;
    if (heading && !headed) n = split(line, names, NULL);
    headed = headed || heading;
    if (!heading) (void) split(line, NULL, value);
  }
  if (f != NULL) fclose(f);
  p->step = column(names, value, n, "step");
  p->time = column(names, value, n, "time");
  p->loss = column(names, value, n, "loss");
  p->learned = column(names, value, n, "modes");
  if (isnan(p->learned)) p->learned = column(names, value, n, "learned");
  p->speed = column(names, value, n, "speed");
  p->left = column(names, value, n, "ETA");
}

/* Rank 0: the text files. */
static es_status read_texts(es_watched *w) {
  es_run_facts_line(w->dir, "STATUS", "", w->status, sizeof w->status);
  if (w->status[0] == '\0') return es_run_facts_refuse(w->dir, "STATUS", ENOENT);
  w->age = es_run_facts_age(w->dir);
  w->state = state_of(w);
  read_table(w->dir, &w->now);
  if (!isnan(w->now.speed)) w->now.steps = es_run_facts_steps(w->dir);
  return ES_OK;
}

/* Collective. The last number of a series, NaN where the file has none. */
static es_status last_of(es_h5 *f, const char *path, double *value) {
  es_traj_rows r = {0};
  *value = NAN;
  if (!es_h5_exists(f, path)) return ES_OK;
  ES_TRY(es_traj_read_series(f, path, 1, &r));
  if (r.n > 0) *value = r.values[r.n - 1];
  es_traj_rows_free(&r);
  return ES_OK;
}

/* Collective. */
static es_status read_curves(es_h5 *f, es_watched *w) {
  const char *const loss =
      es_h5_exists(f, "/probe_loss/value") ? "/probe_loss/value" : "/loss/value";
  if (es_h5_exists(f, loss)) ES_TRY(es_traj_read_series(f, loss, 0, &w->loss));
  if (es_h5_exists(f, "/spectrum")) ES_TRY(es_traj_read_followed(f, 0, &w->eigenvalues));
  const char *const features = "/features/spectrum/covariance/eigenvalues";
  if (es_h5_exists(f, features))
    ES_TRY(es_traj_read_series(f, features, 0, &w->features));
  ES_TRY(last_of(f, "/forecast/mode", &w->now.mode));
  ES_TRY(last_of(f, "/forecast/step_forecast", &w->now.at_step));
  ES_TRY(last_of(f, "/forecast/step_error", &w->now.at_step_error));
  return last_of(f, "/forecast/time_forecast", &w->now.at_time);
}

/* Collective. What is not yet published is not missing. */
static es_status read_trajectory(const es_comm *c, es_watched *w) {
  char path[PATH_BYTES];
  es_h5 *f = NULL;
  int64_t there;
  snprintf(path, sizeof path, "%s/trajectory.h5", w->dir);
  there = c->rank == 0 && access(path, R_OK) == 0;
  es_comm_bcast(c, &there, sizeof there, 0);
  if (there == 0) return ES_OK;
  ES_TRY(es_traj_read_open(c, path, &f));
  const es_status st = read_curves(f, w);
  const es_status closed = es_h5_close(&f);
  return st != ES_OK ? st : closed;
}

es_status es_watch_read(const es_comm *c, const char *dir, es_watched *w) {
  *w = (es_watched){.now = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN}};
  snprintf(w->dir, sizeof w->dir, "%s", dir);
  ES_TRY(es_comm_agree(c, c->rank == 0 ? read_texts(w) : ES_OK));
  es_comm_bcast(c, w, sizeof *w, 0); /* no pointer is set yet */
  const es_status st = read_trajectory(c, w);
  if (st != ES_OK) es_watch_free(w);
  return st;
}

void es_watch_free(es_watched *w) {
  es_traj_rows_free(&w->loss);
  es_traj_rows_free(&w->eigenvalues);
  es_traj_rows_free(&w->features);
}

bool es_watch_is_over(const es_watched *w) {
  return w->state == ES_WATCH_ENDED || w->state == ES_WATCH_GONE;
}
