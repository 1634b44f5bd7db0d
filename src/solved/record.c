/* SPDX-License-Identifier: BSD-3-Clause */
/** @file record.c  Rows of a simulation as it runs, its prediction at the end. */
#include "record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/table.h"

enum { FLUSH = 250, LINE = 10, COLUMNS = 7 }; /* rows between flushes, between lines */

struct es_record {
  const es_comm *comm; /* borrowed, as traj and flow */
  es_traj *traj;
  const es_flow *flow;
  es_table *table; /* timesteps.txt, rank 0 */
  int loss, spectrum, rows, capacity;
  double *time;                      /* [rows] recorded so far */
  double *values, *predicted, *work; /* [d + 1] eigenvalues and trace; [d + 1] */
  double *seen;                      /* [capacity, d] eigenvalues */
  double end;                        /* of the run, in units of `at` */
  double last_loss, between;
};

static es_status declare(es_record *r) {
  const es_traj_field loss = ES_TRAJ_SCALAR("value", "1", "loss ||C - I||^2");
  const es_traj_field spectrum[] = {
      ES_TRAJ_VECTOR("eigenvalues", r->flow->d, "mode", "1",
                     "eigenvalues of C = W Gamma W', descending"),
      ES_TRAJ_SCALAR("trace", "1", "trace of C")};
  ES_TRY(
      es_traj_declare(r->traj, "/loss", "loss of the whole sample", &loss, 1, &r->loss));
  return es_traj_declare(r->traj, "/spectrum/cross_correlation",
                         "symmetrised cross-correlation of the two views' embeddings",
                         spectrum, 2, &r->spectrum);
}

static es_status open_table(es_record *r, const char *dir) {
  const es_column column[] = {{"step", "1", 12, "%.0f"},
                              {"time", "lr steps", 14, "%.6g"},
                              {"loss", "1", 14, "%.6g"},
                              {"lambda_1", "1", 12, "%.5g"},
                              {"learned", "modes", 8, "%.0f"}};
  char path[1200];
  if (r->comm->rank != 0) return ES_OK;
  snprintf(path, sizeof path, "%s/timesteps.txt", dir);
  return es_table_create(path, false, column, 5, &r->table);
}

es_status es_record_create(const es_comm *c, es_traj *t, const es_flow *flow,
                           const char *dir, double end, es_record **out) {
  const size_t d = (size_t) flow->d;
  es_record *r = NULL;
  es_status st = ES_NEW(1, &r);
  if (st == ES_OK) {
    *r = (es_record){.comm = c, .traj = t, .flow = flow, .end = end};
    st = ES_NEW(d + 1, &r->values);
    if (st == ES_OK) st = ES_NEW(d + 1, &r->predicted);
    if (st == ES_OK) st = ES_NEW(d * d + 3 * d, &r->work);
    if (st == ES_OK) st = open_table(r, dir);
  }
  st = es_comm_agree(c, st);
  if (st == ES_OK) st = declare(r);
  if (st == ES_OK)
    *out = r;
  else if (r != NULL)
    es_record_destroy(&r);
  return st;
}

void es_record_destroy(es_record **r) {
  if (*r == NULL) return;
  es_table_close(&(*r)->table);
  es_free(&(*r)->time);
  es_free(&(*r)->seen);
  es_free(&(*r)->values);
  es_free(&(*r)->predicted);
  es_free(&(*r)->work);
  es_free(r);
}

/* Room for one more row. */
static es_status grow(es_record *r) {
  const size_t d = (size_t) r->flow->d;
  if (r->rows < r->capacity) return ES_OK;
  const size_t n = r->capacity > 0 ? 2 * (size_t) r->capacity : 256;
  double *time = NULL, *seen = NULL;
  ES_TRY(ES_NEW(n, &time));
  const es_status st = ES_NEW(n * d, &seen);
  if (st != ES_OK) {
    es_free(&time);
    return st;
  }
  if (r->rows > 0) {
    memcpy(time, r->time, (size_t) r->rows * sizeof *time);
    memcpy(seen, r->seen, (size_t) r->rows * d * sizeof *seen);
  }
  es_free(&r->time);
  es_free(&r->seen);
  r->time = time;
  r->seen = seen;
  r->capacity = (int) n;
  return ES_OK;
}

/* What the run's loss is for this C (off-diagonal weight w). */
static double loss_of(const es_flow *f, const double *c) {
  double on = 0, off = 0;
  for (int i = 0; i < f->d; i++)
    for (int j = 0; j < f->d; j++) {
      const double e = c[i * f->d + j] - (i == j);
      *(i == j ? &on : &off) += e * e;
    }
  return on + f->opt.offdiag * off;
}

static int learned(int d, const double *lambda) {
  int n = 0;
  while (n < d && lambda[n] > 0.5) n++;
  return n;
}

