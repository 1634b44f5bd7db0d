/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_deep.c  A deep linear encoder with its predictor, simulated with the full
 *  second moments of the pairs, beside the equation of each mode. */
#include "linear_deep.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "deep_mode.h"
#include "deep_moment.h"
#include "deep_weights.h"
#include "eigenstep/linear.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "record.h"
#include "simulation.h"

enum { STAGES = 4 };

/* One mode: what is known, predicted and measured of it. */
typedef struct mode {
  es_deep_mode is;
  double end;                         /* of the amplitude, predicted */
  double tau;                         /* predicted time of half of end^2 */
  double now;                         /* predicted amplitude */
  es_crossings *predicted, *measured; /* of the square */
} mode;

typedef struct deep {
  const es_comm *comm;
  const es_linear_deep *o;
  es_grid *grid;
  es_modes *modes;
  es_deep_model model;
  es_deep_work work;
  double *moment;                  /* [k, k] */
  double *weights, *at, *velocity; /* [size], [size], [STAGES, size] */
  double *gram, *eigen, *row;      /* [d, d], [d d + 3 d], [d] */
  mode *mode;                      /* [d] */
  double lr;
  int64_t steps, reached;
  int series[3];
} deep;

static void release(deep *s) {
  double *owned[] = {s->moment, s->weights, s->at, s->velocity,
                     s->gram,   s->eigen,   s->row};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(&owned[i]);
  for (int j = 0; s->mode != NULL && j < s->model.d; j++) {
    es_crossings_destroy(&s->mode[j].predicted);
    es_crossings_destroy(&s->mode[j].measured);
  }
  es_free(&s->mode);
  es_deep_work_free(&s->work);
  es_modes_destroy(&s->modes);
  es_grid_destroy(&s->grid);
}

static es_status allocate(deep *s) {
  const size_t d = (size_t) s->model.d, k = (size_t) s->model.k;
  const size_t size = es_deep_size(&s->model);
  ES_TRY(ES_NEW(d, &s->mode));
  ES_TRY(ES_NEW(k * k, &s->moment));
  ES_TRY(ES_NEW(size, &s->weights));
  ES_TRY(ES_NEW(size, &s->at));
  ES_TRY(ES_NEW(STAGES * size, &s->velocity));
  ES_TRY(ES_NEW(d * d, &s->gram));
  ES_TRY(ES_NEW(d * d + 3 * d, &s->eigen));
  ES_TRY(ES_NEW(d, &s->row));
  return es_deep_work_create(&s->model, &s->work);
}

/* --- prediction --------------------------------------------------------------------- */

static es_status describe_mode(const deep *s, int j, mode *m) {
  const double second = s->moment[(size_t) j * (size_t) (s->model.k + 1)];
  m->is = (es_deep_mode){.jepa = s->model.jepa,
                         .depth = s->model.depth,
                         .lambda = s->modes->gamma[j],
                         .rho = second > 0 ? s->modes->gamma[j] / second : 0};
  m->end = es_deep_mode_end(&m->is);
  m->now = s->o->alpha;
  m->tau = NAN;
  const double half = m->end * m->end / 2, watched = half > 0 ? half : INFINITY;
  ES_TRY(es_crossings_create(1, &watched, &m->predicted));
  return es_crossings_create(1, &watched, &m->measured);
}

static bool grows(const deep *s, const mode *m) {
  return m->end * m->end / 2 > s->o->alpha * s->o->alpha;
}

/* Time at which the equation reaches half of the end's square; NaN: after too many
 * steps, none of which is taken if the bound says so. */
static es_status predict_time(deep *s, mode *m) {
  double w = s->o->alpha;
  if (!grows(s, m)) return ES_OK;
  const double least = es_deep_mode_least_time(&m->is, w, m->end * sqrt(0.5));
  if (!(least <= ES_DEEP_LONGEST * s->lr)) return ES_OK;
  for (int64_t i = 0; i <= ES_DEEP_LONGEST; i++) {
    const double square = w * w;
    ES_TRY(es_crossings_update(m->predicted, (double) i, &square));
    if (es_crossings_count(m->predicted) > 0) break;
    w = es_deep_mode_advance(&m->is, s->lr, w);
  }
  m->tau = es_crossings_at(m->predicted)[0] * s->lr;
  return ES_OK;
}

