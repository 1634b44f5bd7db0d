/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_vicreg.c  VICReg (Bardes, Ponce, LeCun, ICLR 2022).
 *
 *  L = inv mean_(n,j) (z - z')^2 + var h [v(Z) + v(Z')] + cov [c(Z) + c(Z')], with
 *  v = (1/D) sum_j max(0, 1 - sqrt(C_jj + eps)), c = (1/D) sum_{i != j} C_ij^2 and C the
 *  covariance of a view over the N pairs of all ranks, ddof 1. h = 1/2 as in the authors'
 *  code (hinge_half), or 1 as in the paper's formula.
 *
 *  With G = dL/dC, symmetric, and U = Z less its mean: dL/dZ = 2 U G / (N - 1) plus the
 *  invariance term. U has zero column sums, so centring passes that unchanged: two
 *  reductions, one for the means, one for both C and the invariance term, and none in
 *  the gradient. D = embedding width. */
#include <math.h>
#include <string.h>

#include "rows.h"

typedef es_vicreg_params par;

static const es_param params[] = {
    ES_DOUBLE(par, inv, "25", 0, ES_INF, "1", "weight of the invariance term"),
    ES_DOUBLE(par, var, "25", 0, ES_INF, "1", "weight of the variance term"),
    ES_DOUBLE(par, cov, "1", 0, ES_INF, "1", "weight of the covariance term"),
    ES_DOUBLE(par, eps, "1e-4", 1e-300, ES_INF, "1",
              "added to the variance under the root"),
    ES_BOOL(par, hinge_half, "true",
            "mean of the two views' hinges (official code) instead of their sum"),
    ES_PARAM_END};

/** The workspace by name; what is reduced together lies side by side. */
typedef struct parts {
  double *u[2];    /**< [n, D] centred views */
  double *count;   /**< [1] in front of the two means */
  double *mean[2]; /**< [D] */
  double *apart;   /**< [1] sum of (z - z')^2, in front of the two C */
  double *c[2];    /**< [D, D] C, then G = dL/dC */
  double *both;    /**< [D, D] mean of the two C */
} parts;

static es_status check(const void *p, int64_t pairs, int dim) {
  (void) p;
  (void) dim;
  ES_CHECK(pairs >= 2, ES_ECONFIG,
           "loss.vicreg: got a batch of %lld pair, expected at least 2: one has no "
           "variance",
           (long long) pairs);
  return ES_OK;
}

static size_t workspace(const void *p, int n_max, int64_t all, int dim) {
  (void) p;
  (void) all;
  const size_t n = (size_t) n_max, d = (size_t) dim;
  return (2 * n * d + 3 * d * d + 2 * d + 2) * sizeof(double);
}

static parts divide(const es_loss *l) {
  const size_t nd = (size_t) l->n_max * (size_t) l->dim, d = (size_t) l->dim;
  parts p;
  p.u[0] = l->work;
  p.u[1] = p.u[0] + nd;
  p.count = p.u[1] + nd;
  p.mean[0] = p.count + 1;
  p.mean[1] = p.mean[0] + d;
  p.apart = p.mean[1] + d;
  p.c[0] = p.apart + 1;
  p.c[1] = p.c[0] + d * d;
  p.both = p.c[1] + d * d;
  return p;
}

/** Collective. Centred views, their covariances, and the distance of the views. */
static void covariances(const es_loss *l, int n, double pairs, const double *const z[2],
                        parts *p) {
  const int d = l->dim;
  const size_t dd = (size_t) d * (size_t) d;
  *p->apart = es_rows_distance(n, d, z[0], z[1]);
  for (int a = 0; a < 2; a++) {
    es_rows_center(n, d, z[a], p->mean[a], p->u[a]);
    es_rows_product(n, d, 1.0 / (pairs - 1.0), p->u[a], p->u[a], p->c[a]);
  }
  es_comm_sum_f64(l->comm, p->apart, 1 + 2 * (int64_t) dd);
  for (size_t i = 0; i < dd; i++) p->both[i] = 0.5 * (p->c[0][i] + p->c[1][i]);
}

/** Variance and covariance terms of one view; C becomes G. */
static double spread(const par *o, int d, double *c) {
  const double half = o->hinge_half ? 0.5 : 1.0;
  double hinge = 0.0, off = 0.0;
  for (int i = 0; i < d; i++)
    for (int j = 0; j < d; j++) {
      double *const x = c + (size_t) i * (size_t) d + (size_t) j;
      if (i != j) {
        off += *x * *x;
        *x *= 2.0 * o->cov / d;
        continue;
      }
      const double std = sqrt(*x + o->eps);
      const bool narrow = !(std >= 1.0); /* a NaN must reach the value */
      hinge += narrow ? 1.0 - std : 0.0;
      *x = narrow ? -o->var * half / (2.0 * d * std) : 0.0;
    }
  return (o->var * half * hinge + o->cov * off) / d;
}

/** dz = 2 U G / (N - 1) + 2 inv (z - z') / (N D) for one view. */
static void gradient(const es_loss *l, int n, double pairs, const parts *p, int a,
                     const double *z, const double *other, double *dz) {
  const par *const o = l->par;
  const int d = l->dim;
  es_rows_pull(n, d, 2.0 * o->inv / (pairs * d), z, other, dz);
  es_rows_times(n, d, 2.0 / (pairs - 1.0), p->u[a], p->c[a], false, 1.0, dz);
}

static es_status eval(es_loss *l, int n, const double *z1, const double *z2,
                      double *value, double *dz1, double *dz2) {
  const par *const o = l->par;
  const double *const z[2] = {z1, z2};
  parts p = divide(l);
  const double pairs = es_rows_average(l, n, z, p.count);
  ES_CHECK(pairs >= 2, ES_EARG, "got %.0f pairs on all ranks, expected at least 2",
           pairs);
  covariances(l, n, pairs, z, &p);
  *value = o->inv * *p.apart / (pairs * l->dim);
  for (int a = 0; a < 2; a++) *value += spread(o, l->dim, p.c[a]);
  if (dz1 == NULL) return ES_OK;
  gradient(l, n, pairs, &p, 0, z1, z2, dz1);
  gradient(l, n, pairs, &p, 1, z2, z1, dz2);
  return ES_OK;
}

/** Mean covariance of the two views. */
static void matrix(const es_loss *l, double *c) {
  memcpy(c, divide(l).both, (size_t) l->dim * (size_t) l->dim * sizeof *c);
}

/** The loss does not see a common shift of a view; it does see the scale. */
static void convention(const void *p, bool *center, bool *normalize) {
  (void) p;
  *center = true;
  *normalize = false;
}

/** dW/dt = W G while the embeddings are small; the hinge pulls variances towards 1. */
static void growth(const void *p, int dim, es_loss_growth *g) {
  (void) p;
  (void) dim;
  *g = (es_loss_growth){.rate = 2, .settled = 1};
}

const es_loss_ops es_loss_vicreg = {.name = "vicreg",
                                    .doc = "VICReg: invariance, variance, covariance",
                                    .params = params,
                                    .size = sizeof(par),
                                    .check = check,
                                    .workspace = workspace,
                                    .eval = eval,
                                    .convention = convention,
                                    .growth = growth,
                                    .matrix = matrix};
