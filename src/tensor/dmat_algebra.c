/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dmat_algebra.c  Products, trace and norm of distributed matrices (PBLAS).
 *
 *  PBLAS fills one triangle of a symmetric result; `mirror` fills the other. */
#include <math.h>
#include "eigenstep/dmat.h"
#include "eigenstep/mem.h"
#include "scalapack.h"

enum { PART = 64 }; /* numbers computed in vectors */

static const int one = 1;

static es_status check_grids(const es_dmat *a, const es_dmat *b) {
  ES_CHECK(
      a->grid == b->grid, ES_EARG,
      "matrix product: got matrices on different process grids (%d x %d and %d x %d), "
      "expected the same grid",
      a->grid->rows, a->grid->cols, b->grid->rows, b->grid->cols);
  return ES_OK;
}

/* Collective. Copy the lower triangle of C to the upper one. */
static es_status mirror(es_dmat *c) {
  /* C := L + D/2, then C := C + C'; halving and doubling the diagonal are exact. */
  es_dmat *half = NULL;
  ES_TRY(es_dmat_create(c->grid, c->m, c->n, c->nb, &half));
  for (int j = 0; j < c->ln; j++) {
    const int gj = es_dmat_col(c, j);
    for (int i = 0; i < c->lm; i++) {
      const int gi = es_dmat_row(c, i);
      double *x = &c->a[(size_t) j * c->lld + i];
      *x = gi > gj ? *x : gi == gj ? 0.5 * *x : 0;
      half->a[(size_t) j * half->lld + i] = *x;
    }
  }
  const double unit = 1;
  pdtran_(&c->m, &c->n, &unit, half->a, &one, &one, half->desc, &unit, c->a, &one, &one,
          c->desc);
  es_dmat_destroy(&half);
  return ES_OK;
}

es_status es_dmat_syrk(double alpha, const es_dmat *a, double beta, es_dmat *c) {
  ES_TRY(check_grids(a, c));
  ES_CHECK(c->m == a->n && c->n == a->n, ES_EARG,
           "matrix product: got C of %d x %d, expected %d x %d", c->m, c->n, a->n, a->n);
  pdsyrk_("L", "T", &c->n, &a->m, &alpha, a->a, &one, &one, a->desc, &beta, c->a, &one,
          &one, c->desc);
  return mirror(c);
}

es_status es_dmat_syr2k(double alpha, const es_dmat *a, const es_dmat *b, double beta,
                        es_dmat *c) {
  ES_TRY(check_grids(a, c));
  ES_TRY(check_grids(a, b));
  ES_CHECK(a->m == b->m && a->n == b->n, ES_EARG,
           "matrix product: got B of %d x %d, expected %d x %d", b->m, b->n, a->m, a->n);
  ES_CHECK(c->m == a->n && c->n == a->n, ES_EARG,
           "matrix product: got C of %d x %d, expected %d x %d", c->m, c->n, a->n, a->n);
  pdsyr2k_("L", "T", &c->n, &a->m, &alpha, a->a, &one, &one, a->desc, b->a, &one, &one,
           b->desc, &beta, c->a, &one, &one, c->desc);
  return mirror(c);
}

es_status es_dmat_gemm(const char *op, double alpha, const es_dmat *a, const es_dmat *b,
                       double beta, es_dmat *c) {
  const char ta = op[0], tb = op[1];
  ES_TRY(check_grids(a, c));
  ES_TRY(check_grids(a, b));
  const int m = ta == 'N' ? a->m : a->n, k = ta == 'N' ? a->n : a->m;
  const int kb = tb == 'N' ? b->m : b->n, n = tb == 'N' ? b->n : b->m;
  ES_CHECK(k == kb, ES_EARG, "matrix product: got op(B) with %d rows, expected %d", kb,
           k);
  ES_CHECK(c->m == m && c->n == n, ES_EARG,
           "matrix product: got C of %d x %d, expected %d x %d", c->m, c->n, m, n);
  pdgemm_(&ta, &tb, &m, &n, &k, &alpha, a->a, &one, &one, a->desc, b->a, &one, &one,
          b->desc, &beta, c->a, &one, &one, c->desc);
  return ES_OK;
}

double es_dmat_trace(const es_dmat *a) {
  double sum = 0;
  for (int j = 0, i = 0; j < a->ln; j++) {
    const int gj = es_dmat_col(a, j);
    while (i < a->lm && es_dmat_row(a, i) < gj) i++; /* both rise */
    if (i < a->lm && es_dmat_row(a, i) == gj) sum += a->a[(size_t) j * a->lld + i];
  }
  es_comm_sum_f64(a->grid->comm, &sum, 1);
  return sum;
}

/* Largest magnitude of x[n]; NaNs are ignored. */
static double largest(int n, const double *x) {
  double most = 0;
#pragma omp simd reduction(max : most)
  for (int i = 0; i < n; i++) {
    const double size = fabs(x[i]);
    if (size > most) most = size;
  }
  return most;
}

double es_dmat_norm(const es_dmat *a) {
  /* Scaled by the largest entry, so that squares neither overflow nor vanish. */
  double most = 0;
  for (int j = 0; j < a->ln; j++)
    most = fmax(most, largest(a->lm, a->a + (size_t) j * a->lld));
  es_comm_max_f64(a->grid->comm, &most, 1);
  if (!isfinite(most)) return most;
  /* divide by 1 so that the sum below becomes NaN. */
  if (most == 0) most = 1;
  double sum = 0;
  for (int j = 0; j < a->ln; j++)
    for (int first = 0; first < a->lm; first += PART) {
      const double *const x = a->a + (size_t) j * a->lld + first;
      const int n = a->lm - first < PART ? a->lm - first : PART;
      double part[PART]; /* quotients in vectors, the sum in its order */
      for (int i = 0; i < n; i++) part[i] = x[i] / most;
      for (int i = 0; i < n; i++) sum += part[i] * part[i];
    }
  es_comm_sum_f64(a->grid->comm, &sum, 1);
  return most * sqrt(sum);
}
