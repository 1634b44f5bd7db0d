/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_barlow_logdet.c  Barlow Twins with a log-determinant in place of the
 *  square: no exponential wait (Simon et al., ICML 2023, propose to speed up small
 *  eigendirections; this form is ours).
 *
 *  L = tr h(C), h(x) = x - ln(x + eps), of the symmetric cross-correlation
 *  C = (U1'U2 + U2'U1) / 2N over the N pairs of all ranks, U = Z or Z less its batch mean
 *  (center). In the linear model an eigenvalue follows dl/dt = -4 gamma l h'(l) =
 *  4 gamma l (1 - eps - l)/(l + eps), about 4 gamma (1 - l) once above eps, and ends at
 *  1 - eps; Barlow Twins has 8 gamma l (1 - l). C of a batch can have negative
 *  eigenvalues: below 0 h goes on as a straight line, whose slope 1 - 1/eps drives them
 *  back to 0.
 *
 *  dL/dC = h'(C) by eigenvectors, about 10 D^3 operations on rank 0, and dL/dU1 =
 *  U2 h'(C)/N, dL/dU2 = U1 h'(C)/N, unchanged by centring. Two reductions. D = embedding
 *  width. */
#include <math.h>
#include <string.h>

#include "eigenstep/loss_theory.h"
#include "rows.h"
#include "symmetric.h"

typedef struct par {
  double eps;
  bool center;
} par;

static const es_param params[] = {
    ES_DOUBLE(par, eps, "0.1", 1e-12, 0.9, "1",
              "eigenvalue below which growth is exponential; optim.lr gamma_1 or more"),
    ES_BOOL(par, center, "false", "remove the batch mean of each view"), ES_PARAM_END};

/** The workspace by name. */
typedef struct parts {
  double *u[2];    /**< [n, D] centred views */
  double *count;   /**< [1] in front of the two means */
  double *mean[2]; /**< [D] */
  double *c;       /**< [D, D] C */
  double *g;       /**< [D, D] h'(C) */
  double *value;   /**< [D] eigenvalues */
  double *work;
} parts;

static size_t workspace(const void *p, int n_max, int64_t all, int dim) {
  (void) p;
  (void) all;
  const size_t n = (size_t) n_max, d = (size_t) dim;
  return (2 * n * d + 2 * d * d + 3 * d + 1 + es_symmetric_work(dim)) * sizeof(double);
}

static parts layout(const es_loss *l) {
  const size_t nd = (size_t) l->n_max * (size_t) l->dim, d = (size_t) l->dim;
  parts p;
  p.u[0] = l->work;
  p.u[1] = p.u[0] + nd;
  p.count = p.u[1] + nd;
  p.mean[0] = p.count + 1;
  p.mean[1] = p.mean[0] + d;
  p.c = p.mean[1] + d;
  p.g = p.c + d * d;
  p.value = p.g + d * d;
  p.work = p.value + d;
  return p;
}

static double h(double x, double eps) {
  return x > 0 ? x - log(x + eps) : (1 - 1 / eps) * x - log(eps);
}

static double slope_of_h(double x, const void *eps) {
  return 1 - 1 / (fmax(x, 0) + *(const double *) eps);
}

/** Collective. The symmetric cross-correlation of u, through g. */
static void correlate(const es_loss *l, int n, double pairs, const double *const u[2],
                      const parts *p) {
  const size_t d = (size_t) l->dim;
  es_rows_product(n, l->dim, 0.5 / pairs, u[0], u[1], p->g);
  for (size_t i = 0; i < d; i++)
    for (size_t j = 0; j < d; j++) p->c[i * d + j] = p->g[i * d + j] + p->g[j * d + i];
  es_symmetric_sum(l->comm, 0, 1, l->dim, p->c);
}

