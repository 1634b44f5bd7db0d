/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_verify.c  Residual and loss of orthogonality of eigenpairs, exactly by
 *  matrix products (as expensive as solving) or estimated from products with random
 *  vectors. */
#include <math.h>
#include "eig_verify.h"
#include "eigenstep/rng.h"

/* Differs from the seed of the start vectors of the subspace iteration, 1. */
enum { SEED = 2 };

/* Columns y_j <- y_j - w_j x_j. */
static void subtract_scaled_cols(es_dmat *y, const es_dmat *x, const double *w) {
  for (int j = 0; j < y->ln; j++) {
    const double factor = w[es_dmat_col(y, j)];
    double *to = y->a + (size_t) j * y->lld;
    const double *from = x->a + (size_t) j * x->lld;
    for (int i = 0; i < y->lm; i++) to[i] -= factor * from[i];
  }
}

static es_status exact_residual(const es_dmat *a, const es_dmat *v, const double *w,
                                double *out) {
  es_dmat *r = NULL;
  ES_TRY(es_dmat_create(a->grid, a->n, v->n, v->nb, &r));
  const es_status st = es_dmat_gemm("NN", 1, a, v, 0, r);
  subtract_scaled_cols(r, v, w);
  *out = es_dmat_norm(r);
  es_dmat_destroy(&r);
  return st;
}

es_status es_eig_orthogonality(const es_dmat *v, double *out) {
  es_dmat *g = NULL;
  ES_TRY(es_dmat_create(v->grid, v->n, v->n, v->nb, &g));
  const es_status st = es_dmat_gemm("TN", 1, v, v, 0, g);
  for (int j = 0; j < g->ln; j++)
    for (int i = 0; i < g->lm; i++)
      if (es_dmat_row(g, i) == es_dmat_col(g, j)) g->a[(size_t) j * g->lld + i] -= 1;
  *out = es_dmat_norm(g);
  es_dmat_destroy(&g);
  return st;
}

es_status es_eig_exact(const es_dmat *a, const es_dmat *v, const double *w,
                       es_eig_errors *out) {
  es_eig_errors found;
  ES_TRY(exact_residual(a, v, w, &found.residual));
  ES_TRY(es_eig_orthogonality(v, &found.orthogonality));
  *out = found;
  return ES_OK;
}

/* x(i, p) <- factor(i) times +1 or -1, by bit p of a random number of row i; factor NULL:
   1. */
static void fill_random_signs(es_dmat *x, const double *factor) {
  for (int i = 0; i < x->lm; i++) {
    const int row = es_dmat_row(x, i);
    es_rng rng = es_rng_at(SEED, ES_STREAM_EIG, (uint64_t) row, 0);
    const uint32_t bits = es_rng_u32(&rng);
    const double size = factor ? factor[row] : 1;
    for (int j = 0; j < x->ln; j++)
      x->a[(size_t) j * x->lld + i] = bits >> es_dmat_col(x, j) & 1 ? size : -size;
  }
}

/* Workspace: x [k, ES_EIG_SIGN_VECTORS] and y, r [n, ES_EIG_SIGN_VECTORS]. */
static es_status estimate(const es_dmat *a, const es_dmat *v, const double *w, es_dmat *x,
                          es_dmat *y, es_dmat *r, es_eig_errors *out) {
  const double share = 1 / sqrt(ES_EIG_SIGN_VECTORS);
  fill_random_signs(x, NULL);
  ES_TRY(es_dmat_gemm("NN", 1, v, x, 0, y));
  ES_TRY(es_dmat_gemm("TN", 1, v, y, -1, x));
  out->orthogonality = share * es_dmat_norm(x);
  fill_random_signs(x, w);
  ES_TRY(es_dmat_gemm("NN", 1, a, y, 0, r));
  ES_TRY(es_dmat_gemm("NN", -1, v, x, 1, r));
  out->residual = share * es_dmat_norm(r);
  return ES_OK;
}

es_status es_eig_estimate(const es_dmat *a, const es_dmat *v, const double *w,
                          es_eig_errors *out) {
  const es_grid *g = a->grid;
  es_dmat *x = NULL, *y = NULL, *r = NULL;
  es_eig_errors found;
  es_status st = es_dmat_create(g, v->n, ES_EIG_SIGN_VECTORS, v->nb, &x);
  if (st == ES_OK) st = es_dmat_create(g, a->n, ES_EIG_SIGN_VECTORS, v->nb, &y);
  if (st == ES_OK) st = es_dmat_create(g, a->n, ES_EIG_SIGN_VECTORS, v->nb, &r);
  if (st == ES_OK) st = estimate(a, v, w, x, y, r, &found);
  if (st == ES_OK) *out = found;
  es_dmat_destroy(&r);
  es_dmat_destroy(&y);
  es_dmat_destroy(&x);
  return st;
}
