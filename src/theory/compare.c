/* SPDX-License-Identifier: BSD-3-Clause */
/** @file compare.c  Comparison of embeddings: principal angles between their column
 *  spaces (Bjorck and Golub, Math. Comp. 27, 1973) and linear CKA (Kornblith, Norouzi,
 *  Lee, Hinton, ICML 2019). */
#include "eigenstep/compare.h"

#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"

#define SMALLEST 1e-12

/** LAPACK: singular value decomposition. */
void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a,
             const int *lda, double *s, double *u, const int *ldu, double *vt,
             const int *ldvt, double *work, const int *lwork, int *info);

/* Singular values s of A [m, n] (column-major, destroyed), and in place of A the left
   vectors where asked for. */
static es_status decompose(bool vectors, int m, int n, double *a, double *s) {
  const int least = m < n ? m : n, most = m < n ? n : m, one = 1;
  const int lwork = 5 * (3 * least + most);
  double *work = NULL, unused;
  int info = 0;
  ES_TRY(ES_NEW(lwork, &work));
  dgesvd_(vectors ? "O" : "N", "N", &m, &n, a, &m, s, &unused, &one, &unused, &one, work,
          &lwork, &info);
  es_free(&work);
  ES_CHECK(info == 0, ES_EMATH, "dgesvd: got info = %d, expected 0", info);
  return ES_OK;
}

/* An orthonormal basis of the span of p rows of n values, in the first *rank columns. */
static es_status basis(int n, int p, const double *a, double *u, double *s, int *rank) {
  const int least = n < p ? n : p;
  memcpy(u, a, (size_t) n * (size_t) p * sizeof *u);
  ES_TRY(decompose(true, n, p, u, s));
  *rank = 0;
  while (*rank < least && s[*rank] > SMALLEST * s[0]) ++*rank;
  return ES_OK;
}

static es_status compare_spans(int n, int p, const double *a, int q, const double *b,
                               double *work, es_likeness *out, double *angles) {
  const size_t np = (size_t) n * (size_t) p, nq = (size_t) n * (size_t) q;
  double *u = work, *v = u + np, *m = v + nq, *s = m + (size_t) p * (size_t) q;
  int ra, rb;
  ES_TRY(basis(n, p, a, u, s, &ra));
  ES_TRY(basis(n, q, b, v, s, &rb));
  const int least = ra < rb ? ra : rb;
  *out = (es_likeness){.chance = (double) (ra < rb ? rb : ra) / n, .angle = M_PI_2};
  for (int i = 0; angles != NULL && i < (p < q ? p : q); i++) angles[i] = NAN;
  if (least == 0) return ES_OK;
  cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, ra, rb, n, 1, u, n, v, n, 0, m,
              ra);
  ES_TRY(decompose(false, ra, rb, m, s));
  for (int i = 0; i < least; i++) {
    out->alignment += s[i] * s[i] / least;
    if (angles != NULL) angles[i] = acos(fmin(s[i], 1));
  }
  out->angle = acos(fmin(s[least - 1], 1));
  return ES_OK;
}

static void center(int n, int p, const double *a, double *out) {
  for (int i = 0; i < p; i++) {
    const double *row = a + (size_t) i * (size_t) n;
    double mean = 0;
    for (int j = 0; j < n; j++) mean += row[j] / n;
    for (int j = 0; j < n; j++) out[(size_t) i * (size_t) n + (size_t) j] = row[j] - mean;
  }
}

/* ||A B'||_F of p and q rows. */
static double cross(int n, int p, const double *a, int q, const double *b, double *work) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, p, q, n, 1, a, n, b, n, 0, work,
              q);
  return cblas_dnrm2(p * q, work, 1);
}

static double cka(int n, int p, const double *a, int q, const double *b, double *work) {
  const size_t np = (size_t) n * (size_t) p, nq = (size_t) n * (size_t) q;
  double *x = work, *y = x + np, *m = y + nq;
  center(n, p, a, x);
  center(n, q, b, y);
  const double own = cross(n, p, x, p, x, m) * cross(n, q, y, q, y, m);
  const double both = cross(n, p, x, q, y, m);
  return own > 0 ? both * both / own : NAN;
}

es_status es_compare(int n, int p, const double *a, int q, const double *b,
                     es_likeness *out, double *angles) {
  ES_CHECK(n >= 1 && p >= 1 && q >= 1, ES_EARG,
           "got %d and %d outputs on %d points, expected at least one of each", p, q, n);
  const size_t most = (size_t) (p > q ? p : q), np = (size_t) n * (size_t) (p + q);
  double *work = NULL, apart = 0, size = 0, sum = 0;
  for (size_t i = 0; i < (size_t) n * (size_t) p; i++) sum += fabs(a[i]);
  for (size_t i = 0; i < (size_t) n * (size_t) q; i++) sum += fabs(b[i]);
  ES_CHECK(isfinite(sum), ES_EMATH, "embeddings to compare: got one that is not finite");
  ES_TRY(ES_NEW(np + most * most + most, &work));
  es_likeness found;
  const es_status st = compare_spans(n, p, a, q, b, work, &found, angles);
  if (st == ES_OK) {
    for (size_t i = 0; p == q && i < (size_t) n * (size_t) p; i++) {
      apart = hypot(apart, a[i] - b[i]);
      size = hypot(size, b[i]);
    }
    found.error = p == q ? apart / size : NAN;
    found.cka = cka(n, p, a, q, b, work);
    *out = found;
  }
  es_free(&work);
  return st;
}