/* Mode j is predicted. */
static es_status check_length(const deep *s, int j) {
  const mode *const m = &s->mode[j];
  ES_CHECK(!grows(s, m) || !isnan(m->tau) || s->o->steps > 0, ES_ECONFIG,
           "linear.alpha = %g: mode %d waits longer than %d steps, as growth from a "
           "small start is a power of it; take a larger alpha (0.01 to 0.1), or "
           "linear.steps",
           s->o->alpha, j + 1, ES_DEEP_LONGEST);
  return ES_OK;
}

static es_status check_growth(const deep *s) {
  int growing = 0;
  for (int j = 0; j < s->model.d; j++) growing += grows(s, &s->mode[j]);
  ES_CHECK(
      growing > 0, ES_ECONFIG,
      "linear.alpha = %g: no mode grows to twice its start's square, the largest end "
      "is %.3g; take a smaller alpha",
      s->o->alpha, s->mode[0].end);
  return ES_OK;
}

/* Rank 0's, so that all ranks take the same step. */
static es_status choose_rate(deep *s) {
  const int k = s->model.k;
  double *work = NULL;
  es_status st = ES_COMM_NEW(s->comm, (size_t) k * (size_t) (k + 4), &work);
  if (st == ES_OK) {
    double *const value = work + (size_t) k * (size_t) (k + 3);
    st = es_comm_agree(s->comm, es_dense_eigenvalues(k, s->moment, work, value));
    const double pace = es_deep_mode_pace(s->o->flow);
    s->lr = s->o->lr > 0 ? s->o->lr : pace / ((s->model.depth + 1) * value[0]);
    es_comm_bcast(s->comm, &s->lr, sizeof s->lr, 0);
  }
  es_free(&work);
  return st;
}

/* Collective. Time of each mode; a request to stop is looked for between two. */
static es_status predict_times(deep *s, double *last) {
  *last = 0;
  for (int j = 0; j < s->model.d; j++) {
    es_status st = describe_mode(s, j, &s->mode[j]);
    if (st == ES_OK) st = predict_time(s, &s->mode[j]);
    if (st == ES_OK) st = check_length(s, j);
    ES_TRY(es_comm_agree(s->comm, st));
    ES_TRY(es_stop_between(NULL, s->comm, "the time of the next mode"));
    if (s->mode[j].tau > *last) *last = s->mode[j].tau;
  }
  return es_comm_agree(s->comm, check_growth(s));
}

/* Collective. Modes, learning rate, predicted times, length. */
static es_status predict(deep *s) {
  ES_TRY(es_deep_moment_compute(s->comm, s->modes, s->o->pairs, s->moment));
  ES_TRY(choose_rate(s));
  double last;
  es_progress_begin("predicting the times of %d modes", s->model.d);
  const es_status st = predict_times(s, &last);
  es_progress_end();
  ES_TRY(st);
  s->steps =
      s->o->steps > 0 ? s->o->steps : (int64_t) ceil((1 + ES_DEEP_TAIL) * last / s->lr);
  es_comm_bcast(s->comm, &s->steps, sizeof s->steps, 0);
  return ES_OK;
}

/* --- simulation --------------------------------------------------------------------- */

/* weights + h x stage q of the velocity. */
static const double *moved(deep *s, double h, int q) {
  const size_t size = es_deep_size(&s->model);
  memcpy(s->at, s->weights, size * sizeof *s->at);
  cblas_daxpy((int) size, h, s->velocity + (size_t) q * size, 1, s->at, 1);
  return s->at;
}

/* A step from weights whose velocity is stage 0. */
static void step_on(deep *s) {
  const int size = (int) es_deep_size(&s->model);
  static const double reach[STAGES] = {0, 0.5, 0.5, 1}, share[STAGES] = {1, 2, 2, 1};
  const int stages = s->o->flow ? STAGES : 1;
  for (int q = 1; q < stages; q++)
    es_deep_velocity(&s->model, moved(s, reach[q] * s->lr, q - 1), &s->work,
                     s->velocity + (size_t) q * (size_t) size);
  for (int q = 0; q < stages; q++)
    cblas_daxpy(size, stages > 1 ? s->lr * share[q] / 6 : s->lr,
                s->velocity + (size_t) q * (size_t) size, 1, s->weights, 1);
}

/* |E v_j|^2, the square of mode j's amplitude. */
static double square_of(const deep *s, int j) {
  const double *const e = es_deep_encoder(&s->model, &s->work);
  const double length = cblas_dnrm2(s->model.d, e + j, s->model.k);
  return length * length;
}