static void compare(es_record *r, double time) {
  double loss;
  es_flow_at(r->flow, time, r->predicted, &loss);
  for (int j = 0; j < r->flow->modes; j++)
    if (r->predicted[j] < 0.02 || r->predicted[j] > 0.98)
      r->between = fmax(r->between, fabs(r->values[j] - r->predicted[j]));
}

es_status es_record_see(void *record, double at, const double *c) {
  es_record *r = record;
  const es_flow *f = r->flow;
  const int d = f->d;
  const bool steps = f->opt.lr > 0;
  const double time = steps ? at * f->opt.lr : at;
  const int64_t step = steps ? (int64_t) at : r->rows;
  es_progress_at(at, r->end);
  es_status st = grow(r);
  if (st == ES_OK) st = es_dense_eigenvalues(d, c, r->work, r->values);
  ES_TRY(es_comm_agree(r->comm, st));
  r->values[d] = 0;
  for (int i = 0; i < d; i++) r->values[d] += c[i * d + i];
  r->last_loss = loss_of(f, c);
  compare(r, time);
  r->time[r->rows] = time;
  memcpy(r->seen + (size_t) r->rows * (size_t) d, r->values, (size_t) d * sizeof(double));
  ES_TRY(es_traj_append(r->traj, r->loss, step, time, &r->last_loss));
  ES_TRY(es_traj_append(r->traj, r->spectrum, step, time, r->values));
  const double row[] = {(double) step, time, r->last_loss, r->values[0],
                        learned(d, r->values)};
  if (r->rows % LINE == 0) ES_TRY(es_comm_agree(r->comm, es_table_row(r->table, row)));
  r->rows++;
  return r->rows % FLUSH == 0 ? es_traj_flush(r->traj) : ES_OK;
}

/* The prediction at the times that were recorded. */
static es_status write_theory(es_record *r) {
  const es_flow *f = r->flow;
  const int d = f->d;
  const es_traj_field field[] = {ES_TRAJ_VECTOR("eigenvalues", d, "mode", "1",
                                                "predicted eigenvalues of C, descending"),
                                 ES_TRAJ_SCALAR("loss", "1", "predicted loss")};
  int id;
  ES_TRY(
      es_traj_declare(r->traj, "/theory", "solution for a small start", field, 2, &id));
  for (int k = 0; k < r->rows; k++) {
    es_flow_at(f, r->time[k], r->predicted, &r->predicted[d]);
    const double step = f->opt.lr > 0 ? r->time[k] / f->opt.lr : k;
    ES_TRY(
        es_traj_append(r->traj, id, (int64_t) llround(step), r->time[k], r->predicted));
  }
  ES_TRY(es_traj_flush(r->traj));
  ES_TRY(es_traj_write_numbers(r->traj, "/theory/gamma", f->modes, f->gamma, "1",
                               "eigenvalues gamma_j of Gamma"));
  ES_TRY(es_traj_write_numbers(r->traj, "/theory/start", f->modes, f->start, "1",
                               "effective start s_j(0) = R_jj, Q R = W(0) V"));
  return es_traj_write_numbers(
      r->traj, "/theory/tau", f->modes, f->tau, "lr steps",
      "predicted time at which lambda_j reaches half of its final value");
}

