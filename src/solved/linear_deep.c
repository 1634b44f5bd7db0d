/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_deep.c  A deep linear encoder with its predictor, simulated with the full
 *  second moments of the pairs, beside the equation of each mode. */
#include "linear_deep.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "deep_weights.h"
#include "eigenstep/linear.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/run_folder.h"
#include "record.h"

/* Step over the fastest time scale, 1 / ((L + 1) x the largest second moment). */
#define PACE_FLOW 0.1
#define PACE_DESCENT 0.005
#define TAIL 1.5 /* of the last predicted time, after it */
enum { LONGEST = 5000000, STAGES = 4 };

/* One mode: what is known, predicted and measured of it. */
typedef struct mode {
  double lambda, rho, end;            /* end: of the amplitude, predicted */
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
  int64_t steps;
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

/* Collective. V' M2 V in the eigenvectors V of Gamma. */
static es_status project_moment(deep *s) {
  const es_pairs *const p = s->o->pairs;
  const int k = s->model.k, n = (int) p->n;
  const size_t all = (size_t) k * (size_t) k;
  double *one = NULL, *turn = NULL, *y = NULL;
  es_status st = ES_NEW(all, &one);
  if (st == ES_OK) st = ES_NEW((size_t) k * (size_t) p->m, &turn);
  if (st == ES_OK) st = ES_NEW((size_t) n * (size_t) k, &y);
  st = es_comm_agree(s->comm, st);
  for (int j = 0; j < k && st == ES_OK; j++) one[(size_t) j * (size_t) (k + 1)] = 1;
  if (st == ES_OK) st = es_modes_expand(s->modes, k, one, turn);
  for (int v = 0; v < 2 && st == ES_OK && n > 0; v++) {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, k, p->m, 1, p->x[v], p->m,
                turn, p->m, 0, y, k);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, k, k, n, 0.5 / (double) p->total,
                y, k, y, k, 1, s->moment, k);
  }
  if (st == ES_OK) es_comm_sum_f64(s->comm, s->moment, (int64_t) all);
  es_free(&y);
  es_free(&turn);
  es_free(&one);
  return st;
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

static double speed(const deep *s, const mode *m, double w) {
  const double depth = s->model.depth, power = (s->model.jepa ? 3 : 2) - 1 / depth;
  return depth * (m->lambda * pow(w, power) - m->lambda / m->rho * w * w * w);
}

/* A Runge-Kutta step of the equation of one mode. */
static double advance(const deep *s, const mode *m, double w) {
  const double h = s->lr, a = speed(s, m, w), b = speed(s, m, w + h / 2 * a);
  const double c = speed(s, m, w + h / 2 * b), e = speed(s, m, w + h * c);
  return w + h / 6 * (a + 2 * b + 2 * c + e);
}

static es_status describe_mode(const deep *s, int j, mode *m) {
  const double second = s->moment[(size_t) j * (size_t) (s->model.k + 1)];
  const double depth = s->model.depth;
  m->lambda = s->modes->gamma[j];
  m->rho = second > 0 ? m->lambda / second : 0;
  m->end = m->rho > 0 ? pow(m->rho, s->model.jepa ? depth : depth / (depth + 1)) : 0;
  m->now = s->o->alpha;
  m->tau = NAN;
  const double half = m->end * m->end / 2, watched = half > 0 ? half : INFINITY;
  ES_TRY(es_crossings_create(1, &watched, &m->predicted));
  return es_crossings_create(1, &watched, &m->measured);
}

/* Time at which the equation reaches half of the end's square. */
static es_status predict_time(deep *s, mode *m) {
  double w = s->o->alpha;
  const double half = m->end * m->end / 2;
  if (!(half > w * w)) return ES_OK;
  for (int64_t i = 0; i <= LONGEST && es_crossings_count(m->predicted) == 0; i++) {
    const double square = w * w;
    ES_TRY(es_crossings_update(m->predicted, (double) i, &square));
    w = advance(s, m, w);
  }
  m->tau = es_crossings_at(m->predicted)[0] * s->lr;
  return ES_OK;
}

static es_status check_length(const deep *s) {
  int growing = 0, late = 0;
  for (int j = 0; j < s->model.d; j++) {
    const mode *const m = &s->mode[j];
    const bool grows = m->end * m->end / 2 > s->o->alpha * s->o->alpha;
    growing += grows;
    late += grows && isnan(m->tau);
  }
  ES_CHECK(
      growing > 0, ES_ECONFIG,
      "linear.alpha = %g: no mode grows to twice its start's square, the largest end "
      "is %.3g; take a smaller alpha",
      s->o->alpha, s->mode[0].end);
  ES_CHECK(
      late == 0 || s->o->steps > 0, ES_ECONFIG,
      "linear.alpha = %g: %d modes wait longer than %d steps, as growth from a small "
      "start is a power of it; take a larger alpha (0.01 to 0.1), or linear.steps",
      s->o->alpha, late, LONGEST);
  return ES_OK;
}

/* Rank 0's, so that all ranks take the same step. */
static es_status choose_rate(deep *s) {
  const int k = s->model.k;
  double *work = NULL;
  es_status st = es_comm_agree(s->comm, ES_NEW((size_t) k * (size_t) (k + 4), &work));
  if (st == ES_OK) {
    double *const value = work + (size_t) k * (size_t) (k + 3);
    st = es_comm_agree(s->comm, es_dense_eigenvalues(k, s->moment, work, value));
    const double pace = s->o->flow ? PACE_FLOW : PACE_DESCENT;
    s->lr = s->o->lr > 0 ? s->o->lr : pace / ((s->model.depth + 1) * value[0]);
    es_comm_bcast(s->comm, &s->lr, sizeof s->lr, 0);
  }
  es_free(&work);
  return st;
}

