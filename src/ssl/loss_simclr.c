/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_simclr.c  NT-Xent of SimCLR (Chen, Kornblith, Norouzi, Hinton, ICML 2020).
 *
 *  With u_1 .. u_2N the embeddings of all ranks, both views, divided by their length
 *  (normalize) or as they are, s_ij = u_i'u_j / T and p(i) the other view of i:
 *  L = (1/2N) sum_i [l_i - s_ip(i)], l_i = ln sum_{j != i} e^(s_ij).
 *
 *  dL/du_i = (1/2NT) sum_{j != i} B_ij u_j, B_ij = e^(s_ij - l_i) + e^(s_ij - l_j) - 2
 *  [j = p(i)]. The second term is the column of the softmax matrix: s is symmetric, so
 *  once the 2N numbers l are known on all ranks each forms it from its own rows. u is
 *  gathered, l and L are summed together. Rows of s are made in blocks, twice, instead of
 *  being kept: a rank needs 2N (D + 1) + 1 + 2N min(2n, 128) doubles. D = embedding
 *  width.
 *
 *  At a small start NT-Xent works on the correlation of the views less that of all other
 *  pairs, so the mean is no mode of it: C is reported about the mean. What theory knows
 *  of it is at the end. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "eigenstep/loss_theory.h"
#include "rows.h"

enum { BLOCK = 128 }; /* rows of s at a time: wide enough for a fast product */

typedef struct par {
  double temperature;
  bool normalize, doubled;
} par;

static const es_param params[] = {
    ES_DOUBLE(par, temperature, "0.5", 0, ES_INF, "1",
              "T > 0, which divides the similarities (0.1 for ImageNet)"),
    ES_BOOL(par, normalize, "true",
            "cosines of embeddings instead of their dot products"),
    ES_BOOL(par, doubled, "false",
            "sum of the two views' means (official code): twice the mean over 2N"),
    ES_PARAM_END};

/** The workspace by name, and the batch. */
typedef struct parts {
  int n, first, total; /**< pairs here, on lower ranks, on all ranks */
  double *u;           /**< [2 total, D] all of view 1, then all of view 2 */
  double *l;           /**< [2 total], then their sum over all rows, less s_ip(i) */
  double *s;           /**< [BLOCK, 2 total] rows of s, then of B */
  double *length;      /**< [2 n] what this rank's rows were divided by */
} parts;

static es_status check(const void *p, int64_t pairs, int dim) {
  const par *const o = p;
  ES_TRY(es_rows_check_unit("simclr", o->normalize, dim));
  ES_CHECK(o->temperature > 0, ES_ECONFIG,
           "loss.simclr.temperature: got %g, expected more than 0", o->temperature);
  return es_rows_check_pairs("simclr", pairs, "no negatives");
}

static size_t rows_at_once(int n_max) {
  return n_max < BLOCK ? (size_t) n_max : BLOCK;
}

static size_t workspace(const void *p, int n_max, int64_t all, int dim) {
  (void) p;
  const size_t n = (size_t) n_max, d = (size_t) dim;
  return (2 * (size_t) all * (d + 1 + rows_at_once(n_max)) + 1 + 2 * n) * sizeof(double);
}

static parts layout(const es_loss *l, int n, int64_t first, int64_t total) {
  const size_t all = 2 * (size_t) total;
  parts p = {.n = n, .first = (int) first, .total = (int) total};
  p.u = l->work;
  p.l = p.u + all * (size_t) l->dim;
  p.s = p.l + all + 1;
  p.length = p.s + all * rows_at_once(l->n_max);
  return p;
}

/** This rank's row i of view a among the 2 total rows; and its partner's. */
static size_t row(const parts *p, int a, int i) {
  return (size_t) a * (size_t) p->total + (size_t) p->first + (size_t) i;
}

