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
 *  Three reductions for the value (means, both C, L) and one for P and mean(g).
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

/** The workspace by name; what is reduced together lies side by side. */
typedef struct parts {
  double *y[2];    /**< [n, D] whitened views */
  double *count;   /**< [1] in front of the two means */
  double *mean[2]; /**< [D] */
  double *k[2];    /**< [D, D] C, then K below the diagonal */
  double *sum[2];  /**< [D] of g */
  double *q[2];    /**< [D, D] P, then Q */
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
  return (2 * n * d + 4 * d * d + 4 * d + 1) * sizeof(double);
}

static parts layout(const es_loss *l) {
  const size_t nd = (size_t) l->n_max * (size_t) l->dim, d = (size_t) l->dim;
  parts p;
  p.y[0] = l->work;
  p.y[1] = p.y[0] + nd;
  p.count = p.y[1] + nd;
  p.mean[0] = p.count + 1;
  p.mean[1] = p.mean[0] + d;
  p.k[0] = p.mean[1] + d;
  p.k[1] = p.k[0] + d * d;
  p.sum[0] = p.k[1] + d * d;
  p.sum[1] = p.sum[0] + d;
  p.q[0] = p.sum[1] + d;
  p.q[1] = p.q[0] + d * d;
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
    es_rows_product(n, d, (1 - o->eps) / (pairs - 1), p->y[a], p->y[a], p->k[a]);
  }
  es_symmetric_sum(l->comm, 0, 2, d, p->k[0]);
  *finite = es_symmetric_finite(l->decide, d, p->k[0]) &&
            es_symmetric_finite(l->decide, d, p->k[1]);
  for (int a = 0; a < 2 && *finite; a++) {
    for (int j = 0; j < d; j++) p->k[a][(size_t) j * (size_t) (d + 1)] += o->eps;
    const int bad = es_symmetric_cholesky(l->decide, d, p->k[a]);
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

/** Collective. dz of both views, through their whitening. */
static void gradient(const es_loss *l, int n, double pairs, const parts *p,
                     double *const dz[2]) {
  const int d = l->dim;
  const double spread = (1 - ((const par *) l->par)->eps) / (pairs - 1);
  const size_t square = (size_t) d * (size_t) d;
  memset(p->sum[0], 0, 2 * (size_t) d * sizeof(double));
  for (int a = 0; a < 2; a++) {
    output_gradient(l, n, pairs, p, a, dz[a]);
    es_rows_product(n, d, 1.0, dz[a], p->y[a], p->q[a]);
    for (int i = 0; i < n; i++)
      cblas_daxpy(d, 1.0, dz[a] + (size_t) i * (size_t) d, 1, p->sum[a], 1);
  }
  es_comm_sum_f64(l->comm, p->sum[0], 2 * (int64_t) ((size_t) d + square));
  for (int a = 0; a < 2; a++) {
    double *const q = p->q[a];
    for (int i = 0; i < d; i++) {
      p->sum[a][i] /= pairs;
      for (int j = 0; j < i; j++)
        q[(size_t) j * (size_t) d + (size_t) i] = q[(size_t) i * (size_t) d + (size_t) j];
    }
    es_rows_center(n, d, dz[a], p->sum[a], dz[a]);
    es_rows_add_times(n, d, -spread, p->y[a], q, dz[a]);
    solve_rows(n, d, p->k[a], false, dz[a]);
  }
}

/** Means, two triangles, L, and what the gradient sums; factors from rank 0. */
static es_loss_exchange exchange(const void *p, int64_t pairs, int dim) {
  const double d = dim, triangles = d * (d + 1);
  (void) p;
  (void) pairs;
  return (es_loss_exchange){.sums = 4,
                            .summed = 1 + 2 * d + triangles + 1 + 2 * (d + d * d),
                            .broadcast = 2 * d * d};
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
                                  .exchange = exchange,
                                  .eval = eval,
                                  .modes = modes};
