/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_spectral.c  Spectral contrastive loss (HaoChen, Wei, Gaidon, Ma, "Provable
 *  guarantees for self-supervised deep learning with spectral contrastive loss",
 *  NeurIPS 2021).
 *
 *  L = -(2/N) sum_i u_i'v_i + 1/(N(N-1)) sum_{i != j} (u_i'v_j)^2 with u of view 1, v of
 *  view 2 and N the pairs of all ranks: a negative is a view 1 with a view 2 of another
 *  sample, in both orders; no two views 1 are compared. u = z, or with mu > 0, as in the
 *  authors' code, z shortened to the ball |u|^2 <= mu, and L / mu.
 *
 *  No N x N matrix is needed: with A = U'U, B = V'V and s_i = u_i'v_i the sum over pairs
 *  is tr(AB) - sum s_i^2, and dL/dU = -(2/N) V + 2 (U B - s V) / (N(N-1)), dL/dV
 *  likewise with A: one reduction of three numbers, and
 *  A and B, which a node holds once. D = embedding width. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "eigenstep/loss_theory.h"
#include "gram.h"
#include "rows.h"

typedef struct par {
  double mu;
} par;

static const es_param params[] = {
    ES_DOUBLE(par, mu, "0", 0, ES_INF, "1",
              "largest squared length of an embedding, longer ones are shortened (1 in "
              "the original); 0 = no limit"),
    ES_PARAM_END};

/** The workspace by name. */
typedef struct parts {
  double *u[2];      /**< [n, D] views in the ball, in the memory of the node */
  double *length[2]; /**< [n] |z| */
  double *count;     /**< [3] N, sum of s, sum of s^2 */
  double *moment[2]; /**< [D, D] A, B, of the node */
} parts;

static es_status check(const void *p, int64_t pairs, int dim) {
  (void) p;
  (void) dim;
  return es_rows_check_pairs("spectral", pairs, "no negatives");
}

static size_t workspace(const void *p, int n_max, int64_t all, int dim) {
  (void) p;
  (void) all;
  (void) dim;
  return (2 * (size_t) n_max + 3) * sizeof(double);
}

static parts layout(const es_loss *l) {
  parts p = {.count = l->work};
  for (int a = 0; a < 2; a++) {
    p.u[a] = es_gram_rows(l->gram, a);
    p.length[a] = p.count + 3 + (size_t) a * (size_t) l->n_max;
    p.moment[a] = es_gram_matrix(l->gram, a);
  }
  return p;
}

/** u = z, shortened to the ball. */
static void clip_to_ball(double mu, int n, int d, const double *z, double *u,
                         double *length) {
  memcpy(u, z, (size_t) n * (size_t) d * sizeof *u);
  for (int i = 0; i < n && mu > 0; i++) {
    double *const row = u + (size_t) i * (size_t) d;
    length[i] = cblas_dnrm2(d, row, 1);
    if (length[i] > sqrt(mu)) cblas_dscal(d, sqrt(mu) / length[i], row, 1);
  }
}

/** dL/du -> dL/dz: a row on the sphere loses its part along u. */
static void ball_backward(double mu, int n, int d, const double *u, const double *length,
                          double *g) {
  for (int i = 0; i < n && mu > 0; i++) {
    const double *const row = u + (size_t) i * (size_t) d;
    double *const own = g + (size_t) i * (size_t) d;
    if (!(length[i] > sqrt(mu))) continue;
    cblas_daxpy(d, -cblas_ddot(d, own, 1, row, 1) / mu, row, 1, own, 1);
    cblas_dscal(d, sqrt(mu) / length[i], own, 1);
  }
}

/** Collective. Moments of both views and the sums over s. */
static void accumulate(const es_loss *l, int n, const double *const z[2],
                       const parts *p) {
  const par *const o = l->par;
  const int d = l->dim;
  for (int a = 0; a < 2; a++) clip_to_ball(o->mu, n, d, z[a], p->u[a], p->length[a]);
  es_gram_publish(l->gram, n);
  for (int a = 0; a < 2; a++) es_gram_product(l->gram, a, a, 1.0, true, p->moment[a]);
  p->count[0] = n;
  p->count[1] = p->count[2] = 0;
  for (int i = 0; i < n; i++) {
    const size_t row = (size_t) i * (size_t) d;
    const double s = cblas_ddot(d, p->u[0] + row, 1, p->u[1] + row, 1);
    p->count[1] += s;
    p->count[2] += s * s;
  }
  es_comm_sum_f64(l->comm, p->count, 3);
}