static es_status declare(void *model, es_traj *t) {
  deep *const s = model;
  const es_traj_field loss = ES_TRAJ_SCALAR("value", "1", "loss");
  const es_traj_field lambda = ES_TRAJ_VECTOR(
      "eigenvalues", s->model.d, "mode", "1",
      "eigenvalues of E E', squares of the encoder's singular values, descending");
  const es_traj_field theory = ES_TRAJ_VECTOR("eigenvalues", s->model.d, "mode", "1",
                                              "w^2 of each mode's equation, descending");
  ES_TRY(
      es_traj_declare(t, "/loss", "loss of the whole sample", &loss, 1, &s->series[0]));
  ES_TRY(es_traj_declare(t, "/spectrum/encoder", "product E of the encoder's layers",
                         &lambda, 1, &s->series[1]));
  ES_TRY(es_h5_attr_string(es_traj_h5(t), "/spectrum", "followed", "/spectrum/encoder"));
  return es_traj_declare(t, "/theory", "each mode alone", &theory, 1, &s->series[2]);
}

static int descending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x < y) - (x > y);
}

/* Collective. A row of each series. */
static es_status record(deep *s, es_traj *t, int64_t step) {
  const int d = s->model.d;
  const double time = (double) step * s->lr, loss = es_deep_loss(&s->model, &s->work);
  const double *const e = es_deep_encoder(&s->model, &s->work);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, d, d, s->model.k, 1, e, s->model.k,
              e, s->model.k, 0, s->gram, d);
  ES_TRY(es_traj_append(t, s->series[0], step, time, &loss));
  ES_TRY(es_comm_agree(s->comm, es_dense_eigenvalues(d, s->gram, s->eigen, s->row)));
  ES_TRY(es_traj_append(t, s->series[1], step, time, s->row));
  for (int j = 0; j < d; j++) s->row[j] = s->mode[j].now * s->mode[j].now;
  qsort(s->row, (size_t) d, sizeof *s->row, descending);
  return es_traj_append(t, s->series[2], step, time, s->row);
}

/* Velocity of the weights; how far each mode is. */
static es_status look(deep *s, int64_t step) {
  es_deep_velocity(&s->model, s->weights, &s->work, s->velocity);
  for (int j = 0; j < s->model.d; j++) {
    const double square = square_of(s, j);
    if (!isfinite(square)) {
      es_error("diverged at step %lld: linear.lr = %g is too large; take 0, automatic",
               (long long) step, s->lr);
      return ES_EMATH;
    }
    ES_TRY(es_crossings_update(s->mode[j].measured, (double) step, &square));
  }
  return ES_OK;
}

/* Collective. A rank that fails goes on until the ranks meet. */
static es_status simulate(void *model, es_run_folder *o) {
  deep *const s = model;
  double *at = NULL;
  ES_TRY(ES_COMM_NEW(s->comm, (size_t) s->o->rows + 2, &at));
  const int rows = es_record_schedule(1, (double) s->steps, (int) s->o->rows, true, at);
  es_status st = ES_OK, own = ES_OK;
  es_stop_begin(&o->stop);
  for (int64_t step = 0, next = 0; step <= s->steps && st == ES_OK; step++) {
    const bool due = step == s->steps || (next < rows && (double) step >= at[next]);
    if (own == ES_OK) own = look(s, step);
    if (due) st = es_comm_agree(s->comm, own);
    if (st == ES_OK && due) st = record(s, o->traj, step);
    while (next < rows && (double) step >= at[next]) next++;
    if (st == ES_OK) s->reached = step;
    if (st == ES_OK && step < s->steps) st = es_stop_at(&o->stop, s->comm, own);
    es_progress_at((double) step, (double) s->steps);
    if (st != ES_OK || step == s->steps) continue;
    step_on(s);
    for (int j = 0; j < s->model.d; j++)
      s->mode[j].now = es_deep_mode_advance(&s->mode[j].is, s->lr, s->mode[j].now);
  }
  es_free(&at);
  return st;
}

enum { COLUMNS = 9 };

