/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_growth.c  f(x) = W x from a small start, under any loss that has a growth
 *  matrix: the linearised flow dW/dt = W G says how fast each mode grows; descent with
 *  the gradient of the loss itself shows how fast it does.
 *
 *  With W(0) V = Q R in the eigenvectors of G, column j grows as (1 + lr g_j) a step, so
 *  R_jj does from the first step on, and the eigenvalues of the embedding covariance grow
 *  at twice that rate as soon as the directions have separated. A loss of directions
 *  (es_loss_linear.point) needs an embedding to start from: there f(x) = b + W x with a
 *  fixed b of length 1, the collapsed start, and W moves in the d - 1 directions across
 *  it. */
#include "linear_growth.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include "eigenstep/cov.h"
#include "eigenstep/eig.h"
#include "eigenstep/flow.h"
#include "eigenstep/linear.h"
#include "eigenstep/loss_theory.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "linear_map.h"
#include "simulation.h"

/* lr times the norm of G: the growth of a step is exact, so it need not be smaller. */
#define PACE 0.05

/* Of b, where there is one. */
#define POINT_LENGTH 1.0

/* Eigenvalues of G below this of its norm are zero to round-off. */
#define ROUND_OFF 1e-12

/* Moments kept: amplitudes and eigenvalues there. */
enum { START, MIDDLE, END, OTHER, KEPT };

typedef struct growth {
  const es_comm *comm;
  const es_linear_growth *o;
  const es_pairs *p;
  int d, modes; /* outputs; modes followed */
  es_loss_setup setup;
  double small;      /* largest variance of a small start */
  double start_loss; /* predicted */
  es_loss *loss;
  es_grid *grid;
  es_eigen *e; /* of G */
  double norm; /* of G, no smaller than any of its rates */
  es_linear_map map;
  double *r[KEPT];         /* [modes] R_jj */
  double *l[KEPT];         /* [d] eigenvalues of the embedding covariance */
  double *c, *mean, *work; /* [d, d], [d], [d d + 3 d] for the eigenvalues */
  double *projected;       /* [d, modes] W V */
  double lr, value;
  int64_t steps, middle, reached;
  int series[2]; /* /loss, /spectrum/covariance */
} growth;

static void release(growth *s) {
  double *owned[] = {s->c, s->mean, s->work, s->projected};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(&owned[i]);
  for (int k = 0; k < KEPT; k++) {
    es_free(&s->r[k]);
    es_free(&s->l[k]);
  }
  es_linear_map_release(&s->map);
  es_eig_destroy(&s->e);
  es_grid_destroy(&s->grid);
  es_loss_destroy(&s->loss);
}

static es_status allocate(growth *s) {
  const es_linear_start start = {.seed = s->o->seed, .alpha = s->o->alpha, .m = s->p->m};
  const size_t d = (size_t) s->d;
  ES_TRY(es_linear_map_create(&s->map, &start));
  for (int k = 0; k < KEPT; k++) {
    ES_TRY(ES_NEW(s->modes, &s->r[k]));
    ES_TRY(ES_NEW(d, &s->l[k]));
  }
  ES_TRY(ES_NEW(d * d, &s->c));
  ES_TRY(ES_NEW(d, &s->mean));
  ES_TRY(ES_NEW(d * d + 3 * d, &s->work));
  return ES_NEW(d * (size_t) s->modes, &s->projected);
}

/* Collective. G of the loss, its eigenpairs, and what else the theory says of it. */
static es_status predict(growth *s) {
  const es_loss_theory *const theory = s->loss->ops->theory;
  const void *const par = s->loss->par;
  es_loss_linear linear;
  es_dmat *g = NULL;
  theory->linear(par, &s->setup, &linear);
  s->small = linear.small;
  s->map = (es_linear_map){.comm = s->comm, .p = s->p, .d = s->d, .point = linear.point};
  s->start_loss = theory->start != NULL ? theory->start(par, &s->setup) : NAN;
  s->modes = s->d - linear.point < s->p->m ? s->d - linear.point : s->p->m;
  ES_TRY(es_grid_create(s->comm, 0, &s->grid));
  ES_TRY(theory->growth_matrix(par, &s->setup, s->grid, s->p, POINT_LENGTH, &g));
  const es_status st = es_eig_solve("auto", g, s->modes, &s->e);
  s->norm = es_dmat_norm(g);
  es_dmat_destroy(&g);
  return st;
}

