/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_barlow.c  Barlow Twins (Zbontar, Jing, Misra, LeCun, Deny, ICML 2021), in
 *  the unnormalised form of the linear theory or with batch-normalised embeddings.
 *
 *  L = scale [sum_i (C_ii - 1)^2 + w sum_{i != j} C_ij^2],  C = U1' U2 / N, where N
 * counts the pairs of all ranks and U is Z, Z less its batch mean (center), or that over
 * its biased standard deviation (normalize = batch, as nn.BatchNorm1d without affine);
 *  symmetrize takes (C + C')/2.
 *
 *  With G = dL/dC: dL/dU1 = U2 G'/N, dL/dU2 = U1 G/N. After a removed mean both have
 * zero column sums, because the other view's U has, so centring passes them unchanged;
 * after the division by s, dZ1 = (dU1 - U1 q1)/s1 with the mean of dU1 U1 over the
 * batch, q1_i = sum_j G_ij C_ij / N (C before it is made symmetric). So the gradient
 * needs no sums over ranks beyond those of the value: the means, C, the variances. C and
 * G are held once a node. D = embedding width. What theory knows of it is at the
 * end. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "eigenstep/loss_theory.h"
#include "gram.h"
#include "rows.h"

typedef struct par {
  int normalize; /* 0 = none, 1 = batch */
  double offdiag, scale;
  bool symmetrize, center;
} par;

static const es_param params[] = {
    ES_CHOICE(par, normalize, "none", "none|batch",
              "embeddings as they are, or normalised over the batch"),
    ES_DOUBLE(par, offdiag, "1", 0, ES_INF, "1",
              "weight of the off-diagonal terms (0.0051 in the original)"),
    ES_BOOL(par, symmetrize, "true", "use the symmetric part of C"),
    ES_BOOL(par, center, "false",
            "remove the batch mean of each view (normalize = batch always does)"),
    ES_DOUBLE(par, scale, "1", 0, ES_INF, "1", "factor on the whole loss, more than 0"),
    ES_PARAM_END};

static const double bn_eps = 1e-5;

/** One view of the batch. */
typedef struct view {
  double *u;    /**< [n, D] what C is made of, in the memory of the node */
  double *mean; /**< [D] of the global batch */
  double *inv;  /**< [D] 1/s, first the centred sum of squares */
} view;

/** The workspace by name. mean and inv of both views lie side by side for reduction. */
typedef struct parts {
  view v[2];
  double *count; /**< [1] in front of the two means */
  double *c, *g; /**< [D, D] of the node */
} parts;

static size_t workspace(const void *p, int n_max, int64_t all, int dim) {
  (void) p;
  (void) n_max;
  (void) all;
  return (4 * (size_t) dim + 1) * sizeof(double);
}

static parts layout(const es_loss *l) {
  const size_t d = (size_t) l->dim;
  parts p = {
      .count = l->work, .c = es_gram_matrix(l->gram, 0), .g = es_gram_matrix(l->gram, 1)};
  for (int a = 0; a < 2; a++) {
    p.v[a].u = es_gram_rows(l->gram, a);
    p.v[a].mean = p.count + 1 + (size_t) a * d;
    p.v[a].inv = p.count + 1 + (size_t) (2 + a) * d;
  }
  return p;
}

/** u = z - mean; inv = this rank's sums of squares of u. */
static void center_view(const view *v, int n, int d, const double *z) {
  es_rows_center(n, d, z, v->mean, v->u);
  memset(v->inv, 0, (size_t) d * sizeof(double));
  for (int i = 0; i < n; i++)
    for (int j = 0; j < d; j++) {
      const double x = v->u[(size_t) i * (size_t) d + (size_t) j];
      v->inv[j] += x * x;
    }
}

/** Turn sums of squares into 1/s and divide this rank's rows by s. */
static void normalise_view(const view *v, int n, int d, double pairs) {
  for (int j = 0; j < d; j++) v->inv[j] = 1.0 / sqrt(v->inv[j] / pairs + bn_eps);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < d; j++) v->u[(size_t) i * (size_t) d + (size_t) j] *= v->inv[j];
}

/** Collective. C of the global batch, its symmetric part where no more is wanted of it,
 *  and the rows that C is made of. */
static void correlate(const es_loss *l, int n, double pairs, const double *const z[2],
                      const parts *p) {
  const par *const o = l->par;
  const int d = l->dim;
  const bool batch = o->normalize == 1, centred = batch || o->center;
  for (int a = 0; a < 2; a++) {
    if (centred)
      center_view(&p->v[a], n, d, z[a]);
    else
      memcpy(p->v[a].u, z[a], (size_t) n * (size_t) d * sizeof(double));
  }
  if (batch) es_comm_sum_f64(l->comm, p->v[0].inv, 2 * d);
  es_gram_publish(l->gram, n);
  es_gram_product(l->gram, 0, 1, 1 / pairs, o->symmetrize && !batch, p->c);
  for (int a = 0; a < 2 && batch; a++) normalise_view(&p->v[a], n, d, pairs);
}

