/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_descent.c  f(x) = W x on all pairs, under the gradient of a loss and an
 *  update of choice, beside its prediction mode by mode (mode_descent.h).
 *
 *  Followed is C = (1/2N) sum (z z'' + z'' z') of the embeddings z, z'' of a pair where
 *  the loss follows the cross-correlation, (1/2N) sum (z z' + z'' z''') else; both of
 *  pairs that are centred if the loss centres. In the modes: gamma_j s_j^2 and, with
 *  m_j = v_j' M2 v_j, m_j s_j^2. */
#include "linear_descent.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/linear.h"
#include "eigenstep/mem.h"
#include "eigenstep/precondition.h"
#include "eigenstep/progress.h"
#include "eigenstep/mode_descent.h"
#include "linear_map.h"
#include "linear_surgery.h"
#include "orthogonal_factor.h"
#include "record.h"
#include "simulation.h"

/* Steps after the last predicted one, as a part of it; the longest automatic run, in
 * steps and in steps times modes. */
#define TAIL 0.15
enum { LONGEST = 20000000, MOST_UPDATES = 400000000 };

typedef struct descent {
  const es_comm *comm;
  const es_linear_descent *o;
  const es_pairs *p;
  int d, n; /* outputs; modes predicted */
  bool cross;
  es_loss_setup setup;
  es_loss *loss;
  es_precondition *precondition;
  es_grid *grid;
  es_modes *modes;
  es_mode_descent *predicted;
  es_crossings *crossings;
  es_orthogonal_factor *factor;
  es_linear_map map;
  es_linear_surgery *surgery; /* NULL: none */
  double *momentum;           /* [d, m] */
  double *c, *work, *row;     /* [d, d]; [d d + 3 d]; [d] */
  double *step;               /* [n] predicted */
  double lr, value;
  int64_t steps, reached;
  int series[3]; /* /loss, /spectrum, /theory */
} descent;

static void release(descent *s) {
  double *owned[] = {s->momentum, s->c, s->work, s->row, s->step};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(&owned[i]);
  es_linear_surgery_destroy(&s->surgery);
  es_linear_map_release(&s->map);
  es_orthogonal_factor_destroy(&s->factor);
  es_crossings_destroy(&s->crossings);
  es_mode_descent_destroy(&s->predicted);
  es_modes_destroy(&s->modes);
  es_grid_destroy(&s->grid);
  es_precondition_destroy(&s->precondition);
  es_loss_destroy(&s->loss);
}

static es_status allocate(descent *s, const es_linear_start *start) {
  const size_t d = (size_t) s->d;
  ES_TRY(es_linear_map_create(&s->map, start));
  ES_TRY(ES_NEW(d * (size_t) s->p->m, &s->momentum));
  ES_TRY(ES_NEW(d * d, &s->c));
  ES_TRY(ES_NEW(d * d + 3 * d, &s->work));
  ES_TRY(ES_NEW(d, &s->row));
  return ES_NEW(d, &s->step);
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* The mode that is learned as the k-th; -1: none. */
static int learned_as(const descent *s, int k) {
  for (int j = 0; j < s->n; j++) {
    int before = 0;
    if (isnan(s->step[j])) continue;
    for (int i = 0; i < s->n; i++)
      before += i < j ? s->step[i] <= s->step[j] : s->step[i] < s->step[j];
    if (before == k) return j;
  }
  return -1;
}

/* Thresholds in the order in which modes are learned. */
static es_status watch(descent *s) {
  const double *const final = es_mode_descent_final(s->predicted);
  for (int k = 0; k < s->d; k++) {
    const int j = learned_as(s, k);
    s->row[k] = j >= 0 ? final[j] / 2 : 0.5;
  }
  return es_crossings_create(s->d, s->row, &s->crossings);
}

/* The prediction is of a small start: each mode far below where it comes to rest. */
static void warn_of_start(const descent *s) {
  const double *const final = es_mode_descent_final(s->predicted);
  const double *const now = es_mode_descent_value(s->predicted);
  int large = 0;
  for (int j = 0; j < s->n; j++) large += final[j] > 0 && now[j] >= final[j] / 2;
  if (large > 0)
    es_warn(
        "linear.alpha = %g is no small start: %d of %d modes begin above half of their "
        "final value and are left out; take a smaller one",
        s->o->alpha, large, s->n);
}

/* Collective. Prediction, learning rate and length. */
static es_status predict(descent *s, es_linear_start *from) {
  es_mode_start start = {0};
  ES_TRY(es_grid_create(s->comm, 0, &s->grid));
  ES_TRY(
      es_modes_create(s->grid, s->p, s->d < s->p->m ? s->d : 0, s->o->solver, &s->modes));
  es_status st =
      es_mode_start_compute(s->modes, s->p, s->d, es_linear_start_entry, from, &start);
  s->n = start.n;
  const int64_t room = MOST_UPDATES / (s->n > 0 ? s->n : 1);
  const int64_t longest = room < LONGEST ? room : LONGEST;
  if (st == ES_OK)
    st = es_mode_descent_create(s->loss, &s->setup, &s->o->update, &start, &s->predicted);
  es_progress_begin("predicting the steps of %d modes", s->n);
  if (st == ES_OK)
    st = es_mode_descent_steps(s->predicted, NULL, NULL,
                               s->o->steps > 0 ? s->o->steps : longest, s->step);
  es_progress_end();
  if (st == ES_OK) st = watch(s);
  if (st == ES_OK) warn_of_start(s);
  es_mode_start_free(&start);
  ES_TRY(es_comm_agree(s->comm, st));
  s->lr = es_mode_descent_rate(s->predicted);
  double last = 0;
  for (int j = 0; j < s->n; j++)
    if (s->step[j] > last) last = s->step[j];
  s->steps = s->o->steps > 0 ? s->o->steps : (int64_t) ceil((1 + TAIL) * last) + 10;
  return ES_OK;
}

/* Collective. Embeddings and C; then the loss and -dL/dW, unless the run has ended. */
static es_status differentiate(descent *s, int64_t step) {
  const int d = s->d, n = (int) s->p->n;
  const double part = 0.5 / (double) s->p->total;
  const es_loss_batch b = es_linear_map_embed(&s->map, step);
  memset(s->c, 0, (size_t) d * (size_t) d * sizeof *s->c);
  for (int v = 0; v < 2 && n > 0; v++)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, d, n, part, b.z[v], d,
                b.z[s->cross ? 1 - v : v], d, 1, s->c, d);
  es_comm_sum_f64(s->comm, s->c, (int64_t) d * d);
  ES_TRY(es_loss_eval(s->loss, &b, &s->value));
  ES_TRY(es_precondition_apply(s->precondition, s->lr, &b));
  es_linear_surgery_steer(s->surgery, &b);
  es_linear_map_gradient(&s->map, -1);
  return ES_OK;
}

/* Collective where Muon needs the orthogonal factor. */
static es_status update(descent *s) {
  const size_t all = (size_t) s->d * (size_t) s->p->m;
  const double *by = s->momentum;
  for (size_t i = 0; i < all; i++)
    s->momentum[i] = s->o->update.momentum * s->momentum[i] + s->map.dw[i];
  if (s->o->update.orthogonal) {
    ES_TRY(es_orthogonal_factor_compute(s->factor, s->momentum, s->map.dw));
    by = s->map.dw;
  }
  for (size_t i = 0; i < all; i++) s->map.w[i] += s->lr * by[i];
  return ES_OK;
}

static es_status declare(void *model, es_traj *t) {
  descent *const s = model;
  const es_traj_field loss = ES_TRAJ_SCALAR("value", "1", "loss");
  const es_traj_field lambda =
      ES_TRAJ_VECTOR("eigenvalues", s->d, "mode", "1", "eigenvalues of C, descending");
  const es_traj_field theory =
      ES_TRAJ_VECTOR("eigenvalues", s->d, "mode", "1",
                     "predicted eigenvalues of C, descending; 0 beyond the modes");
  ES_TRY(
      es_traj_declare(t, "/loss", "loss of the whole sample", &loss, 1, &s->series[0]));
  ES_TRY(es_traj_declare(
      t, s->cross ? "/spectrum/cross_correlation" : "/spectrum/covariance",
      s->cross ? "symmetrised cross-correlation of the two views' embeddings"
               : "mean second moment of both views' embeddings, centred if the loss is",
      &lambda, 1, &s->series[1]));
  return es_traj_declare(t, "/theory", "each mode alone", &theory, 1, &s->series[2]);
}

/* Collective. A row of each series. */
static es_status record(descent *s, es_traj *t, int64_t step) {
  const double time = (double) step * s->lr;
  ES_TRY(es_traj_append(t, s->series[0], step, time, &s->value));
  ES_TRY(es_comm_agree(s->comm, es_dense_eigenvalues(s->d, s->c, s->work, s->row)));
  ES_TRY(es_traj_append(t, s->series[1], step, time, s->row));
  memset(s->row, 0, (size_t) s->d * sizeof *s->row);
  for (int j = 0; j < s->n; j++) s->row[j] = -es_mode_descent_value(s->predicted)[j];
  qsort(s->row, (size_t) s->n, sizeof *s->row, ascending);
  for (int j = 0; j < s->n; j++) s->row[j] = -s->row[j];
  return es_traj_append(t, s->series[2], step, time, s->row);
}

/* Collective. Modes are changed before a step, which then has another gradient. */
static es_status apply_surgery(descent *s, int64_t step, es_traj *t) {
  bool done;
  ES_TRY(
      es_linear_surgery_apply(s->surgery, step, (double) step * s->lr, s->c, t, &done));
  return done ? es_comm_agree(s->comm, differentiate(s, step)) : ES_OK;
}

static es_status descend(void *model, es_run_folder *o) {
  descent *const s = model;
  double *at = NULL;
  ES_TRY(ES_COMM_NEW(s->comm, (size_t) s->o->rows + 2, &at));
  const int rows = es_record_schedule(1, (double) s->steps, (int) s->o->rows, true, at);
  es_status st = ES_OK;
  es_stop_begin(&o->stop);
  for (int64_t step = 0, next = 0; step <= s->steps && st == ES_OK; step++) {
    st = differentiate(s, step);
    if (st == ES_OK && !isfinite(s->value)) {
      es_error("diverged at step %lld: linear.lr = %g is too large", (long long) step,
               s->lr);
      st = ES_EMATH;
    }
    st = es_comm_agree(s->comm, st);
    if (st == ES_OK)
      st = es_comm_agree(s->comm, es_crossings_update(s->crossings, (double) step, s->c));
    if (st == ES_OK)
      st = es_comm_agree(s->comm, es_linear_surgery_follow(s->surgery, step));
    const bool due = next < rows && (double) step >= at[next];
    if (st == ES_OK && due) st = record(s, o->traj, step);
    while (next < rows && (double) step >= at[next]) next++;
    if (st == ES_OK) s->reached = step;
    if (st == ES_OK && step < s->steps) st = es_stop_at(&o->stop, s->comm, ES_OK);
    if (st == ES_OK) st = apply_surgery(s, step, o->traj);
    if (st == ES_OK && step < s->steps) st = update(s);
    es_mode_descent_step(s->predicted, s->lr);
    es_progress_at((double) step, (double) s->steps);
  }
  es_free(&at);
  return st;
}

/* Predicted beside measured steps: printed, and the table /steps. */
static es_status report(void *model, es_traj *t) {
  const descent *const s = model;
  enum { COLUMNS = 6 };
  const es_traj_field field[COLUMNS] = {
      ES_TRAJ_SCALAR("mode", "1", "number of the mode, in the order of learning"),
      ES_TRAJ_SCALAR("step_measured", "steps", "crossing of half the final value"),
      ES_TRAJ_SCALAR("step_predicted", "steps", "the same of the mode alone"),
      ES_TRAJ_SCALAR("time_measured", "lr steps", "step_measured x learning rate"),
      ES_TRAJ_SCALAR("time_predicted", "lr steps", "step_predicted x learning rate"),
      ES_TRAJ_SCALAR("gamma", "1", "eigenvalue of Gamma")};
  const double *const seen = es_crossings_at(s->crossings);
  double *row = NULL, *error = NULL;
  int compared = 0, modes = 0;
  es_record_cell c[2];
  es_status st = ES_NEW(COLUMNS * (size_t) s->d, &row);
  if (st == ES_OK) st = ES_NEW(s->d, &error);
  st = es_comm_agree(s->comm, st);
  if (st == ES_OK)
    es_print("\n%5s %14s %14s %14s %14s", "mode", "gamma", "predicted", "measured",
             "error");
  for (int k = 0; k < s->n && st == ES_OK; k++) {
    const int j = learned_as(s, k);
    double *const x = row + (size_t) COLUMNS * (size_t) modes;
    if (j < 0 || !(s->step[j] > 0)) continue;
    x[0] = k + 1;
    x[1] = s->surgery != NULL ? es_linear_surgery_crossing(s->surgery, j) : seen[k];
    x[2] = s->step[j];
    x[3] = x[1] * s->lr;
    x[4] = x[2] * s->lr;
    x[5] = s->modes->gamma[j];
    modes++;
    es_print("%5d %14.6g %14.2f %14s %14s", k + 1, x[5], x[2],
             es_record_show("%.2f", x[1], c[0]),
             es_record_show("%.3f%%", 100 * (x[1] / x[2] - 1), c[1]));
    if (isfinite(x[1]) && x[2] > 0) error[compared++] = fabs(log(x[1] / x[2]));
  }
  if (compared == 0) es_record_warn_none(s->reached, s->steps);
  if (compared > 0) {
    qsort(error, (size_t) compared, sizeof *error, ascending);
    es_print("modes learned: %d of %d; |ln(measured / predicted)| of their steps: median "
             "%.1e, largest %.1e",
             compared, s->d, error[(compared - 1) / 2], error[compared - 1]);
  }
  const es_traj_table table = {.path = "/steps",
                               .doc = "when each mode is learned",
                               .column = field,
                               .columns = COLUMNS,
                               .rows = modes,
                               .values = row};
  if (st == ES_OK && modes > 0) st = es_traj_write_table(t, &table);
  es_free(&error);
  es_free(&row);
  return st;
}

static es_status prepare(descent *s) {
  const es_mode_update *const u = &s->o->update;
  const es_loss_size size = {
      .n_max = (int) s->p->n, .pairs = s->p->total, .dim = s->d, .seed = s->o->seed};
  const es_precondition_params by = {.eps = u->eps, .clip = false};
  es_linear_start start = {.seed = s->o->seed, .alpha = s->o->alpha, .m = s->p->m};
  ES_TRY(es_loss_create(s->o->loss, &size, s->comm, &s->loss));
  const char *const why = es_loss_obstacle(s->loss, &s->setup);
  ES_CHECK(why == NULL || !es_loss_has_growth_matrix(s->loss->ops), ES_ECONFIG,
           "loss.name: got %s, whose modes are not predicted: %s", s->loss->ops->name,
           why);
  const es_loss_theory *const theory = s->loss->ops->theory;
  if (theory->caution != NULL && theory->caution(s->loss->par, &s->setup) != NULL)
    es_warn("%s", theory->caution(s->loss->par, &s->setup));
  ES_TRY(es_precondition_check(&by, s->loss->ops, s->d));
  ES_TRY(es_precondition_create(&by, s->loss, s->comm, &s->precondition));
  if (u->orthogonal)
    ES_TRY(es_orthogonal_factor_create(s->comm, s->d, s->p->m, &s->factor));
  s->cross = es_loss_modes_of(s->loss).cross;
  s->map = (es_linear_map){.comm = s->comm, .p = s->p, .d = s->d};
  ES_TRY(es_comm_agree(s->comm, allocate(s, &start)));
  ES_TRY(es_stop_between(NULL, s->comm, "the eigenpairs of Gamma"));
  ES_TRY(predict(s, &start));
  const es_linear_surgery_target target = {s->grid,  s->modes, s->predicted, s->n,
                                           s->steps, &s->map,  s->momentum};
  ES_TRY(
      es_comm_agree(s->comm, es_linear_surgery_create(u->surgery, &target, &s->surgery)));
  ES_TRY(es_stop_between(NULL, s->comm, "the simulation"));
  es_info("%s%s, %lld pairs of views of %d values, %d rank%s: lr = %.6g, %lld steps",
          s->loss->ops->name, u->orthogonal ? " by orthogonal updates" : "",
          (long long) s->p->total, s->p->m, s->comm->size, s->comm->size == 1 ? "" : "s",
          s->lr, (long long) s->steps);
  return ES_OK;
}

es_status es_linear_descent_run(const es_job *job, es_config *cfg,
                                const es_linear_descent *o) {
  descent s = {.comm = job->comm,
               .o = o,
               .p = o->pairs,
               .d = o->dim,
               .setup = {.dim = o->dim,
                         .pairs = o->pairs->total,
                         .layers = 1,
                         .optim = "sgd",
                         .lr = o->update.lr,
                         .constant_lr = true}};
  es_status st = prepare(&s);
  if (st == ES_OK) {
    const es_simulation simulation = {.model = &s,
                                      .steps = s.steps,
                                      .reached = &s.reached,
                                      .declare = declare,
                                      .simulate = descend,
                                      .report = report};
    st = es_simulation_run(job, cfg, o->dir, &simulation);
  }
  release(&s);
  return st;
}