static double entry(void *ctx, int i, int j) {
  const growth *s = ctx;
  return s->map.w[(size_t) i * (size_t) s->p->m + (size_t) j];
}

/* Collective. Embeddings, the loss, its gradient in W. */
static es_status differentiate(growth *s, int64_t step) {
  const es_loss_batch b = es_linear_map_embed(&s->map, step);
  ES_TRY(es_loss_eval(s->loss, &b, &s->value));
  es_linear_map_gradient(&s->map, 1);
  return ES_OK;
}

/* Collective. Eigenvalues of the covariance of both views' embeddings, left centred. */
static es_status eigenvalues(growth *s, double *lambda) {
  const int d = s->d, n = 2 * (int) s->p->n;
  const double freedom = 2 * (double) s->p->total - 1;
  double *const z = s->map.z;
  ES_TRY(es_cov_mean(s->comm, z, n, d, s->mean));
  for (int i = 0; i < n; i++)
    cblas_daxpy(d, -1, s->mean, 1, z + (size_t) i * (size_t) d, 1);
  memset(s->c, 0, (size_t) d * (size_t) d * sizeof *s->c);
  if (n > 0)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, d, n, 1 / freedom, z, d, z, d,
                0, s->c, d);
  es_comm_sum_f64(s->comm, s->c, (int64_t) d * d);
  return es_comm_agree(s->comm, es_dense_eigenvalues(d, s->c, s->work, lambda));
}

/* Collective. R_jj of W V = Q R. */
static es_status amplitudes(growth *s, double *amplitude) {
  const es_modes modes = {.m = s->p->m, .k = s->modes, .vector = s->e->vector};
  const es_flow_options none = {.offdiag = 1};
  es_flow *f = NULL;
  ES_TRY(es_modes_project(&modes, s->d, entry, s, s->projected));
  const es_status st = es_comm_agree(
      s->comm, es_flow_create(s->d, s->modes, s->e->value, s->projected, &none, &f));
  if (st == ES_OK) memcpy(amplitude, f->start, (size_t) s->modes * sizeof *amplitude);
  es_flow_destroy(&f);
  return st;
}

/* The longer the fastest mode outgrows the slowest, the more its round-off hides the
 * latter. */
static void warn_of_round_off(const growth *s, const double *g) {
  const double per_step = log1p(s->lr * g[0]) - log1p(s->lr * g[s->modes - 1]);
  const double blur = exp((double) s->steps * per_step) * DBL_EPSILON;
  if (blur > 1e-5)
    es_warn(
        "over %lld steps mode 1 outgrows mode %d so far that its round-off disturbs the "
        "latter by about %.1g of itself: a larger linear.alpha measures late modes "
        "better",
        (long long) s->steps, s->modes, fmin(blur, 1));
}

/* Collective. Learning rate and length: as long as the start stays small. */
static es_status plan(growth *s) {
  const double *const g = s->e->value;
  s->lr = s->o->lr;
  if (s->lr == 0) s->lr = s->norm > 0 ? PACE / s->norm : 1;
  ES_TRY(differentiate(s, 0));
  ES_TRY(eigenvalues(s, s->l[START]));
  const double room = log(s->small / s->l[START][0]);
  const bool grows = g[0] > ROUND_OFF * s->norm;
  const double pace = grows ? 2 * log1p(s->lr * g[0]) : 0;
  const bool known = grows && room > 0;
  s->steps = s->o->steps;
  if (s->steps == 0)
    s->steps = known ? (int64_t) fmin(fmax(ceil(room / pace), 2), 1e6) : 100;
  s->middle = s->steps / 2;
  if (!grows)
    es_warn("no mode grows: the largest eigenvalue of G is %g", g[0]);
  else if (room < (double) s->steps * pace - pace)
    es_warn(
        "alpha = %g over %lld steps leaves the range of a small start: variance %.2g, "
        "expected below %.2g",
        s->o->alpha, (long long) s->steps, s->l[START][0], s->small);
  if (grows) warn_of_round_off(s, g);
  return ES_OK;
}

