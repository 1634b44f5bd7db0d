/* SPDX-License-Identifier: BSD-3-Clause */
/** @file solve.c  Tangent features and the modes of the loss's theory in them. */
#include "solve.h"

#include <math.h>
#include "eigenstep/eig.h"
#include "eigenstep/linear.h"
#include "eigenstep/mem.h"
#include "eigenstep/mode_descent.h"

/* Theta is summed from products in single precision: eigenvalues below this share of the
 * largest are round-off; WORST: how negative they may be. */
#define SMALLEST 1e-7
#define WORST 1e-5

/* Share of their mean square by which embeddings near one point vary, at most. */
#define NEAR 0.01

typedef struct work {
  const es_ntk_problem *p;
  bool flow, growth, alone; /* what of the theory is used: at most one of flow, growth */
  const es_comm *comm;
  es_eigen *of_theta;
  es_dmat phi;    /* [2n, rank], shares of_theta's vectors */
  es_pairs fit;   /* rows of phi of the pairs learned from, owned */
  es_modes modes; /* gamma and vector owned */
} work;

/* Phi = U diag(kappa)^(1/2) */
static es_status factor(work *w) {
  const int order = w->p->theta->m;
  int rank = 0;
  ES_TRY(es_eig_solve("syevd", w->p->theta, 0, &w->of_theta));
  const double *const kappa = w->of_theta->value;
  ES_CHECK(kappa[0] > 0 && kappa[order - 1] > -WORST * kappa[0], ES_EMATH,
           "tangent kernel: got eigenvalues from %g to %g, expected none below 0 by more "
           "than round-off",
           kappa[order - 1], kappa[0]);
  while (rank < order && kappa[rank] > SMALLEST * kappa[0]) rank++;
  w->phi = es_dmat_first_cols(w->of_theta->vector, rank);
  for (int j = 0; j < w->phi.ln; j++) {
    const double s = sqrt(kappa[es_dmat_col(&w->phi, j)]);
    for (int i = 0; i < w->phi.lm; i++) w->phi.a[(int64_t) j * w->phi.lld + i] *= s;
  }
  return ES_OK;
}

static es_status take_pairs(work *w) {
  es_pairs *const x = &w->fit;
  x->total = w->p->fit;
  x->m = w->phi.n;
  for (int v = 0; v < 2; v++)
    ES_TRY(es_dmat_to_rows(&w->phi, v * w->phi.m / 2, w->p->fit, &x->n, &x->x[v]));
  es_comm_scan(w->comm, x->n, &x->first, NULL);
  return ES_OK;
}

/* Length of the mean embedding. *spread: mean square distance from it. */
static double mean_length(const es_ntk_problem *p, double *spread) {
  const int d = p->setup.dim, n = p->theta->m;
  double square = 0;
  *spread = 0;
  for (int j = 0; j < d; j++) {
    double mean = 0, all = 0;
    for (int i = 0; i < n; i++) {
      const double z = p->z[(int64_t) i * d + j];
      mean += z / n;
      all += z * z / n;
    }
    square += mean * mean;
    *spread += all - mean * mean;
  }
  return sqrt(square);
}

/* Eigenpairs of Gamma: the whole theory of a solved flow; for a loss without theory, what
 * views have in common. */
static es_status solve_gamma(work *w, int wanted) {
  es_modes *found = NULL;
  if (es_loss_modes_of(w->p->loss).center || !(w->flow || w->alone))
    ES_TRY(es_pairs_center(w->comm, &w->fit));
  ES_TRY(es_modes_create(w->p->grid, &w->fit, wanted, "syevd", &found));
  w->modes = *found;
  es_free(&found);
  return ES_OK;
}

static es_status solve_growth(work *w, int wanted) {
  const es_loss *const l = w->p->loss;
  const es_loss_theory *const theory = l->ops->theory;
  double spread;
  const double length = mean_length(w->p, &spread);
  es_loss_linear linear;
  es_dmat *growth = NULL;
  es_eigen *e = NULL;
  theory->linear(l->par, &w->p->setup, &linear);
  ES_TRY(theory->growth_matrix(l->par, &w->p->setup, w->p->grid, &w->fit,
                               length > 0 ? length : 1, &growth));
  const es_status st = es_eig_solve("syevd", growth, wanted, &e);
  es_dmat_destroy(&growth);
  ES_TRY(st);
  for (int j = 0; j < e->k; j++) e->value[j] *= linear.unit;
  w->modes = (es_modes){.m = w->fit.m, .k = e->k, .gamma = e->value, .vector = e->vector};
  e->value = NULL;
  e->vector = NULL;
  es_eig_destroy(&e);
  return ES_OK;
}

