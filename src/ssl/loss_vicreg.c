/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_vicreg.c  VICReg (Bardes, Ponce, LeCun, ICLR 2022).
 *
 *  L = inv mean_(n,j) (z - z')^2 + var h [v(Z) + v(Z')] + cov [c(Z) + c(Z')], with
 *  v = (1/D) sum_j max(0, 1 - sqrt(C_jj + eps)), c = (1/D) sum_{i != j} C_ij^2 and C the
 *  covariance of a view over the N pairs of all ranks, ddof 1. h = 1/2 as in the authors'
 *  code (hinge_half), or 1 as in the paper's formula.
 *
 *  With G = dL/dC, symmetric, and U = Z less its mean: dL/dZ = 2 U G / (N - 1) plus the
 *  invariance term. U has zero column sums, so centring passes that unchanged: sums over
 *  ranks for the means, the invariance term and both C, and none in the gradient. The
 *  loss does not depend on a common shift of a view, but on its scale.
 *  D = embedding width. What theory knows of it is at the end. */
#include <math.h>

#include "covariances.h"
#include "eigenstep/loss_theory.h"
#include "gram.h"
#include "rows.h"

typedef struct par {
  double inv, var, cov, eps;
  bool hinge_half; /* mean of the two views' hinges, not their sum */
} par;

static const es_param params[] = {
    ES_DOUBLE(par, inv, "25", 0, ES_INF, "1", "weight of the invariance term"),
    ES_DOUBLE(par, var, "25", 0, ES_INF, "1", "weight of the variance term"),
    ES_DOUBLE(par, cov, "1", 0, ES_INF, "1", "weight of the covariance term"),
    ES_DOUBLE(par, eps, "1e-4", 1e-300, ES_INF, "1",
              "added to the variance under the root"),
    ES_BOOL(par, hinge_half, "true",
            "mean of the two views' hinges (official code) instead of their sum"),
    ES_PARAM_END};

static es_status check(const void *p, int64_t pairs, int dim) {
  (void) p;
  (void) dim;
  return es_rows_check_pairs("vicreg", pairs, "no variance");
}

static size_t workspace(const void *p, int n_max, int64_t all, int dim) {
  (void) p;
  (void) n_max;
  (void) all;
  return es_covariances_work(dim) * sizeof(double);
}

/** One view's C. */
typedef struct spread_of {
  const par *o;
  int d;
  double *c;
} spread_of;

/** Some rows of C become those of G = dL/dC; sums: the hinges, the squares off the
 *  diagonal. */
static void spread(void *ctx, int first, int last, double *sums) {
  const spread_of *const s = ctx;
  const par *const o = s->o;
  const int d = s->d;
  const double half = o->hinge_half ? 0.5 : 1.0;
  for (int i = first; i < last; i++)
    for (int j = 0; j < d; j++) {
      double *const x = s->c + (size_t) i * (size_t) d + (size_t) j;
      if (i != j) {
        sums[1] += *x * *x;
        *x *= 2.0 * o->cov / d;
        continue;
      }
      const double std = sqrt(*x + o->eps);
      const bool narrow = !(std >= 1.0); /* a NaN must reach the value */
      sums[0] += narrow ? 1.0 - std : 0.0;
      *x = narrow ? -o->var * half / (2.0 * d * std) : 0.0;
    }
}

/** Collective. Variance and covariance terms of one view; C becomes G. */
static double spread_all(const es_loss *l, double *c) {
  const par *const o = l->par;
  spread_of view = {o, l->dim, c};
  double sums[2];
  es_gram_each(l->gram, spread, &view, sums);
  return (o->var * (o->hinge_half ? 0.5 : 1.0) * sums[0] + o->cov * sums[1]) / l->dim;
}

/** dz = 2 U G / (N - 1) + 2 inv (z - z') / (N D) for view a. */
static void gradient(const es_loss *l, int n, double pairs, const double *const z[2],
                     int a, double *dz) {
  const par *const o = l->par;
  const es_covariances p = es_covariances_of(l);
  const int d = l->dim;
  es_rows_difference(n, d, 2.0 * o->inv / (pairs * d), z[a], z[1 - a], dz);
  es_rows_add_times(n, d, 2.0 / (pairs - 1.0), p.u[a], p.c[a], dz);
}

static es_status eval(es_loss *l, const es_loss_batch *b, double *value) {
  const par *const o = l->par;
  const es_covariances p = es_covariances_of(l);
  double pairs;
  ES_TRY(es_covariances_compute(l, b->n, b->z, 1, &pairs));
  *value = o->inv * *p.distance / (pairs * l->dim);
  for (int a = 0; a < 2; a++) *value += spread_all(l, p.c[a]);
  for (int a = 0; a < 2 && b->dz[a] != NULL; a++)
    gradient(l, b->n, pairs, b->z, a, b->dz[a]);
  return ES_OK;
}

/** Where one direction with equal variances l/D is at rest if views agree: the hinge's
 *  slope in l, var h / (2 sqrt(l/D + eps)), is that of the covariance term,
 *  2 cov l (1 - 1/D), or the hinge is inactive. By bisection. */
static double alone(const par *o, int d) {
  double low = 0, high = fmax(d * (1 - o->eps), 0);
  for (int i = 0; i < 60; i++) {
    const double l = (low + high) / 2;
    const double hinge = o->var * (o->hinge_half ? 0.5 : 1) / (2 * sqrt(l / d + o->eps));
    if (hinge > 2 * o->cov * l * (1 - 1.0 / d))
      low = l;
    else
      high = l;
  }
  return low;
}

/** Covariance of the embeddings: the hinge pulls variances towards 1. */
static void modes(const void *p, int dim, es_loss_modes *m) {
  m->center = true;
  m->alone = alone(p, dim);
}

/* --- theory ------------------------------------------------------------------------- */

/** Weight of the hinges of both views together. */
static double hinges(const par *o) {
  return o->var * (o->hinge_half ? 1 : 2);
}

/** All hinges active: var (1 - sqrt(eps)), twice that for the sum of both views'. */
static double start(const void *p, const es_loss_setup *s) {
  const par *const o = p;
  (void) s;
  return hinges(o) * (1 - sqrt(o->eps));
}

/** The hinge is linear in a variance below eps. It bends by factors on the rows of W,
 *  which leave the modes separate. */
static void linear(const void *p, const es_loss_setup *s, es_loss_linear *l) {
  (void) s;
  *l = (es_loss_linear){.small = 1e-5 * ((const par *) p)->eps, .unit = 1};
}

/** G = (1/d) [(var / sqrt(eps)) Sbar - 2 inv D], Sbar the mean covariance of the views
 *  (ddof 1), D = (1/N) sum (x - x')(x - x')'. The covariance term is of order W^4. */
static es_status growth_matrix(const void *p, const es_loss_setup *s, const es_grid *grid,
                               const es_pairs *x, double length, es_dmat **g) {
  const par *const o = p;
  const double n = (double) x->total;
  const double spread = hinges(o) / sqrt(o->eps) / s->dim / (n - 1);
  const es_rates_terms t = {
      .sum_centred = spread, .diff_centred = spread, .diff = -8 * o->inv / (n * s->dim)};
  (void) length;
  return es_rates_matrix(grid, x, &t, g);
}

static const es_loss_theory theory = {
    .start = start, .linear = linear, .growth_matrix = growth_matrix};

const es_loss_ops es_loss_vicreg = {.name = "vicreg",
                                    .doc = "VICReg: invariance, variance, covariance",
                                    .params = params,
                                    .size = sizeof(par),
                                    .check = check,
                                    .workspace = workspace,
                                    .matrices = ES_COVARIANCES_MATRICES,
                                    .exchange = es_covariances_exchange,
                                    .eval = eval,
                                    .modes = modes,
                                    .matrix = es_covariances_matrix,
                                    .theory = &theory};
