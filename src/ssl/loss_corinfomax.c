/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_corinfomax.c  CorInfoMax (Ozsoy, Hamdan, Arik, Yuret, Erdogan,
 *  "Self-supervised learning with an information maximization criterion", NeurIPS 2022),
 *  with covariances of the batch where the authors keep running ones (forgetting
 *  factors 0 here, 0.01 there).
 *
 *  L = -(cov/D) [ln det(C + eps I) + ln det(C' + eps I)] + inv mean_(n,j) (u - u')^2 with
 *  u = z/|z| (normalize) or z, and C, C' the covariances of the views over the N pairs of
 *  all ranks, ddof 0.
 *
 *  dL/dC = -(cov/D)(C + eps I)^-1, and dL/dU = 2 (U less its mean) dL/dC / N plus the
 *  invariance term; centring passes that unchanged, as in VICReg. Two reductions. Where
 *  the covariance has directions in which the views agree, L falls without bound as they
 *  widen, unless rows have unit length. D = embedding width. */
#include <math.h>
#include <string.h>

#include "rows.h"
#include "symmetric.h"

typedef struct par {
  double inv, cov, eps;
  bool normalize;
} par;

static const es_param params[] = {
    ES_DOUBLE(par, inv, "500", 0, ES_INF, "1",
              "weight of the invariance term (250 to 2000 in the original)"),
    ES_DOUBLE(par, cov, "1", 0, ES_INF, "1", "weight of the log-determinants"),
    ES_DOUBLE(par, eps, "1e-8", 1e-300, ES_INF, "1",
              "added to the eigenvalues of the covariance"),
    ES_BOOL(par, normalize, "true", "embeddings of unit length"), ES_PARAM_END};

/** The workspace by name; what is reduced together lies side by side. */
typedef struct parts {
  double *u[2];      /**< [n, D] rows as C sees them, then less their mean */
  double *unit[2];   /**< [n, D] rows of unit length */
  double *length[2]; /**< [n] */
  double *count;     /**< [1] in front of the two means */
  double *mean[2];   /**< [D] */
  double *apart;     /**< [1] sum of (u - u')^2, in front of the two C */
  double *c[2];      /**< [D, D] C, then (C + eps I)^-1 */
  double *both;      /**< [D, D] mean of the two C */
} parts;

static es_status check(const void *p, int64_t pairs, int dim) {
  (void) p;
  (void) dim;
  ES_CHECK(pairs >= 2, ES_ECONFIG,
           "loss.corinfomax: got a batch of %lld pair, expected at least 2: one has no "
           "variance",
           (long long) pairs);
  return ES_OK;
}

static size_t workspace(const void *p, int n_max, int64_t all, int dim) {
  (void) p;
  (void) all;
  const size_t n = (size_t) n_max, d = (size_t) dim;
  return (4 * n * d + 2 * n + 3 * d * d + 2 * d + 2) * sizeof(double);
}

static parts divide(const es_loss *l) {
  const size_t n = (size_t) l->n_max, d = (size_t) l->dim;
  parts p;
  p.u[0] = l->work;
  p.u[1] = p.u[0] + n * d;
  p.unit[0] = p.u[1] + n * d;
  p.unit[1] = p.unit[0] + n * d;
  p.length[0] = p.unit[1] + n * d;
  p.length[1] = p.length[0] + n;
  p.count = p.length[1] + n;
  p.mean[0] = p.count + 1;
  p.mean[1] = p.mean[0] + d;
  p.apart = p.mean[1] + d;
  p.c[0] = p.apart + 1;
  p.c[1] = p.c[0] + d * d;
  p.both = p.c[1] + d * d;
  return p;
}

/** Collective. Centred rows x of both views, their covariances, the distance. */
static void covariances(const es_loss *l, int n, double pairs, const double *const x[2],
                        const parts *p) {
  const int d = l->dim;
  const size_t square = (size_t) d * (size_t) d;
  *p->apart = es_rows_distance(n, d, x[0], x[1]);
  for (int a = 0; a < 2; a++) {
    es_rows_center(n, d, x[a], p->mean[a], p->u[a]);
    es_rows_product(n, d, 1 / pairs, p->u[a], p->u[a], p->c[a]);
  }
  es_comm_sum_f64(l->comm, p->apart, 1 + 2 * (int64_t) square);
  for (size_t i = 0; i < square; i++) p->both[i] = 0.5 * (p->c[0][i] + p->c[1][i]);
}

/** ln det(C + eps I) of a view; C becomes (C + eps I)^-1. NaN if C is not finite. */
static es_status log_det(const es_loss *l, int view, double *c, double *value) {
  const double eps = ((const par *) l->par)->eps;
  const int d = l->dim;
  *value = NAN;
  if (!es_symmetric_finite(d, c)) return ES_OK;
  for (int j = 0; j < d; j++) c[(size_t) j * (size_t) (d + 1)] += eps;
  const int bad = es_symmetric_cholesky(d, c);
  ES_CHECK(
      bad == 0, ES_EMATH,
      "loss.corinfomax: the covariance of view %d is singular to round-off (minor %d "
      "of %d): got loss.corinfomax.eps = %g, expected more",
      view, bad, d, eps);
  *value = es_symmetric_log_det(d, c);
  es_symmetric_invert(d, c);
  return ES_OK;
}

static void gradient(const es_loss *l, int n, double pairs, const double *const x[2],
                     const parts *p, int a, double *dz) {
  const par *const o = l->par;
  const int d = l->dim;
  es_rows_pull(n, d, 2 * o->inv / (pairs * d), x[a], x[1 - a], dz);
  es_rows_times(n, d, -2 * o->cov / (pairs * d), p->u[a], p->c[a], false, 1.0, dz);
  if (o->normalize) es_rows_unit_backward(n, d, p->unit[a], p->length[a], dz);
}

static es_status eval(es_loss *l, int n, const double *z1, const double *z2,
                      double *value, double *dz1, double *dz2) {
  const par *const o = l->par;
  const parts p = divide(l);
  const double *x[2] = {z1, z2};
  double log_dets[2];
  for (int a = 0; a < 2 && o->normalize; a++) {
    es_rows_unit(n, l->dim, x[a], p.unit[a], p.length[a]);
    x[a] = p.unit[a];
  }
  const double pairs = es_rows_average(l, n, x, p.count);
  ES_CHECK(pairs >= 2, ES_EARG, "got %.0f pairs on all ranks, expected at least 2",
           pairs);
  covariances(l, n, pairs, x, &p);
  for (int a = 0; a < 2; a++) ES_TRY(log_det(l, a + 1, p.c[a], &log_dets[a]));
  *value = (o->inv * *p.apart / pairs - o->cov * (log_dets[0] + log_dets[1])) / l->dim;
  if (dz1 == NULL) return ES_OK;
  gradient(l, n, pairs, x, &p, 0, dz1);
  gradient(l, n, pairs, x, &p, 1, dz2);
  return ES_OK;
}

/** Mean covariance of the two views. */
static void matrix(const es_loss *l, double *c) {
  memcpy(c, divide(l).both, (size_t) l->dim * (size_t) l->dim * sizeof *c);
}

/** What it divides by is the length of a row, not a deviation over the batch. */
static void convention(const void *p, bool *center, bool *normalize) {
  (void) p;
  *center = true;
  *normalize = false;
}

/** Unit vectors have a trace of at most 1, spread over all directions in the end. */
static void growth(const void *p, int dim, es_loss_growth *g) {
  const bool unit = ((const par *) p)->normalize;
  *g = (es_loss_growth){.unit = unit, .rate = 2, .settled = unit ? 1.0 / dim : 1};
}

const es_loss_ops es_loss_corinfomax = {
    .name = "corinfomax",
    .doc = "CorInfoMax: log-determinants of the covariances, and invariance",
    .params = params,
    .size = sizeof(par),
    .check = check,
    .workspace = workspace,
    .eval = eval,
    .convention = convention,
    .growth = growth,
    .matrix = matrix};