/** What `objective` works on. */
typedef struct rows_of {
  const par *o;
  int d;
  const parts *p;
} rows_of;

/** C over both standard deviations, where they count. */
static void divide(void *ctx, int first, int last, double *sums) {
  const rows_of *const r = ctx;
  (void) sums;
  for (int i = first; i < last; i++)
    for (int j = 0; j < r->d; j++)
      r->p->c[(size_t) i * (size_t) r->d + (size_t) j] *=
          r->p->v[0].inv[i] * r->p->v[1].inv[j];
}

/** Some rows of G = dL/dC; sums: squares on the diagonal and off it. */
static void slope(void *ctx, int first, int last, double *sums) {
  const rows_of *const r = ctx;
  const par *const o = r->o;
  const double *const c = r->p->c;
  const int d = r->d;
  for (int i = first; i < last; i++)
    for (int j = 0; j < d; j++) {
      const size_t ij = (size_t) i * (size_t) d + (size_t) j;
      const size_t ji = (size_t) j * (size_t) d + (size_t) i;
      const double x = o->symmetrize ? 0.5 * (c[ij] + c[ji]) : c[ij];
      const double rest = i == j ? x - 1.0 : x, w = i == j ? 1.0 : o->offdiag;
      sums[i == j ? 0 : 1] += rest * rest;
      r->p->g[ij] = 2.0 * o->scale * w * rest;
    }
}

/** Collective. L, and G = dL/dC. */
static double objective(const es_loss *l, const parts *p) {
  const par *const o = l->par;
  rows_of rows = {o, l->dim, p};
  double sums[2];
  if (o->normalize == 1) es_gram_each(l->gram, divide, &rows, sums);
  es_gram_each(l->gram, slope, &rows, sums);
  return o->scale * (sums[0] + o->offdiag * sums[1]);
}

/** dz <- (dz - u q)/s for one view; its G and C are read by rows or by columns. */
static void normalise_backward(const view *v, int n, int d, double pairs, const parts *p,
                               bool rows, double *dz) {
  for (int j = 0; j < d; j++) {
    const size_t first = rows ? (size_t) j * (size_t) d : (size_t) j;
    const int step = rows ? 1 : d;
    const double q = cblas_ddot(d, p->g + first, step, p->c + first, step) / pairs;
    for (int i = 0; i < n; i++) {
      const size_t ij = (size_t) i * (size_t) d + (size_t) j;
      dz[ij] = (dz[ij] - v->u[ij] * q) * v->inv[j];
    }
  }
}

static void gradient(const es_loss *l, double pairs, const parts *p,
                     const es_loss_batch *b) {
  const int n = b->n, d = l->dim;
  es_rows_times_transposed(n, d, 1.0 / pairs, p->v[1].u, p->g, b->dz[0]);
  es_rows_times(n, d, 1.0 / pairs, p->v[0].u, p->g, b->dz[1]);
  if (((const par *) l->par)->normalize != 1) return;
  normalise_backward(&p->v[0], n, d, pairs, p, true, b->dz[0]);
  normalise_backward(&p->v[1], n, d, pairs, p, false, b->dz[1]);
}

static es_loss_exchange exchange(const void *p, int64_t pairs, int dim) {
  const par *const o = p;
  const bool batch = o->normalize == 1, triangle = o->symmetrize && !batch;
  const double d = dim, spread = batch ? 2 * d : 0;
  (void) pairs;
  return (es_loss_exchange){.sums = 1 + batch,
                            .summed = 1 + 2 * d + spread,
                            .by_node = triangle ? d * (d + 1) / 2 : d * d};
}

static es_status eval(es_loss *l, const es_loss_batch *b, double *value) {
  const parts p = layout(l);
  const double pairs = es_rows_average(l, b->n, b->z, p.count);
  ES_CHECK(pairs > 0, ES_EARG,
           "loss.barlow: got no pairs on any rank, expected at least one");
  correlate(l, b->n, pairs, b->z, &p);
  *value = objective(l, &p);
  if (b->dz[0] != NULL) gradient(l, pairs, &p, b);
  return ES_OK;
}

/** The symmetric part of C. */
static void matrix(const es_loss *l, double *c) {
  const parts p = layout(l);
  const size_t d = (size_t) l->dim;
  for (size_t i = 0; i < d; i++)
    for (size_t j = 0; j < d; j++) c[i * d + j] = 0.5 * (p.c[i * d + j] + p.c[j * d + i]);
}

static es_status check(const void *p, int64_t pairs, int dim) {
  const par *const o = p;
  (void) dim;
  ES_CHECK(o->scale > 0, ES_ECONFIG,
           "loss.barlow.scale: got %g, expected a number > 0: nothing would be learned",
           o->scale);
  if (!o->center && o->normalize == 0) return ES_OK;
  return es_rows_check_pairs("barlow", pairs, "no variance");
}

/** C: lambda_j = 1 / (1 + (1 / lambda_j(0) - 1) e^(-8 gamma_j t)). */
static void modes(const void *p, int dim, es_loss_modes *m) {
  const par *const o = p;
  (void) dim;
  m->cross = true;
  m->center = o->center || o->normalize == 1;
  m->normalize = o->normalize == 1;
  m->rate = 8 * o->scale;
}