/* Collective. Modes, learning rate, predicted times, length. */
static es_status predict(deep *s) {
  ES_TRY(project_moment(s));
  ES_TRY(choose_rate(s));
  es_status st = ES_OK;
  double last = 0;
  es_progress_begin("predicting the times of %d modes", s->model.d);
  for (int j = 0; j < s->model.d && st == ES_OK; j++) {
    st = describe_mode(s, j, &s->mode[j]);
    if (st == ES_OK) st = predict_time(s, &s->mode[j]);
    if (s->mode[j].tau > last) last = s->mode[j].tau;
  }
  es_progress_end();
  if (st == ES_OK) st = check_length(s);
  s->steps = s->o->steps > 0 ? s->o->steps : (int64_t) ceil((1 + TAIL) * last / s->lr);
  es_comm_bcast(s->comm, &s->steps, sizeof s->steps, 0);
  return es_comm_agree(s->comm, st);
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

static es_status declare(deep *s, es_traj *t) {
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

static es_status simulate(deep *s, es_traj *t) {
  double *at = NULL;
  ES_TRY(es_comm_agree(s->comm, ES_NEW((size_t) s->o->rows + 2, &at)));
  const int rows = es_record_schedule(1, (double) s->steps, (int) s->o->rows, true, at);
  es_status st = ES_OK, own = ES_OK;
  for (int64_t step = 0, next = 0; step <= s->steps && st == ES_OK; step++) {
    const bool due = step == s->steps || (next < rows && (double) step >= at[next]);
    if (own == ES_OK) own = look(s, step);
    if (due) st = es_comm_agree(s->comm, own); /* a rank that fails goes on until then */
    if (st == ES_OK && due) st = record(s, t, step);
    while (next < rows && (double) step >= at[next]) next++;
    if (st == ES_OK && step < s->steps) step_on(s);
    for (int j = 0; j < s->model.d && step < s->steps; j++)
      s->mode[j].now = advance(s, &s->mode[j], s->mode[j].now);
    es_progress_at((double) step, (double) s->steps);
  }
  es_free(&at);
  return st;
}

/* Collective. Predicted beside measured: printed, and the table /steps. */
static es_status report(const deep *s, es_traj *t) {
  enum { COLUMNS = 9 };
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
  const int d = s->model.d;
  double *rows = NULL, worst = 0, far = 0;
  ES_TRY(es_comm_agree(s->comm, ES_NEW(COLUMNS * (size_t) d, &rows)));
  es_print("\n%5s %12s %10s %12s %12s %9s %12s %12s", "mode", "gamma", "rho", "predicted",
           "measured", "error", "end", "measured");
  for (int j = 0; j < d; j++) {
    const mode *const m = &s->mode[j];
    const double seen = es_crossings_at(m->measured)[0], end = m->end * m->end;
    const double row[COLUMNS] = {j + 1,     seen,   m->tau / s->lr,  seen * s->lr, m->tau,
                                 m->lambda, m->rho, square_of(s, j), end};
    memcpy(rows + (size_t) j * COLUMNS, row, sizeof row);
    if (isfinite(row[3] / m->tau)) worst = fmax(worst, fabs(row[3] / m->tau - 1));
    far = fmax(far, fabs(row[7] - s->mode[j].now * s->mode[j].now));
    es_print("%5d %12.6g %10.6f %12.6g %12.6g %8.3f%% %12.6f %12.6f", j + 1, m->lambda,
             m->rho, m->tau, row[3], 100 * (row[3] / m->tau - 1), end, row[7]);
  }
  es_print(
      "times within %.1e of the prediction; values at the end of the run within %.1e",
      worst, far);
  const es_traj_table table = {.path = "/steps",
                               .doc = "when each mode is learned, and where it ends",
                               .column = field,
                               .columns = COLUMNS,
                               .rows = d,
                               .values = rows};
  const es_status st = es_traj_write_table(t, &table);
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
  s->model = (es_deep_model){.jepa = o->jepa,
                             .d = o->dim,
                             .k = s->modes->k,
                             .depth = o->depth,
                             .gamma = s->modes->gamma};
  ES_TRY(es_comm_agree(s->comm, allocate(s)));
  s->model.moment = s->moment;
  ES_TRY(predict(s));
  es_deep_start(&s->model, o->alpha, s->weights);
  es_info("%s, %d encoder layers, %lld pairs of views of %d values, %d ranks: %s, lr = "
          "%.6g, %lld steps",
          o->jepa ? "JEPA" : "MAE", o->depth, (long long) o->pairs->total, o->pairs->m,
          s->comm->size, o->flow ? "gradient flow" : "gradient descent", s->lr,
          (long long) s->steps);
  return ES_OK;
}

es_status es_linear_deep_run(const es_job *job, es_config *cfg, const es_linear_deep *o) {
  deep s = {.comm = job->comm, .o = o};
  es_run_folder folder = {0};
  es_status st = prepare(&s);
  if (st == ES_OK) st = es_run_folder_open(job, cfg, o->dir, &folder);
  if (st == ES_OK) {
    st = declare(&s, folder.traj);
    es_progress_begin("simulation of %lld steps", (long long) s.steps);
    if (st == ES_OK) st = simulate(&s, folder.traj);
    es_progress_end();
    if (st == ES_OK) st = report(&s, folder.traj);
    st = es_run_folder_close(job, &folder, st, s.steps);
  }
  release(&s);
  return st;
}