static es_status declare(void *model, es_traj *t) {
  growth *const s = model;
  const es_traj_field loss = ES_TRAJ_SCALAR("value", "1", "loss");
  const es_traj_field lambda = ES_TRAJ_VECTOR(
      "eigenvalues", s->d, "mode", "1",
      "eigenvalues of the embedding covariance, both views, ddof 1, descending");
  ES_TRY(
      es_traj_declare(t, "/loss", "loss of the whole sample", &loss, 1, &s->series[0]));
  return es_traj_declare(t, "/spectrum/covariance", "covariance of the embeddings",
                         &lambda, 1, &s->series[1]);
}

/* Collective. A row of the trajectory; W and its gradient are those of `step`. */
static es_status record(growth *s, es_traj *t, int64_t step) {
  const int64_t every = s->steps > s->o->rows ? s->steps / s->o->rows : 1;
  const double time = (double) step * s->lr;
  int at = OTHER;
  if (step == 0) at = START;
  if (step == s->middle) at = MIDDLE;
  if (step == s->steps) at = END;
  if (step % every != 0 && at == OTHER) return ES_OK;
  if (at != OTHER) ES_TRY(amplitudes(s, s->r[at]));
  ES_TRY(eigenvalues(s, s->l[at]));
  ES_TRY(es_traj_append(t, s->series[0], step, time, &s->value));
  return es_traj_append(t, s->series[1], step, time, s->l[at]);
}

/* Collective. No update follows the last row: W stays what was recorded. */
static es_status descend(void *model, es_run_folder *o) {
  growth *const s = model;
  const size_t all = (size_t) s->d * (size_t) s->p->m;
  es_stop_begin(&o->stop);
  for (int64_t step = 0; step <= s->steps; step++) {
    ES_TRY(differentiate(s, step));
    if (!isfinite(s->value)) {
      es_error("diverged at step %lld: linear.lr = %g is too large", (long long) step,
               s->lr);
      return es_comm_agree(s->comm, ES_EMATH);
    }
    ES_TRY(record(s, o->traj, step));
    s->reached = step;
    if (step < s->steps) ES_TRY(es_stop_at(&o->stop, s->comm, ES_OK));
    es_progress_at((double) step, (double) s->steps);
    for (size_t i = 0; step < s->steps && i < all; i++)
      s->map.w[i] -= s->lr * s->map.dw[i];
  }
  return ES_OK;
}

/* d ln(square of the amplitude) / dt between two values of it. */
static double slope(double from, double to, double time) {
  return log(to / from) / time;
}