/* --- theory: of normalize = none, see eigenstep/flow.h ------------------------------ */

/** C = 0. */
static double start(const void *p, const es_loss_setup *s) {
  const par *const o = p;
  return o->normalize == 0 ? o->scale * s->dim : NAN;
}

/** L_k = d a / (1 + a), a = w (d/k - 1), for w <= 1; d - k above that. */
static double plateau(const void *p, const es_loss_setup *s, int k, double *value) {
  const par *const o = p;
  *value = es_flow_plateau_value(s->dim, k, o->offdiag);
  if (o->normalize != 0) return NAN;
  return o->scale * es_flow_plateau(s->dim, k, o->offdiag);
}

/** (k^2 + k) / N. */
static double batch_bias(const void *p, const es_loss_setup *s, int k) {
  const par *const o = p;
  if (o->normalize != 0 || o->offdiag != 1) return NAN;
  return o->scale * (es_flow_batch_loss(s->dim, k, (double) s->pairs) - s->dim + k);
}

/** C is linear in Gamma: G = 4 Gamma. */
static void linear(const void *p, const es_loss_setup *s, es_loss_linear *l) {
  (void) s;
  *l = (es_loss_linear){.small = 1e-5, .unit = 1 / (4 * ((const par *) p)->scale)};
}

static es_status growth_matrix(const void *p, const es_loss_setup *s, const es_grid *grid,
                               const es_pairs *x, double length, es_dmat **g) {
  const par *const o = p;
  const double four = 4 * o->scale / (double) x->total;
  const es_rates_terms plain = {.sum = four, .diff = -four};
  const es_rates_terms centred = {.sum_centred = four, .diff_centred = -four};
  (void) s;
  (void) length;
  return es_rates_matrix(grid, x, o->center ? &centred : &plain, g);
}

/** dL/ds = 4 gamma s (lambda - 1), lambda = gamma s^2. */
static double velocity(const void *p, const es_loss_setup *s, const es_loss_mode *mode,
                       double amplitude, double *value) {
  const par *const o = p;
  (void) s;
  *value = mode->gamma * amplitude * amplitude;
  if (o->normalize != 0 || o->offdiag != 1) return NAN;
  return 4 * o->scale * mode->gamma * amplitude * (1 - *value);
}

/** Momentum mu makes plain descent 1 / (1 - mu) times as fast, a factor on the loss
 *  likewise: the flow runs in that time. Where lr changes it is gradient flow, without
 *  the size of the steps. */
static void flow(const void *p, const es_loss_setup *s, es_loss_flow *f) {
  const par *const o = p;
  const double speed = o->scale / (1 - s->momentum);
  *f = (es_loss_flow){.options = {.lr = s->constant_lr ? s->lr * speed : 0,
                                  .offdiag = o->offdiag,
                                  .decay = s->weight_decay / o->scale},
                      .speed = speed,
                      .scale = o->scale};
}

/** At a learned mode the Hessian of the loss is 8 gamma_1 - 2 wd along it and at most
 *  8 w gamma_1 across it; heavy ball is stable for lr H < 2 (1 + mu). */
static double stable_lr(const void *p, const es_loss_setup *s, double gamma) {
  const par *const o = p;
  const double half = 4 * o->scale * fmax(1, o->offdiag) * gamma - s->weight_decay;
  return half > 0 ? (1 + s->momentum) / half : INFINITY;
}

static void solved(void *p, const es_flow_options *o) {
  ((par *) p)->offdiag = o->offdiag;
}

static const char *obstacle(const void *p, const es_loss_setup *s) {
  const par *const o = p;
  if (o->normalize != 0)
    return "loss.barlow.normalize = batch does not depend on the scale of embeddings";
  if (s->bias && !o->center)
    return "the last layer has a bias, and loss.barlow.center is off";
  return NULL;
}

static const char *caution(const void *p, const es_loss_setup *s) {
  (void) s;
  return ((const par *) p)->offdiag > 1
             ? "times are those of loss.barlow.offdiag = 1; above 1 what has been "
               "learned "
               "turns into the axis of one output first, so that modes can be later"
             : NULL;
}

static const es_loss_theory theory = {.start = start,
                                      .plateau = plateau,
                                      .batch_bias = batch_bias,
                                      .linear = linear,
                                      .growth_matrix = growth_matrix,
                                      .velocity = velocity,
                                      .flow = flow,
                                      .stable_lr = stable_lr,
                                      .solved = solved,
                                      .obstacle = obstacle,
                                      .caution = caution};

const es_loss_ops es_loss_barlow = {.name = "barlow",
                                    .check = check,
                                    .doc = "Barlow Twins: C towards the identity",
                                    .params = params,
                                    .size = sizeof(par),
                                    .workspace = workspace,
                                    .matrices = 2,
                                    .exchange = exchange,
                                    .eval = eval,
                                    .modes = modes,
                                    .matrix = matrix,
                                    .theory = &theory};