/** Collective. u of all ranks, one view after the other. */
static es_status gather_rows(const es_loss *l, const double *const z[2], parts *p) {
  const par *const o = l->par;
  const int d = l->dim;
  const size_t width = (size_t) d * sizeof(double);
  for (int a = 0; a < 2; a++) {
    double *const own = p->u + row(p, a, 0) * (size_t) d;
    if (p->n > 0 && o->normalize)
      es_rows_unit(p->n, d, z[a], own, p->length + a * p->n);
    else if (p->n > 0)
      memcpy(own, z[a], (size_t) p->n * width);
    double *const all = p->u + (size_t) a * (size_t) p->total * (size_t) d;
    ES_TRY(es_comm_allgather(l->comm, own, p->n, width, all));
  }
  return ES_OK;
}

/** s of `count` rows of view a from i on. */
static void similarities(const es_loss *l, const parts *p, int a, int i, int count) {
  const par *const o = l->par;
  const int d = l->dim, all = 2 * p->total;
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, all, d,
              1.0 / o->temperature, p->u + row(p, a, i) * (size_t) d, d, p->u, d, 0.0,
              p->s, all);
}

/** ln sum_{j != self} e^(s_j) without overflow: the largest term is taken out. */
static double log_sum_exp(const double *s, size_t all, size_t self) {
  size_t top = self == 0 ? 1 : 0;
  double rest = 0.0;
  for (size_t j = 0; j < all; j++)
    if (j != self && s[j] > s[top]) top = j;
  for (size_t j = 0; j < all; j++)
    if (j != self && j != top) rest += exp(s[j] - s[top]);
  return s[top] + log1p(rest);
}

/** Collective. l of all rows and sum_i [l_i - s_ip(i)]. */
static double sum_of_rows(const es_loss *l, parts *p) {
  const size_t all = 2 * (size_t) p->total;
  double *const sum = p->l + all;
  memset(p->l, 0, (all + 1) * sizeof(double));
  for (int a = 0; a < 2; a++)
    for (int i = 0; i < p->n; i += BLOCK) {
      const int count = p->n - i < BLOCK ? p->n - i : BLOCK;
      similarities(l, p, a, i, count);
      for (int k = 0; k < count; k++) {
        const double *const s = p->s + (size_t) k * all;
        const size_t self = row(p, a, i + k);
        p->l[self] = log_sum_exp(s, all, self);
        *sum += p->l[self] - s[row(p, 1 - a, i + k)];
      }
    }
  es_comm_sum_f64(l->comm, p->l, (int64_t) all + 1);
  return *sum;
}

/** A row of s becomes one of B. */
static void weigh(const parts *p, size_t self, size_t partner, double *s) {
  for (size_t j = 0; j < 2 * (size_t) p->total; j++)
    s[j] = exp(s[j] - p->l[self]) + exp(s[j] - p->l[j]);
  s[self] = 0.0;
  s[partner] -= 2.0;
}

/** dz of view a; factor: of the whole loss. */
static void gradient(const es_loss *l, const parts *p, int a, double factor, double *dz) {
  const par *const o = l->par;
  const int d = l->dim, all = 2 * p->total;
  for (int i = 0; i < p->n; i += BLOCK) {
    const int count = p->n - i < BLOCK ? p->n - i : BLOCK;
    similarities(l, p, a, i, count);
    for (int k = 0; k < count; k++)
      weigh(p, row(p, a, i + k), row(p, 1 - a, i + k), p->s + (size_t) k * (size_t) all);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count, d, all,
                factor / o->temperature, p->s, all, p->u, d, 0.0,
                dz + (size_t) i * (size_t) d, d);
  }
  if (o->normalize && p->n > 0)
    es_rows_unit_backward(p->n, d, p->u + row(p, a, 0) * (size_t) d, p->length + a * p->n,
                          dz);
}

static es_loss_exchange exchange(const void *p, int64_t pairs, int dim) {
  const double rows = 2 * (double) pairs;
  (void) p;
  return (es_loss_exchange){.sums = 1, .summed = rows + 1, .gathered = rows * dim};
}

