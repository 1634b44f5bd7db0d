/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_rayleigh.c  Rayleigh-Ritz in the inner product of K, on one rank: G is
 *  V'K V of an orthonormal V, so that its eigenvalues are Ritz values of K and the same
 *  directions are left out as in the full solution (kernel_modes.c). */
#include "kernel_rayleigh.h"

#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"

#define SMALLEST 1e-10
#define NEGATIVE 1e-8

/* P <- vectors of the s x s part of G with large eigenvalues, divided by their square
   roots; [s][s], the first *drop columns unused. e: [s]. */
static es_status whiten(es_rayleigh *r, int s, double *p, double *e, int *drop) {
  for (int j = 0; j < s; j++)
    memcpy(p + (size_t) j * (size_t) s, r->g + (size_t) j * (size_t) r->most,
           (size_t) s * sizeof *p);
  ES_TRY(es_eig_dense(s, p, e));
  r->top = e[s - 1];
  ES_CHECK(r->top > 0, ES_EMATH,
           "kernel matrix: got largest eigenvalue %g, expected a positive one", r->top);
  ES_CHECK(e[0] > -NEGATIVE * r->top, ES_EMATH,
           "kernel matrix: got eigenvalues from %g to %g, expected none below 0 (not a "
           "positive semi-definite kernel)",
           e[0], r->top);
  *drop = 0;
  while (e[*drop] <= SMALLEST * r->top) ++*drop;
  for (int j = *drop; j < s; j++)
    cblas_dscal(s, 1 / sqrt(e[j]), p + (size_t) j * (size_t) s, 1);
  return ES_OK;
}

/* -P'H P [n][n] of the last n columns of P. work: [s][n]. */
static void reduce(const es_rayleigh *r, int s, int n, const double *p, double *work,
                   double *m) {
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, s, n, s, 1, r->h, r->most, p, s,
              0, work, s);
  cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, n, n, s, -1, p, s, work, s, 0, m,
              n);
}

static es_status solve(es_rayleigh *r, int s, int wanted, double *p, double *work,
                       double *m, double *e) {
  int drop;
  ES_TRY(whiten(r, s, p, e, &drop));
  const double *large = p + (size_t) drop * (size_t) s;
  const int n = s - drop;
  reduce(r, s, n, large, work, m);
  ES_TRY(es_eig_dense(n, m, e));
  r->found = wanted < n ? wanted : n;
  for (int j = 0; j < r->found; j++) r->gamma[j] = -e[j];
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, s, r->found, n, 1, large, s, m,
              n, 0, r->c, s);
  return ES_OK;
}

es_status es_rayleigh_solve(es_rayleigh *r, int s, int wanted) {
  const size_t square = (size_t) s * (size_t) s;
  double *p = NULL, *work = NULL, *m = NULL, *e = NULL;
  es_status st = ES_NEW(square, &p);
  if (st == ES_OK) st = ES_NEW(square, &work);
  if (st == ES_OK) st = ES_NEW(square, &m);
  if (st == ES_OK) st = ES_NEW(s, &e);
  if (st == ES_OK) st = solve(r, s, wanted, p, work, m, e);
  es_free(&e);
  es_free(&m);
  es_free(&work);
  es_free(&p);
  return st;
}

es_status es_rayleigh_inverse(es_rayleigh *r, int s, int b, double *x) {
  double *p = NULL, *e = NULL, *y = NULL;
  int drop = 0;
  es_status st = ES_NEW((size_t) s * (size_t) s, &p);
  if (st == ES_OK) st = ES_NEW(s, &e);
  if (st == ES_OK) st = ES_NEW((size_t) s * (size_t) b, &y);
  if (st == ES_OK) st = whiten(r, s, p, e, &drop);
  if (st == ES_OK) {
    const double *large = p + (size_t) drop * (size_t) s;
    const int n = s - drop;
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, n, b, s, 1, large, s, x, s, 0, y,
                n);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, s, b, n, 1, large, s, y, n, 0,
                x, s);
  }
  es_free(&y);
  es_free(&e);
  es_free(&p);
  return st;
}

int es_rayleigh_span(const es_rayleigh *r, int s, int count, double *q) {
  int kept = 0;
  for (int j = 0; j < count; j++) {
    double *y = q + (size_t) kept * (size_t) s;
    memcpy(y, r->c + (size_t) j * (size_t) s, (size_t) s * sizeof *y);
    const double before = cblas_dnrm2(s, y, 1);
    for (int pass = 0; pass < 2 * kept; pass++) {
      const double *x = q + (size_t) (pass % kept) * (size_t) s;
      cblas_daxpy(s, -cblas_ddot(s, x, 1, y, 1), x, 1, y, 1);
    }
    const double left = cblas_dnrm2(s, y, 1);
    if (left <= 1e-12 * before) continue;
    cblas_dscal(s, 1 / left, y, 1);
    kept++;
  }
  return kept;
}

void es_rayleigh_restrict(es_rayleigh *r, int s, int count, const double *q,
                          double *work) {
  double *of[] = {r->g, r->h};
  for (int i = 0; i < 2; i++) {
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, s, count, s, 1, of[i], r->most,
                q, s, 0, work, s);
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, count, count, s, 1, q, s, work,
                s, 0, of[i], r->most);
  }
}
