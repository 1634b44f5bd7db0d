/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_wmse.c  W-MSE (Ermolov, Siarohin, Sangineto, Sebe, "Whitening for
 *  self-supervised representation learning", ICML 2021), each view whitened over the
 *  whole batch of all ranks.
 *
 *  With the covariance C of a view (ddof 1), S = (1 - eps) C + eps I = K K' (Cholesky)
 *  and y = K^-1 (z - mean): L = (1/N) sum_i |y_i/|y_i| - y'_i/|y'_i||^2, or without the
 *  lengths (normalize = false). The authors whiten random parts of a batch; here a
 *  part is the batch.
 *
 *  Backward through the whitening: with g = dL/dy, P = sum_i g_i y_i' and Q the lower
 *  triangle of P mirrored, dL/dS = -K^-T Q K^-1 / 2, so that
 *  dL/dz_i = K^-T [g_i - mean(g) - (1 - eps)/(N - 1) Q y_i].
 *  Reductions: means, both C and L for the value, mean(g) and both P for the gradient.
 *  C, K, P and Q are held once a node.
 *  The loss depends neither on a common shift of a view nor on its scale.
 *  D = embedding width. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "rows.h"
#include "symmetric.h"

typedef struct par {
  bool normalize;
  double eps;
} par;

static const es_param params[] = {
    ES_BOOL(par, normalize, "true", "whitened embeddings of unit length"),
    ES_DOUBLE(par, eps, "0", 0, 1, "1",
              "share of the identity in the covariance that is whitened"),
    ES_PARAM_END};

static const double shortest = 1e-12; /* lengths below count as this */

/** The workspace by name. */
typedef struct parts {
  double *y[2];    /**< [n, D] whitened views */
  double *count;   /**< [1] in front of the two means */
  double *mean[2]; /**< [D] */
  double *sum[2];  /**< [D] of g */
  double *k[2];    /**< [D, D] C, then K below the diagonal; of the node */
  double *q[2];    /**< [D, D] P, then Q; of the node */
} parts;

static es_status check(const void *p, int64_t pairs, int dim) {
  const par *const o = p;
  ES_TRY(es_rows_check_unit("wmse", o->normalize, dim));
  ES_TRY(es_rows_check_pairs("wmse", pairs, "no variance"));
  ES_CHECK(
      pairs > dim || o->eps > 0, ES_ECONFIG,
      "loss.wmse: got a batch of %lld pairs for embeddings of width %d, expected more "
      "pairs than that or loss.wmse.eps > 0: their covariance has no inverse",
      (long long) pairs, dim);
  return ES_OK;
}

static size_t workspace(const void *p, int n_max, int64_t all, int dim) {
  (void) p;
  (void) all;
  const size_t n = (size_t) n_max, d = (size_t) dim;
  return (2 * n * d + 4 * d + 1) * sizeof(double);
}

static parts layout(const es_loss *l) {
  const size_t nd = (size_t) l->n_max * (size_t) l->dim, d = (size_t) l->dim;
  parts p;
  p.y[0] = l->work;
  p.y[1] = p.y[0] + nd;
  p.count = p.y[1] + nd;
  for (int a = 0; a < 2; a++) {
    p.mean[a] = p.count + 1 + (size_t) a * d;
    p.sum[a] = p.count + 1 + (size_t) (2 + a) * d;
    p.k[a] = es_gram_matrix(l->gram, a);
    p.q[a] = es_gram_matrix(l->gram, 2 + a);
  }
  return p;
}

/** x <- x K^-1 or x K^-T by rows. */
static void solve_rows(int n, int d, const double *k, bool transposed, double *x) {
  if (n == 0) return;
  cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower,
              transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, n, d, 1.0, k, d, x,
              d);
}

/** Collective. Whiten both views. *finite: are the covariances? If not, y is not made. */
static es_status whiten(const es_loss *l, int n, double pairs, const double *const z[2],
                        const parts *p, bool *finite) {
  const par *const o = l->par;
  const int d = l->dim;
  for (int a = 0; a < 2; a++) {
    es_rows_center(n, d, z[a], p->mean[a], p->y[a]);
    memcpy(es_gram_rows(l->gram, a), p->y[a], (size_t) n * (size_t) d * sizeof(double));
  }
  es_gram_publish(l->gram, n);
  for (int a = 0; a < 2; a++)
    es_gram_product(l->gram, a, a, (1 - o->eps) / (pairs - 1), true, p->k[a]);
  *finite =
      es_symmetric_finite(l->gram, p->k[0]) && es_symmetric_finite(l->gram, p->k[1]);
  for (int a = 0; a < 2 && *finite; a++) {
    const int bad = es_symmetric_cholesky(l->gram, o->eps, p->k[a]);
    ES_CHECK(
        bad == 0, ES_EMATH,
        "loss.wmse: the covariance of view %d is singular (minor %d of %d): expected "
        "a larger batch, fewer dimensions or loss.wmse.eps > 0",
        a + 1, bad, d);
    solve_rows(n, d, p->k[a], true, p->y[a]);
  }
  return ES_OK;
}

/** Cosine of row i of both views and the lengths. */
static double cosine(const parts *p, int d, int i, double length[2]) {
  const size_t row = (size_t) i * (size_t) d;
  for (int a = 0; a < 2; a++)
    length[a] = fmax(cblas_dnrm2(d, p->y[a] + row, 1), shortest);
  return cblas_ddot(d, p->y[0] + row, 1, p->y[1] + row, 1) / (length[0] * length[1]);
}