/** Means and one triangle; eigenvalues and h'(C) from rank 0. */
static es_loss_exchange exchange(const void *p, int64_t pairs, int dim) {
  const double d = dim;
  (void) p;
  (void) pairs;
  return (es_loss_exchange){
      .sums = 2, .summed = 1 + 2 * d + d * (d + 1) / 2, .broadcast = d + d * d};
}

static es_status eval(es_loss *l, const es_loss_batch *b, double *value) {
  const par *const o = l->par;
  const int n = b->n, d = l->dim;
  const parts p = layout(l);
  const double *u[2] = {b->z[0], b->z[1]};
  const double pairs = es_rows_average(l, n, u, p.count);
  ES_CHECK(pairs > 0, ES_EARG,
           "loss.barlow_logdet: got no pairs on any rank, expected at least one");
  for (int a = 0; a < 2 && o->center; a++) {
    es_rows_center(n, d, u[a], p.mean[a], p.u[a]);
    u[a] = p.u[a];
  }
  correlate(l, n, pairs, u, &p);
  double sum = NAN;
  if (es_symmetric_finite(l->decide, d, p.c)) {
    ES_TRY(es_symmetric_eigen(l->decide, d, p.c, p.value, p.work));
    es_symmetric_rebuild(l->decide, d, p.value, (es_symmetric_map){slope_of_h, &o->eps},
                         p.work, p.g);
    sum = 0;
    for (int j = 0; j < d; j++) sum += h(p.value[j], o->eps);
  }
  *value = sum;
  if (b->dz[0] == NULL) return ES_OK;
  es_rows_times(n, d, 1 / pairs, u[1], p.g, b->dz[0]);
  es_rows_times(n, d, 1 / pairs, u[0], p.g, b->dz[1]);
  return ES_OK;
}

static void matrix(const es_loss *l, double *c) {
  memcpy(c, layout(l).c, (size_t) l->dim * (size_t) l->dim * sizeof *c);
}

static es_status check(const void *p, int64_t pairs, int dim) {
  ES_CHECK(dim <= ES_SYMMETRIC_WIDEST, ES_ECONFIG,
           "loss barlow_logdet: got embeddings of width %d, expected at most %d", dim,
           ES_SYMMETRIC_WIDEST);
  if (!((const par *) p)->center) return ES_OK;
  return es_rows_check_pairs("barlow_logdet", pairs, "no variance");
}

static void modes(const void *p, int dim, es_loss_modes *m) {
  const par *const o = p;
  (void) dim;
  m->cross = true;
  m->center = o->center;
  m->rate = 4 * (1 - o->eps) / o->eps;
  m->settled = 1 - o->eps;
}

/* --- theory: of eigenvalues 0 before a mode is learned, 1 - eps after --------------- */

static double start(const void *p, const es_loss_setup *s) {
  return s->dim * h(0, ((const par *) p)->eps);
}

static double plateau(const void *p, const es_loss_setup *s, int k, double *value) {
  const double eps = ((const par *) p)->eps;
  *value = 1 - eps;
  return k * h(*value, eps) + (s->dim - k) * h(0, eps);
}

/** dL/ds = 2 gamma s h'(lambda), lambda = gamma s^2. */
static double velocity(const void *p, const es_loss_setup *s, const es_loss_mode *mode,
                       double amplitude, double *value) {
  (void) s;
  *value = mode->gamma * amplitude * amplitude;
  const double slope = 1 - 1 / (fmax(*value, 0) + ((const par *) p)->eps);
  return -2 * mode->gamma * amplitude * slope;
}

static const es_loss_theory theory = {
    .start = start, .plateau = plateau, .velocity = velocity};

const es_loss_ops es_loss_barlow_logdet = {
    .name = "barlow_logdet",
    .doc = "tr [C - ln(C + eps)] of Barlow Twins' C: exponential growth only below eps",
    .params = params,
    .size = sizeof(par),
    .check = check,
    .workspace = workspace,
    .exchange = exchange,
    .eval = eval,
    .modes = modes,
    .matrix = matrix,
    .theory = &theory};