static es_status eval(es_loss *l, const es_loss_batch *b, double *value) {
  const par *const o = l->par;
  int64_t first, total;
  es_comm_scan(l->comm, b->n, &first, &total);
  ES_CHECK(total >= 2, ES_EARG,
           "loss.simclr: got %lld pairs on all ranks, expected at least 2",
           (long long) total);
  parts p = layout(l, b->n, first, total);
  const double factor = (o->doubled ? 2.0 : 1.0) / (2.0 * (double) total);
  ES_TRY(gather_rows(l, b->z, &p));
  *value = factor * sum_of_rows(l, &p);
  for (int a = 0; a < 2 && b->dz[a] != NULL; a++) gradient(l, &p, a, factor, b->dz[a]);
  return ES_OK;
}

/** Twice the mean over 2N, or once. */
static double factor_of(const par *o) {
  return o->doubled ? 2 : 1;
}

/** Covariance of the embeddings. Unit vectors have a trace of at most 1, spread over all
 *  directions in the end; dot products bend where they reach T. */
static void modes(const void *p, int dim, es_loss_modes *m) {
  const par *const o = p;
  *m = (es_loss_modes){.unit = o->normalize,
                       .center = true,
                       .rate = factor_of(o) * 4 / o->temperature,
                       .settled = o->normalize ? 1.0 / dim : o->temperature,
                       /* directions on one circle, spread all over it */
                       .alone = o->normalize && dim > 1 ? 0.5 : 0};
}

/* --- theory ------------------------------------------------------------------------- */

/** All similarities equal: ln(2N - 1). */
static double start(const void *p, const es_loss_setup *s) {
  return factor_of(p) * log(2 * (double) s->pairs - 1);
}

/** gamma is of Gamma_eff. Dot products are linear below T, cosines near a point; either
 *  mixes modes, so that the largest, cubed, must stay below the smallest. */
static void linear(const void *p, const es_loss_setup *s, es_loss_linear *l) {
  const par *const o = p;
  (void) s;
  *l = (es_loss_linear){.point = o->normalize,
                        .small = 1e-8 * fmin(1, o->temperature),
                        .unit = o->temperature / 2 / factor_of(o)};
}

/** G = (2 / T) Gamma_eff, Gamma_eff = Gamma - [2N xbar xbar' - S2] / (2N - 1), with xbar
 *  and S2 the means of x and of x x' over all views; for cosines it is over |fbar|^2.
 *  Gamma_eff does not change when a vector is added to all views, so it is that of
 *  centred ones, Gamma + S2 / (2N - 1), without the cancellation of large means: h is
 *  centred about the mean of all views, e keeps its own. */
static es_status growth_matrix(const void *p, const es_loss_setup *s, const es_grid *grid,
                               const es_pairs *x, double length, es_dmat **g) {
  const par *const o = p;
  const double n = (double) x->total, others = 2 * n - 1;
  const double scale =
      factor_of(o) * 2 / o->temperature / (o->normalize ? length * length : 1);
  const es_rates_terms t = {.sum_centred = scale / n * (1 + 1 / others),
                            .diff = -scale / n * (1 - 1 / others)};
  (void) s;
  return es_rates_matrix(grid, x, &t, g);
}

static const char *obstacle(const void *p, const es_loss_setup *s) {
  const par *const o = p;
  if (!o->normalize && s->bias)
    return "the last layer has a bias, which dot products depend on";
  return NULL;
}

static const es_loss_theory theory = {.start = start,
                                      .linear = linear,
                                      .growth_matrix = growth_matrix,
                                      .obstacle = obstacle};

const es_loss_ops es_loss_simclr = {
    .name = "simclr",
    .doc = "SimCLR: NT-Xent, each pair against all other views",
    .params = params,
    .size = sizeof(par),
    .check = check,
    .workspace = workspace,
    .exchange = exchange,
    .eval = eval,
    .modes = modes,
    .theory = &theory};