static es_status write_steps(es_traj *t, int modes, const double *rows) {
  const es_traj_field field[COLUMNS] = {
      ES_TRAJ_SCALAR("mode", "1", "number of the mode, by descending gamma"),
      ES_TRAJ_SCALAR("step_measured", "steps", "crossing of half the predicted end"),
      ES_TRAJ_SCALAR("step_predicted", "steps", "the same of the mode alone"),
      ES_TRAJ_SCALAR("time_measured", "lr steps", "step_measured x learning rate"),
      ES_TRAJ_SCALAR("time_predicted", "lr steps", "step_predicted x learning rate"),
      ES_TRAJ_SCALAR("gamma", "1", "lambda: eigenvalue of Gamma"),
      ES_TRAJ_SCALAR("rho", "1", "lambda over the second moment along the mode"),
      ES_TRAJ_SCALAR("value_measured", "1", "|E v_j|^2 at the end of the run"),
      ES_TRAJ_SCALAR("value_predicted", "1", "where it comes to rest")};
  const es_traj_table table = {.path = "/steps",
                               .doc = "when each mode is learned, and where it ends",
                               .column = field,
                               .columns = COLUMNS,
                               .rows = modes,
                               .values = rows};
  return es_traj_write_table(t, &table);
}

/* Collective. Predicted beside measured: printed, and the table /steps. */
static es_status report(void *model, es_traj *t) {
  const deep *const s = model;
  const int d = s->model.d;
  double *rows = NULL, worst = 0, far = 0;
  int compared = 0;
  es_record_cell c[3];
  ES_TRY(ES_COMM_NEW(s->comm, COLUMNS * (size_t) d, &rows));
  es_print("\n%5s %12s %10s %12s %12s %9s %12s %12s", "mode", "gamma", "rho", "predicted",
           "measured", "error", "end", "measured");
  for (int j = 0; j < d; j++) {
    const mode *const m = &s->mode[j];
    const double seen = es_crossings_at(m->measured)[0], end = m->end * m->end;
    const double lambda = m->is.lambda, rho = m->is.rho, now = square_of(s, j);
    const double error = seen * s->lr / m->tau - 1;
    const double row[COLUMNS] = {
        j + 1, seen, m->tau / s->lr, seen * s->lr, m->tau, lambda, rho, now, end};
    memcpy(rows + (size_t) j * COLUMNS, row, sizeof row);
    if (isfinite(error)) worst = fmax(worst, fabs(error));
    compared += isfinite(error);
    far = fmax(far, fabs(now - m->now * m->now));
    es_print("%5d %12.6g %10.6f %12s %12s %9s %12.6f %12.6f", j + 1, lambda, rho,
             es_record_show("%.6g", m->tau, c[0]),
             es_record_show("%.6g", seen * s->lr, c[1]),
             es_record_show("%.3f%%", 100 * error, c[2]), end, now);
  }
  if (compared > 0)
    es_print("times of %d modes within %.1e of the prediction", compared, worst);
  else
    es_record_warn_none(s->reached, s->steps);
  es_print("values at the last step within %.1e of the prediction", far);
  const es_status st = write_steps(t, d, rows);
  es_free(&rows);
  return st;
}

static es_status prepare(deep *s) {
  const es_linear_deep *const o = s->o;
  ES_TRY(es_grid_create(s->comm, 0, &s->grid));
  ES_TRY(es_modes_create(s->grid, o->pairs, (int) o->modes, o->solver, &s->modes));
  ES_CHECK(s->modes->k >= o->dim, ES_ECONFIG,
           "linear.dim: got %d, expected at most the %d eigenpairs of Gamma", o->dim,
           s->modes->k);
  ES_TRY(es_stop_between(NULL, s->comm, "the prediction"));
  s->model = (es_deep_model){.jepa = o->jepa,
                             .d = o->dim,
                             .k = s->modes->k,
                             .depth = o->depth,
                             .gamma = s->modes->gamma};
  ES_TRY(es_comm_agree(s->comm, allocate(s)));
  s->model.moment = s->moment;
  ES_TRY(predict(s));
  es_deep_start(&s->model, o->alpha, s->weights);
  es_info("%s, %d encoder layers, %lld pairs of views of %d values, %d rank%s: %s, lr = "
          "%.6g, %lld steps",
          o->jepa ? "JEPA" : "MAE", o->depth, (long long) o->pairs->total, o->pairs->m,
          s->comm->size, s->comm->size == 1 ? "" : "s",
          o->flow ? "gradient flow" : "gradient descent", s->lr, (long long) s->steps);
  return ES_OK;
}

es_status es_linear_deep_run(const es_job *job, es_config *cfg, const es_linear_deep *o) {
  deep s = {.comm = job->comm, .o = o};
  es_status st = prepare(&s);
  if (st == ES_OK) {
    const es_simulation simulation = {.model = &s,
                                      .steps = s.steps,
                                      .reached = &s.reached,
                                      .declare = declare,
                                      .simulate = simulate,
                                      .report = report};
    st = es_simulation_run(job, cfg, o->dir, &simulation);
  }
  release(&s);
  return st;
}