/* rows [2n, modes] on all ranks: features in the modes. */
static es_status project(const work *w, int modes, double *rows) {
  const es_dmat v = es_dmat_first_cols(w->modes.vector, modes);
  es_dmat *out = NULL;
  ES_TRY(es_dmat_create(w->p->grid, w->phi.m, modes, 0, &out));
  es_status st = es_dmat_gemm("NN", 1, &w->phi, &v, 0, out);
  if (st == ES_OK) st = es_dmat_gather(out, rows);
  es_dmat_destroy(&out);
  return st;
}

/* Size of mode j at the end. rows: of features in the modes. */
static double final_size(const work *w, int j, int modes, const double *rows) {
  const int n = w->phi.m / 2;
  double sum[2] = {0, 0};
  if (!(w->modes.gamma[j] > 0)) return 0;
  if (w->flow) return 1 / sqrt(w->modes.gamma[j]);
  for (int i = 0; i < w->p->fit; i++)
    for (int v = 0; v < 2; v++) {
      const double x = rows[(int64_t) (i + v * n) * modes + j];
      sum[0] += x;
      sum[1] += x * x;
    }
  const double points = 2.0 * w->p->fit;
  const double variance = sum[1] / points - sum[0] * sum[0] / points / points;
  return variance > 0 ? 1 / sqrt(variance) : 0;
}

typedef struct matrix {
  const double *x;
  int columns;
} matrix;

static double entry(void *ctx, int i, int j) {
  const matrix *const m = ctx;
  return m->x[(int64_t) i * m->columns + j];
}

/* start [D, modes]: the weights W with W phi = z, in the modes: W' = diag(1 / kappa)
 * Phi' Z. */
static es_status start_weights(const work *w, int modes, double *start) {
  const int d = w->p->setup.dim;
  const double *const kappa = w->of_theta->value;
  const es_dmat v = es_dmat_first_cols(w->modes.vector, modes);
  matrix z = {w->p->z, d};
  es_dmat *of_z = NULL, *weights = NULL, *out = NULL;
  es_status st;
  ES_TRY_GOTO(es_dmat_create(w->p->grid, w->phi.m, d, 0, &of_z), done);
  es_dmat_fill(of_z, entry, &z);
  ES_TRY_GOTO(es_dmat_create(w->p->grid, w->phi.n, d, 0, &weights), done);
  ES_TRY_GOTO(es_dmat_gemm("TN", 1, &w->phi, of_z, 0, weights), done);
  for (int j = 0; j < weights->ln; j++)
    for (int i = 0; i < weights->lm; i++)
      weights->a[(int64_t) j * weights->lld + i] /= kappa[es_dmat_row(weights, i)];
  ES_TRY_GOTO(es_dmat_create(w->p->grid, d, modes, 0, &out), done);
  ES_TRY_GOTO(es_dmat_gemm("TN", 1, weights, &v, 0, out), done);
  st = es_dmat_gather(out, start);
done:
  es_dmat_destroy(&out);
  es_dmat_destroy(&weights);
  es_dmat_destroy(&of_z);
  return st;
}

/* Of the features: gamma and second moment of each mode. rows: of features in them. */
static void describe_modes(const work *w, int modes, const double *rows,
                           es_loss_mode *mode) {
  const int n = w->phi.m / 2, k = w->modes.k;
  for (int j = 0; j < modes; j++) {
    double sum = 0;
    for (int i = 0; i < w->p->fit; i++)
      for (int v = 0; v < 2; v++) {
        const double x = rows[(int64_t) (i + v * n) * k + j];
        sum += x * x;
      }
    mode[j] = (es_loss_mode){w->modes.gamma[j], sum / (2.0 * w->p->fit)};
  }
}

/* Each mode alone, at a constant learning rate. */
static es_status times_alone(const work *w, int modes, const es_flow *flow,
                             const double *rows, double *tau) {
  enum { LONGEST = 1000000 };
  const es_loss_setup *const s = &w->p->setup;
  const es_mode_update update = {.lr = s->lr,
                                 .nesterov = s->nesterov,
                                 .momentum = s->momentum,
                                 .eps = s->precondition,
                                 .decay = s->weight_decay};
  es_loss_mode *mode = NULL;
  es_mode_descent *m = NULL;
  ES_TRY(ES_NEW(modes, &mode));
  describe_modes(w, modes, rows, mode);
  const es_mode_start start = {.n = modes, .mode = mode, .amplitude = flow->start};
  es_status st = es_mode_descent_create(w->p->loss, s, &update, &start, &m);
  if (st == ES_OK) st = es_mode_descent_steps(m, NULL, NULL, LONGEST / modes, tau);
  for (int j = 0; j < modes && st == ES_OK; j++) tau[j] *= s->lr;
  es_mode_descent_destroy(&m);
  es_free(&mode);
  return st;
}