/** What `together` works on. */
typedef struct moments_of {
  int d;
  const parts *p;
} moments_of;

/** sums: some rows' part of tr(AB). */
static void together(void *ctx, int first, int last, double *sums) {
  const moments_of *const m = ctx;
  const size_t at = (size_t) first * (size_t) m->d;
  sums[0] += es_rows_dot((int64_t) (last - first) * m->d, m->p->moment[0] + at,
                         m->p->moment[1] + at);
}

/** dz of view a; own, other: coefficients of U B and of the partner. */
static void gradient(const es_loss *l, int n, const parts *p, int a, double *dz) {
  const par *const o = l->par;
  const int d = l->dim;
  const double pairs = p->count[0], unit = o->mu > 0 ? 1 / o->mu : 1;
  const double push = 2 * unit / (pairs * (pairs - 1));
  es_rows_times(n, d, push, p->u[a], p->moment[1 - a], dz);
  for (int i = 0; i < n; i++) {
    const size_t row = (size_t) i * (size_t) d;
    const double s = cblas_ddot(d, p->u[0] + row, 1, p->u[1] + row, 1);
    cblas_daxpy(d, -2 * unit / pairs - push * s, p->u[1 - a] + row, 1, dz + row, 1);
  }
  ball_backward(o->mu, n, d, p->u[a], p->length[a], dz);
}

static es_loss_exchange exchange(const void *p, int64_t pairs, int dim) {
  (void) p;
  (void) pairs;
  return (es_loss_exchange){.sums = 1, .summed = 3, .by_node = (double) dim * (dim + 1)};
}

static es_status eval(es_loss *l, const es_loss_batch *b, double *value) {
  const par *const o = l->par;
  const parts p = layout(l);
  accumulate(l, b->n, b->z, &p);
  const double pairs = p.count[0];
  ES_CHECK(pairs >= 2, ES_EARG,
           "loss.spectral: got %.0f pairs on all ranks, expected at least 2", pairs);
  moments_of both = {l->dim, &p};
  double trace[2];
  es_gram_each(l->gram, together, &both, trace);
  *value = -2 * p.count[1] / pairs + (trace[0] - p.count[2]) / (pairs * (pairs - 1));
  if (o->mu > 0) *value /= o->mu;
  for (int a = 0; a < 2 && b->dz[a] != NULL; a++) gradient(l, b->n, &p, a, b->dz[a]);
  return ES_OK;
}

/** Mean second moment of the two views, not centred: at the minimum of the population
 *  loss the identity on the modes learned, up to the noise of the views. */
static void matrix(const es_loss *l, double *c) {
  const parts p = layout(l);
  const size_t square = (size_t) l->dim * (size_t) l->dim;
  for (size_t i = 0; i < square; i++)
    c[i] = 0.5 * (p.moment[0][i] + p.moment[1][i]) / p.count[0];
}

/** From a small start dW/dt = (4/mu) W Gamma, of the cross-correlation not centred. */
static void modes(const void *p, int dim, es_loss_modes *m) {
  const double mu = ((const par *) p)->mu;
  (void) dim;
  m->cross = true;
  m->rate = 8 / (mu > 0 ? mu : 1);
}

/* --- theory ------------------------------------------------------------------------- */

static double start(const void *p, const es_loss_setup *s) {
  (void) p;
  (void) s;
  return 0;
}

/** tr C^2 - 2 tr C of k eigenvalues 1: -k, where no embedding is shortened. */
static double plateau(const void *p, const es_loss_setup *s, int k, double *value) {
  (void) s;
  *value = 1;
  return ((const par *) p)->mu == 0 ? -k : NAN;
}

static const es_loss_theory theory = {.start = start, .plateau = plateau};

const es_loss_ops es_loss_spectral = {.name = "spectral",
                                      .doc = "spectral contrastive loss",
                                      .params = params,
                                      .size = sizeof(par),
                                      .check = check,
                                      .workspace = workspace,
                                      .matrices = 2,
                                      .exchange = exchange,
                                      .eval = eval,
                                      .modes = modes,
                                      .matrix = matrix,
                                      .theory = &theory};
