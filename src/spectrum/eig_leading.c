/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_leading.c  Leading eigenpairs of an operator that is no matrix: Krylov
 *  iteration, signs, and errors from a product with all vectors. */
#include <math.h>
#include "eig_verify.h"
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "krylov.h"

/* A product with so many vectors costs a BLAS little more than with half of them, which
   finds the pairs in three quarters of the vectors. */
enum { BLOCK = 16 };

/* ||A V - V diag(w)||_F / ||w||. x, y: [BLOCK][n] workspace. */
static double residual(const es_eig_operator *a, const es_eigen *e, double *x,
                       double *y) {
  const size_t n = (size_t) a->n;
  double sum = 0, norm = 0;
  for (int from = 0; from < e->k; from += BLOCK) {
    const int b = e->k - from < BLOCK ? e->k - from : BLOCK;
    es_dmat_get_cols(e->vector, from, b, x);
    for (size_t i = 0; i < (size_t) b * n; i++) y[i] = x[i];
    a->apply(a->ctx, b, y);
    for (size_t i = 0; i < (size_t) b * n; i++) {
      const double off = y[i] - e->value[from + (int) (i / n)] * x[i];
      sum += off * off;
    }
  }
  for (int j = 0; j < e->k; j++) norm += e->value[j] * e->value[j];
  return norm > 0 ? sqrt(sum / norm) : sqrt(sum);
}

static es_status verify(const es_eig_operator *a, es_eigen *e) {
  double *x = NULL, *y = NULL;
  const size_t size = (size_t) BLOCK * (size_t) a->n;
  es_status st = ES_NEW(size, &x);
  if (st == ES_OK) st = ES_NEW(size, &y);
  st = es_comm_agree(a->comm, st);
  if (st == ES_OK) {
    e->trace = NAN;
    e->residual = residual(a, e, x, y);
    es_comm_bcast(a->comm, &e->residual, sizeof e->residual, 0);
    st = es_eig_orthogonality(e->vector, &e->orthogonality);
    e->orthogonality /= sqrt(e->k);
  }
  es_free(&y);
  es_free(&x);
  ES_TRY(st);
  ES_CHECK(e->residual <= ES_EIG_WORST && e->orthogonality <= ES_EIG_WORST, ES_EMATH,
           "leading eigenpairs: got a residual of %.3g and a loss of orthogonality of "
           "%.3g, expected at most %g",
           e->residual, e->orthogonality, ES_EIG_WORST);
  return ES_OK;
}

static es_status solve(const es_eig_operator *a, const es_grid *g, es_eigen *e,
                       bool *converged) {
  const es_krylov o = {
      .a = a, .k = e->k, .block = BLOCK, .most = es_krylov_most(a->n, e->k)};
  ES_TRY(ES_COMM_NEW(a->comm, e->k, &e->value));
  ES_TRY(es_dmat_create(g, a->n, e->k, 0, &e->vector));
  ES_TRY(es_krylov_solve(&o, e->value, e->vector, converged));
  if (!*converged) return ES_OK;
  ES_TRY(es_eig_fix_signs(e->vector));
  return verify(a, e);
}

es_status es_eig_leading(const es_eig_operator *a, const es_grid *g, int k,
                         es_eigen **e) {
  es_eigen *made = NULL;
  bool converged = false;
  ES_CHECK(k >= 1 && k <= a->n / 16, ES_EARG,
           "leading eigenpairs: got %d of an operator of order %d, expected 1 to %d", k,
           a->n, a->n / 16);
  ES_TRY(ES_COMM_NEW(a->comm, 1, &made));
  made->n = a->n;
  made->k = k;
  const es_status st = solve(a, g, made, &converged);
  if (st != ES_OK || !converged) es_eig_destroy(&made);
  if (st == ES_OK) *e = made;
  return st;
}
