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
 *  U2 h'(C)/N, dL/dU2 = U1 h'(C)/N, unchanged by centring. Two reductions; C and h'(C)
 *  are held once a node. D = embedding width. */
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
  double *u[2];    /**< [n, D] views, centred or not, in the memory of the node */
  double *count;   /**< [1] in front of the two means */
  double *mean[2]; /**< [D] */
  double *value;   /**< [D] eigenvalues */
  double *c, *g;   /**< [D, D] C and h'(C), of the node */
} parts;

static size_t workspace(const void *p, int n_max, int64_t all, int dim) {
  (void) p;
  (void) n_max;
  (void) all;
  return (3 * (size_t) dim + 1) * sizeof(double);
}

static parts layout(const es_loss *l) {
  const size_t d = (size_t) l->dim;
  parts p = {
      .count = l->work, .c = es_gram_matrix(l->gram, 0), .g = es_gram_matrix(l->gram, 1)};
  for (int a = 0; a < 2; a++) {
    p.u[a] = es_gram_rows(l->gram, a);
    p.mean[a] = p.count + 1 + (size_t) a * d;
  }
  p.value = p.mean[1] + d;
  return p;
}

static double h(double x, double eps) {
  return x > 0 ? x - log(x + eps) : (1 - 1 / eps) * x - log(eps);
}

static double slope_of_h(double x, const void *eps) {
  return 1 - 1 / (fmax(x, 0) + *(const double *) eps);
}

/** Collective. u, and the symmetric cross-correlation of it. */
static void correlate(const es_loss *l, const es_loss_batch *b, double pairs,
                      const parts *p) {
  const int n = b->n, d = l->dim;
  for (int a = 0; a < 2; a++) {
    if (((const par *) l->par)->center)
      es_rows_center(n, d, b->z[a], p->mean[a], p->u[a]);
    else
      memcpy(p->u[a], b->z[a], (size_t) n * (size_t) d * sizeof(double));
  }
  es_gram_publish(l->gram, n);
  es_gram_product(l->gram, 0, 1, 1 / pairs, true, p->c);
}

/** Means, and one triangle of the node; eigenvalues, and to each node h'(C). */
static es_loss_exchange exchange(const void *p, int64_t pairs, int dim) {
  const double d = dim;
  (void) p;
  (void) pairs;
  return (es_loss_exchange){.sums = 1,
                            .summed = 1 + 2 * d,
                            .by_node = d * (d + 1) / 2,
                            .broadcast = d,
                            .spread = d * d,
                            .alone = ES_SYMMETRIC_DECOMPOSE * d * d * d};
}

static es_status eval(es_loss *l, const es_loss_batch *b, double *value) {
  const par *const o = l->par;
  const int n = b->n, d = l->dim;
  const parts p = layout(l);
  const double pairs = es_rows_average(l, n, b->z, p.count);
  ES_CHECK(pairs > 0, ES_EARG,
           "loss.barlow_logdet: got no pairs on any rank, expected at least one");
  correlate(l, b, pairs, &p);
  double sum = NAN;
  if (es_symmetric_finite(l->gram, p.c)) {
    ES_TRY(es_symmetric_eigen(l->gram, p.c, p.value));
    es_symmetric_rebuild(l->gram, p.value, (es_symmetric_map){slope_of_h, &o->eps}, p.g);
    sum = 0;
    for (int j = 0; j < d; j++) sum += h(p.value[j], o->eps);
  }
  *value = sum;
  if (b->dz[0] == NULL) return ES_OK;
  es_rows_times(n, d, 1 / pairs, p.u[1], p.g, b->dz[0]);
  es_rows_times(n, d, 1 / pairs, p.u[0], p.g, b->dz[1]);
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
    .matrices = 2,
    .eigen = true,
    .exchange = exchange,
    .eval = eval,
    .modes = modes,
    .matrix = matrix,
    .theory = &theory};