/* Times from the embeddings of the start: of the solved flow, or of each mode alone. */
static es_status predict_times(const work *w, const double *rows, es_ntk_solution *s) {
  const int d = w->p->setup.dim, modes = w->modes.k < d ? w->modes.k : d;
  const es_flow_options any = {.offdiag = 1}; /* the start does not depend on it */
  double *start = NULL;
  es_loss_flow law = {.options = any, .speed = 1};
  es_flow *flow = NULL;
  ES_TRY(ES_COMM_NEW(w->comm, d * modes, &start));
  if (!w->alone) w->p->loss->ops->theory->flow(w->p->loss->par, &w->p->setup, &law);
  es_status st = start_weights(w, modes, start);
  if (st == ES_OK) st = es_flow_create(d, modes, s->gamma, start, &law.options, &flow);
  if (st == ES_OK && w->alone) st = times_alone(w, modes, flow, rows, s->tau);
  for (int j = 0; j < modes && st == ES_OK && !w->alone; j++)
    s->tau[j] = isfinite(flow->tau[j]) ? flow->tau[j] / law.speed : NAN;
  st = es_comm_agree(w->comm, st);
  es_flow_destroy(&flow);
  es_free(&start);
  return st;
}

/* Embeddings at the end, and times. */
static es_status predict(const work *w, es_ntk_solution *s) {
  const int found = w->modes.k;
  double *rows = NULL;
  ES_TRY(ES_COMM_NEW(w->comm, (int64_t) s->n * found, &rows));
  es_status st = project(w, found, rows);
  for (int j = 0; j < found && st == ES_OK; j++) {
    const double size = final_size(w, j, found, rows);
    for (int i = 0; i < s->n; i++)
      s->predicted[(int64_t) j * s->n + i] = size * rows[(int64_t) i * found + j];
  }
  if (st == ES_OK && s->tau != NULL) st = predict_times(w, rows, s);
  es_free(&rows);
  return st;
}

/* What of the loss's theory describes this training. */
static void choose(work *w, es_ntk_solution *s) {
  const es_loss *const l = w->p->loss;
  const es_loss_setup *const setup = &w->p->setup;
  s->why = es_loss_obstacle(l, setup);
  if (s->why != NULL) return;
  w->alone = es_loss_modes_need_each(l, setup);
  w->flow = es_loss_has_flow(l->ops) && !w->alone;
  w->growth = !w->flow && !w->alone && es_loss_has_growth_matrix(l->ops);
  double spread;
  const double length = mean_length(w->p, &spread);
  if (w->growth && es_loss_is_linear_at_point(l, setup) &&
      spread > NEAR * length * length)
    s->caution = "the loss depends on directions of embeddings, which are not near one "
                 "point at this step: the growth rates are those about their mean";
  else if (w->growth && !w->p->start)
    s->caution = "the growth rates are those of a small start, which this step is not";
}

static es_status solve(work *w, es_ntk_solution *s) {
  choose(w, s);
  const char *const why = s->why, *const caution = s->caution;
  ES_TRY(factor(w));
  ES_TRY(take_pairs(w));
  const int wanted = w->p->modes < w->fit.m ? w->p->modes : w->fit.m;
  ES_TRY(w->growth ? solve_growth(w, wanted) : solve_gamma(w, wanted));
  *s = (es_ntk_solution){
      .why = why, .caution = caution, .n = w->phi.m, .modes = w->p->modes};
  es_status st = ES_NEW(s->modes, &s->gamma);
  if (st == ES_OK) st = ES_NEW((int64_t) s->n * s->modes, &s->predicted);
  if (st == ES_OK && (w->flow || w->alone) && w->p->start) st = ES_NEW(s->modes, &s->tau);
  ES_TRY(es_comm_agree(w->comm, st));
  for (int j = 0; j < s->modes; j++) {
    s->gamma[j] = j < w->modes.k ? w->modes.gamma[j] : NAN;
    if (s->tau != NULL) s->tau[j] = NAN;
  }
  return predict(w, s);
}

es_status es_ntk_solve(const es_ntk_problem *p, es_ntk_solution *s) {
  work w = {.p = p, .comm = p->grid->comm};
  *s = (es_ntk_solution){.gamma = NULL};
  const es_status st = es_comm_agree(w.comm, solve(&w, s));
  es_free(&w.modes.gamma);
  es_dmat_destroy(&w.modes.vector);
  es_pairs_free(&w.fit);
  es_eig_destroy(&w.of_theta);
  if (st != ES_OK) es_ntk_solution_free(s);
  return st;
}

void es_ntk_solution_free(es_ntk_solution *s) {
  es_free(&s->gamma);
  es_free(&s->predicted);
  es_free(&s->tau);
  s->modes = 0;
}
