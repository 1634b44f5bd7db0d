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

#include "covariances.h"
#include "eigenstep/loss_theory.h"
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

/** The workspace by name, after the covariances. */
typedef struct parts {
  double *unit[2];   /**< [n, D] rows of unit length */
  double *length[2]; /**< [n] */
} parts;

static es_status check(const void *p, int64_t pairs, int dim) {
  ES_TRY(es_rows_check_unit("corinfomax", ((const par *) p)->normalize, dim));
  return es_rows_check_pairs("corinfomax", pairs, "no variance");
}

static size_t workspace(const void *p, int n_max, int64_t all, int dim) {
  (void) p;
  (void) all;
  const size_t n = (size_t) n_max, d = (size_t) dim;
  return (es_covariances_work(dim) + 2 * n * d + 2 * n) * sizeof(double);
}

static parts layout(const es_loss *l) {
  const size_t n = (size_t) l->n_max, d = (size_t) l->dim;
  parts p;
  p.unit[0] = l->work + es_covariances_work(l->dim);
  p.unit[1] = p.unit[0] + n * d;
  p.length[0] = p.unit[1] + n * d;
  p.length[1] = p.length[0] + n;
  return p;
}

/** Collective. ln det(C + eps I) of a view; C becomes (C + eps I)^-1. NaN if C is not
 *  finite. */
static es_status log_det(const es_loss *l, int view, double *c, double *value) {
  const double eps = ((const par *) l->par)->eps;
  *value = NAN;
  if (!es_symmetric_finite(l->gram, c)) return ES_OK;
  const int bad = es_symmetric_invert(l->gram, eps, c, value);
  ES_CHECK(
      bad == 0, ES_EMATH,
      "loss.corinfomax: the covariance of view %d is singular to round-off (minor %d "
      "of %d): got loss.corinfomax.eps = %g, expected more",
      view, bad, l->dim, eps);
  return ES_OK;
}

static void gradient(const es_loss *l, int n, double pairs, const double *const x[2],
                     int a, double *dz) {
  const par *const o = l->par;
  const es_covariances p = es_covariances_of(l);
  const parts own = layout(l);
  const int d = l->dim;
  es_rows_difference(n, d, 2 * o->inv / (pairs * d), x[a], x[1 - a], dz);
  es_rows_add_times(n, d, -2 * o->cov / (pairs * d), p.u[a], p.c[a], dz);
  if (o->normalize) es_rows_unit_backward(n, d, own.unit[a], own.length[a], dz);
}

/** That of the covariances, and to each node their inverses. */
static es_loss_exchange exchange(const void *p, int64_t pairs, int dim) {
  const double d = dim;
  es_loss_exchange e = es_covariances_exchange(p, pairs, dim);
  e.spread = 2 * d * d;
  e.alone = 2 * ES_SYMMETRIC_INVERT * d * d * d;
  return e;
}

static es_status eval(es_loss *l, const es_loss_batch *b, double *value) {
  const par *const o = l->par;
  const es_covariances p = es_covariances_of(l);
  const parts own = layout(l);
  const double *x[2] = {b->z[0], b->z[1]};
  double pairs, log_dets[2];
  for (int a = 0; a < 2 && o->normalize; a++) {
    es_rows_unit(b->n, l->dim, x[a], own.unit[a], own.length[a]);
    x[a] = own.unit[a];
  }
  ES_TRY(es_covariances_compute(l, b->n, x, 0, &pairs));
  for (int a = 0; a < 2; a++) ES_TRY(log_det(l, a + 1, p.c[a], &log_dets[a]));
  *value = (o->inv * *p.distance / pairs - o->cov * (log_dets[0] + log_dets[1])) / l->dim;
  for (int a = 0; a < 2 && b->dz[a] != NULL; a++)
    gradient(l, b->n, pairs, x, a, b->dz[a]);
  return ES_OK;
}

/** Unit vectors have a trace of at most 1, spread over all directions in the end. */
static void modes(const void *p, int dim, es_loss_modes *m) {
  m->center = true;
  m->unit = ((const par *) p)->normalize;
  if (m->unit) m->settled = 1.0 / dim;
}

/* --- theory ------------------------------------------------------------------------- */

/** No variance, and views that agree: two log-determinants of eps I. */
static double start(const void *p, const es_loss_setup *s) {
  const par *const o = p;
  (void) s;
  return -2 * o->cov * log(o->eps);
}

static const es_loss_theory theory = {.start = start};

const es_loss_ops es_loss_corinfomax = {
    .name = "corinfomax",
    .doc = "CorInfoMax: log-determinants of the covariances, and invariance",
    .params = params,
    .size = sizeof(par),
    .check = check,
    .workspace = workspace,
    .matrices = ES_COVARIANCES_MATRICES,
    .exchange = exchange,
    .eval = eval,
    .modes = modes,
    .matrix = es_covariances_matrix,
    .theory = &theory};