/** Collective. */
static double distance(const es_loss *l, int n, double pairs, const parts *p) {
  double sum = 0.0, length[2];
  if (((const par *) l->par)->normalize)
    for (int i = 0; i < n; i++) sum += 2 - 2 * cosine(p, l->dim, i, length);
  else
    sum = es_rows_squared_distance(n, l->dim, p->y[0], p->y[1]);
  es_comm_sum_f64(l->comm, &sum, 1);
  return sum / pairs;
}

/** g = dL/dy of view a, into dz. */
static void output_gradient(const es_loss *l, int n, double pairs, const parts *p, int a,
                            double *g) {
  const int d = l->dim;
  const double factor = 2 / pairs;
  double length[2];
  if (!((const par *) l->par)->normalize) {
    es_rows_difference(n, d, factor, p->y[a], p->y[1 - a], g);
    return;
  }
  for (int i = 0; i < n; i++) {
    const size_t row = (size_t) i * (size_t) d;
    const double c = cosine(p, d, i, length);
    const double own = factor * c / (length[a] * length[a]);
    const double other = factor / (length[0] * length[1]);
    for (size_t j = row; j < row + (size_t) d; j++)
      g[j] = own * p->y[a][j] - other * p->y[1 - a][j];
  }
}

/** What `mirror` works on. */
typedef struct square {
  int d;
  double *q;
} square;

/** Some rows of P's lower triangle, mirrored, become those of Q. */
static void mirror(void *ctx, int first, int last, double *sums) {
  const square *const s = ctx;
  const size_t d = (size_t) s->d;
  (void) sums;
  for (size_t i = (size_t) first; i < (size_t) last; i++)
    for (size_t j = i + 1; j < d; j++) s->q[i * d + j] = s->q[j * d + i];
}

/** Collective. P of view a from g, which is in dz, then Q. */
static void outer_product(const es_loss *l, int n, const double *g, const double *y,
                          double *q) {
  const size_t rows = (size_t) n * (size_t) l->dim;
  square s = {l->dim, q};
  double none[2];
  memcpy(es_gram_rows(l->gram, 0), g, rows * sizeof *g);
  memcpy(es_gram_rows(l->gram, 1), y, rows * sizeof *y);
  es_gram_publish(l->gram, n);
  es_gram_product(l->gram, 0, 1, 1.0, false, q);
  es_gram_each(l->gram, mirror, &s, none);
}

/** Collective. dz of both views, through their whitening. */
static void gradient(const es_loss *l, int n, double pairs, const parts *p,
                     double *const dz[2]) {
  const int d = l->dim;
  const double spread = (1 - ((const par *) l->par)->eps) / (pairs - 1);
  memset(p->sum[0], 0, 2 * (size_t) d * sizeof(double));
  for (int a = 0; a < 2; a++) {
    output_gradient(l, n, pairs, p, a, dz[a]);
    for (int i = 0; i < n; i++)
      cblas_daxpy(d, 1.0, dz[a] + (size_t) i * (size_t) d, 1, p->sum[a], 1);
  }
  es_comm_sum_f64(l->comm, p->sum[0], 2 * (int64_t) d);
  for (int a = 0; a < 2; a++) {
    outer_product(l, n, dz[a], p->y[a], p->q[a]);
    for (int i = 0; i < d; i++) p->sum[a][i] /= pairs;
    es_rows_center(n, d, dz[a], p->sum[a], dz[a]);
    es_rows_add_times(n, d, -spread, p->y[a], p->q[a], dz[a]);
    solve_rows(n, d, p->k[a], false, dz[a]);
  }
}

/** Means, L, and what the gradient sums; of the node two triangles and both P; to each
 *  node the factors. */
static es_loss_exchange exchange(const void *p, int64_t pairs, int dim) {
  const double d = dim;
  (void) p;
  (void) pairs;
  return (es_loss_exchange){.sums = 3,
                            .summed = 1 + 2 * d + 1 + 2 * d,
                            .by_node = d * (d + 1) + 2 * d * d,
                            .spread = 2 * d * d,
                            .alone = 2 * ES_SYMMETRIC_FACTORISE * d * d * d};
}

static es_status eval(es_loss *l, const es_loss_batch *b, double *value) {
  const parts p = layout(l);
  const double pairs = es_rows_average(l, b->n, b->z, p.count);
  bool finite;
  ES_CHECK(pairs >= 2, ES_EARG,
           "loss.wmse: got %.0f pairs on all ranks, expected at least 2", pairs);
  ES_TRY(whiten(l, b->n, pairs, b->z, &p, &finite));
  if (!finite) { /* the caller decides, on a value that says so */
    *value = NAN;
    for (int a = 0; a < 2 && b->dz[a] != NULL; a++)
      for (size_t i = 0; i < (size_t) b->n * (size_t) l->dim; i++) b->dz[a][i] = NAN;
    return ES_OK;
  }
  *value = distance(l, b->n, pairs, &p);
  if (b->dz[0] != NULL) gradient(l, b->n, pairs, &p, b->dz);
  return ES_OK;
}

/** The covariance of the embeddings; nothing is known of how it grows. */
static void modes(const void *p, int dim, es_loss_modes *m) {
  (void) p;
  (void) dim;
  m->center = true;
}

const es_loss_ops es_loss_wmse = {.name = "wmse",
                                  .doc = "W-MSE: distance of whitened views",
                                  .params = params,
                                  .size = sizeof(par),
                                  .check = check,
                                  .workspace = workspace,
                                  .matrices = 4,
                                  .exchange = exchange,
                                  .eval = eval,
                                  .modes = modes};