/* Ratio to both neighbours at most 0.75. */
static bool separated(const es_flow *f, int j) {
  const double above = j > 0 ? f->gamma[j] / f->gamma[j - 1] : 0;
  const double next = j + 1 < f->modes ? f->gamma[j + 1] : f->opt.next;
  return above <= 0.75 && next / f->gamma[j] <= 0.75;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

static double median(double *x, int n) {
  if (n == 0) return NAN;
  qsort(x, (size_t) n, sizeof *x, ascending);
  return 0.5 * (x[(n - 1) / 2] + x[n / 2]);
}

const char *es_record_show(const char *format, double x, es_record_cell out) {
  snprintf(out, sizeof(es_record_cell), isfinite(x) ? format : "-", x);
  return out;
}

void es_record_warn_none(int64_t reached, int64_t steps) {
  es_warn("no mode is learned within %lld steps%s", (long long) reached,
          reached < steps ? ""
                          : ": take linear.steps=0 (as many as the modes need) or a "
                            "larger linear.alpha");
}

/* end: time at which the simulation ended. */
static void print_row(const double *row, double end) {
  es_record_cell c[COLUMNS];
  char why[64] = "";
  if (!isfinite(row[2]) && isfinite(row[4]))
    snprintf(why, sizeof why, "  not reached within t = %.4g", end);
  else if (!isfinite(row[2]))
    snprintf(why, sizeof why, "  does not grow");
  es_print("%5.0f %13.6g %14s %14s %14s %14s %10s%s", row[0], row[6],
           es_record_show("%.6g", row[1], c[1]), es_record_show("%.6g", row[3], c[3]),
           es_record_show("%.6g", row[2], c[2]), es_record_show("%.6g", row[4], c[4]),
           es_record_show("%.2e", row[5], c[5]), why);
}

void es_record_print(const es_record_summary *s, int d, double seconds) {
  es_record_cell median, separated;
  es_print("modes learned: %d of %d; loss %.6g", s->learned, d, s->loss);
  es_print("step times: median relative error %s; modes with gap ratios up to 0.75: %s "
           "(0: within a step)",
           es_record_show("%.2e", s->median, median),
           es_record_show("%.2e", s->separated, separated));
  es_print("eigenvalues between transitions: within %.2e of the prediction", s->between);
  es_print("simulated in %.2f s", seconds);
}

/* Rows of /steps, in the order in which modes are predicted to be learned. */
static void fill_rows(const es_record *r, const double *crossing, double *rows,
                      double *errors, es_record_summary *s) {
  const es_flow *f = r->flow;
  const double unit = f->opt.lr > 0 ? f->opt.lr : 1;
  const double end = r->rows > 0 ? r->time[r->rows - 1] : 0;
  int n = 0;
  for (int k = 0; k < f->modes; k++) {
    const int j = f->order[k];
    const double time = crossing[k] * unit, tau = f->tau[j];
    const double error =
        isfinite(time) && isfinite(tau) && tau > 0 ? time / tau - 1 : NAN;
    const double lr = f->opt.lr > 0 ? f->opt.lr : NAN;
    const double row[COLUMNS] = {k + 1,
                                 time / lr,
                                 time,
                                 isfinite(tau) ? tau / lr : NAN,
                                 isfinite(tau) ? tau : NAN,
                                 error,
                                 f->gamma[j]};
    memcpy(rows + (size_t) k * COLUMNS, row, sizeof row);
    s->expected += tau <= end;
    if (!isfinite(error)) continue;
    errors[n++] = fabs(error);
    const bool within = f->opt.lr > 0 && fabs(time - tau) <= f->opt.lr;
    if (separated(f, j)) s->separated = fmax(s->separated, within ? 0 : fabs(error));
  }
  s->median = median(errors, n);
}

es_status es_record_finish(es_record *r, const es_crossings *crossings,
                           es_record_summary *s) {
  static const es_traj_field column[COLUMNS] = {
      ES_TRAJ_SCALAR("mode", "1", "order in which modes are learned, from 1"),
      ES_TRAJ_SCALAR("step_measured", "1", "step of the crossing, as simulated"),
      ES_TRAJ_SCALAR("time_measured", "1", "time lr x step of the crossing"),
      ES_TRAJ_SCALAR("step_predicted", "1", "predicted step"),
      ES_TRAJ_SCALAR("time_predicted", "1", "predicted time"),
      ES_TRAJ_SCALAR("relative_error", "1", "measured over predicted time - 1"),
      ES_TRAJ_SCALAR("gamma", "1", "eigenvalue of Gamma of the mode")};
  const size_t n = (size_t) r->flow->modes;
  double *rows = NULL, *errors = NULL;
  *s = (es_record_summary){.separated = NAN, .between = r->between, .loss = r->last_loss};
  es_status st = ES_NEW(n * COLUMNS, &rows);
  if (st == ES_OK) st = ES_NEW(n, &errors);
  ES_TRY_GOTO(es_comm_agree(r->comm, st), done);
  ES_TRY_GOTO(es_comm_agree(r->comm, es_table_close(&r->table)), done);
  ES_TRY_GOTO(es_traj_flush(r->traj), done);
  ES_TRY_GOTO(write_theory(r), done);
  fill_rows(r, es_crossings_at(crossings), rows, errors, s);
  s->learned = es_crossings_count(crossings);
  const es_traj_table table = {.path = "/steps",
                               .doc = "modes learned: measured and predicted",
                               .column = column,
                               .columns = COLUMNS,
                               .rows = (int64_t) n,
                               .values = rows};
  ES_TRY_GOTO(es_traj_write_table(r->traj, &table), done);
  es_print("%s%5s %13s %14s %14s %14s %14s %10s", "\n", "mode", "gamma", "step",
           "predicted", "time", "predicted", "error");
  for (size_t k = 0; k < n; k++)
    print_row(rows + k * COLUMNS, r->rows > 0 ? r->time[r->rows - 1] : 0);
done:
  es_free(&errors);
  es_free(&rows);
  return st;
}

int es_record_schedule(double first, double end, int rows, bool whole, double *at) {
  const int half = rows / 2 > 1 ? rows / 2 : 2;
  const double ratio = first > 0 && first < end ? log(end / first) / (half - 1) : 0;
  int n = 0;
  for (int i = 0; i < half; i++) {
    at[n++] = end * i / (half - 1);
    if (ratio > 0) at[n++] = fmin(first * exp(ratio * i), end);
  }
  if (whole)
    for (int i = 0; i < n; i++) at[i] = round(at[i]);
  qsort(at, (size_t) n, sizeof *at, ascending);
  int kept = 0;
  for (int i = 0; i < n; i++)
    if (kept == 0 || at[i] > at[kept - 1]) at[kept++] = at[i];
  return kept;
}