/* Predicted beside measured rates: printed, and the table /rates. */
static es_status report(void *model, es_traj *t) {
  const growth *const s = model;
  enum { COLUMNS = 5 };
  const es_traj_field field[COLUMNS] = {
      ES_TRAJ_SCALAR("mode", "1", "number of the mode"),
      ES_TRAJ_SCALAR("g", "1", "eigenvalue of G, dW/dt = W G"),
      ES_TRAJ_SCALAR("predicted", "1", "growth of an eigenvalue, 2 ln(1 + lr g) / lr"),
      ES_TRAJ_SCALAR("amplitude", "1",
                     "measured: of R_jj squared, W V = Q R, over the whole run"),
      ES_TRAJ_SCALAR("eigenvalue", "1",
                     "measured: of eigenvalue j of the embedding covariance, second half "
                     "of the run")};
  const double time = (double) s->steps * s->lr;
  const double late = (double) (s->steps - s->middle) * s->lr;
  double *row = NULL, worst = 0, top = 0;
  ES_TRY(ES_COMM_NEW(s->comm, COLUMNS * (size_t) s->modes, &row));
  es_print("\n%5s %14s %14s %14s %14s", "mode", "g", "predicted", "amplitude",
           "eigenvalue");
  for (int j = 0; j < s->modes; j++) {
    double *const x = row + (size_t) COLUMNS * (size_t) j;
    x[0] = j + 1;
    x[1] = s->e->value[j];
    x[2] = 2 * log1p(s->lr * x[1]) / s->lr;
    x[3] = 2 * slope(s->r[START][j], s->r[END][j], time);
    x[4] = slope(s->l[MIDDLE][j], s->l[END][j], late);
    worst = fmax(worst, fabs(x[3] - x[2]));
    top = fmax(top, fabs(x[2]));
    es_print("%5.0f %14.6g %14.6g %14.6g %14.6g", x[0], x[1], x[2], x[3], x[4]);
  }
  es_print("growth rates: amplitudes within %.1e of the prediction, over the largest",
           worst / top);
  const es_traj_table table = {.path = "/rates",
                               .doc = "growth at the small start",
                               .column = field,
                               .columns = COLUMNS,
                               .rows = s->modes,
                               .values = row};
  const es_status st = es_traj_write_table(t, &table);
  es_free(&row);
  return st;
}

es_status es_linear_growth_check(const es_loss_ops *loss) {
  char known[200];
  es_loss_names_with_theory(known, sizeof known);
  ES_CHECK(es_loss_has_growth_matrix(loss), ES_ECONFIG,
           "loss.name: got %s, which has no growth matrix; eigenstep linear expected %s",
           loss->name, known);
  return ES_OK;
}

static es_status prepare(growth *s, const es_loss_choice *loss) {
  const es_loss_size size = {
      .n_max = (int) s->p->n, .pairs = s->p->total, .dim = s->d, .seed = s->o->seed};
  ES_TRY(es_loss_create(loss, &size, s->comm, &s->loss));
  const char *const why = es_loss_obstacle(s->loss, &s->setup);
  ES_CHECK(why == NULL, ES_ECONFIG,
           "loss.name: got %s, whose growth rates do not hold: %s", loss->ops->name, why);
  ES_TRY(predict(s));
  ES_TRY(es_stop_between(NULL, s->comm, "the simulation"));
  ES_TRY(es_comm_agree(s->comm, allocate(s)));
  ES_TRY(plan(s));
  es_info("%s, %lld pairs of views of %d values, %d rank%s: lr = %.6g, %lld steps",
          loss->ops->name, (long long) s->p->total, s->p->m, s->comm->size,
          s->comm->size == 1 ? "" : "s", s->lr, (long long) s->steps);
  es_info("loss at the start: %.9g, predicted %.9g", s->value, s->start_loss);
  return ES_OK;
}

es_status es_linear_growth_run(const es_job *job, es_config *cfg,
                               const es_linear_growth *o) {
  growth s = {.comm = job->comm,
              .o = o,
              .p = o->pairs,
              .d = o->dim,
              .setup = {.dim = o->dim,
                        .pairs = o->pairs->total,
                        .layers = 1,
                        .optim = "sgd",
                        .lr = o->lr,
                        .constant_lr = true}};
  es_status st = prepare(&s, o->loss);
  if (st == ES_OK) {
    const es_simulation simulation = {.model = &s,
                                      .steps = s.steps,
                                      .reached = &s.reached,
                                      .declare = declare,
                                      .simulate = descend,
                                      .report = report,
                                      .whole = true};
    st = es_simulation_run(job, cfg, o->dir, &simulation);
  }
  release(&s);
  return st;
}
