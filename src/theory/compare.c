/* SPDX-License-Identifier: BSD-3-Clause */
/** @file compare.c  Comparison of embeddings: principal angles between their column
 *  spaces (Bjorck and Golub, Math. Comp. 27, 1973) and linear CKA (Kornblith, Norouzi,
 *  Lee, Hinton, ICML 2019). */
#include "eigenstep/compare.h"

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "svd.h"

#define SMALLEST 1e-12

/* Orthonormal basis of the span of the outputs: the first *rank columns of u [n, d]
   (column-major). s: workspace for the singular values. */
static es_status basis(int n, es_outputs a, double *u, double *s, int *rank) {
  const int least = n < a.d ? n : a.d;
  memcpy(u, a.f, (size_t) n * (size_t) a.d * sizeof *u);
  ES_TRY(es_svd(true, n, a.d, u, s));
  *rank = 0;
  while (*rank < least && s[*rank] > SMALLEST * s[0]) ++*rank;
  return ES_OK;
}

static es_status compare_spans(int n, es_outputs a, es_outputs b, double *work,
                               es_similarity *out, double *angles) {
  const size_t np = (size_t) n * (size_t) a.d, nq = (size_t) n * (size_t) b.d;
  double *u = work, *v = u + np, *m = v + nq, *s = m + (size_t) a.d * (size_t) b.d;
  int ra, rb;
  ES_TRY(basis(n, a, u, s, &ra));
  ES_TRY(basis(n, b, v, s, &rb));
  const int least = ra < rb ? ra : rb;
  *out = (es_similarity){.chance = (double) (ra < rb ? rb : ra) / n, .angle = M_PI_2};
  for (int i = 0; angles != NULL && i < (a.d < b.d ? a.d : b.d); i++) angles[i] = NAN;
  if (least == 0) return ES_OK;
  cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, ra, rb, n, 1, u, n, v, n, 0, m,
              ra);
  ES_TRY(es_svd(false, ra, rb, m, s));
  for (int i = 0; i < least; i++) {
    out->alignment += s[i] * s[i] / least;
    if (angles != NULL) angles[i] = acos(fmin(s[i], 1));
  }
  out->angle = acos(fmin(s[least - 1], 1));
  return ES_OK;
}

/* Subtract from each output its mean over the points. */
static void center(int n, es_outputs a, double *out) {
  for (int i = 0; i < a.d; i++) {
    const double *row = a.f + (size_t) i * (size_t) n;
    double mean = 0;
    for (int j = 0; j < n; j++) mean += row[j] / n;
    for (int j = 0; j < n; j++) out[(size_t) i * (size_t) n + (size_t) j] = row[j] - mean;
  }
}

/* ||A B'||_F */
static double cross(int n, es_outputs a, es_outputs b, double *work) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, a.d, b.d, n, 1, a.f, n, b.f, n, 0,
              work, b.d);
  return cblas_dnrm2(a.d * b.d, work, 1);
}

static double cka(int n, es_outputs a, es_outputs b, double *work) {
  const size_t np = (size_t) n * (size_t) a.d, nq = (size_t) n * (size_t) b.d;
  double *m = work + np + nq;
  center(n, a, work);
  center(n, b, work + np);
  const es_outputs x = {a.d, work}, y = {b.d, work + np};
  const double own = cross(n, x, x, m) * cross(n, y, y, m);
  const double both = cross(n, x, y, m);
  return own > 0 ? both * both / own : NAN;
}

/* ||A - B||_F / ||B||_F, NaN for different numbers of outputs. */
static double relative_error(int n, es_outputs a, es_outputs b) {
  double difference = 0, size = 0;
  if (a.d != b.d) return NAN;
  for (size_t i = 0; i < (size_t) n * (size_t) a.d; i++) {
    difference = hypot(difference, a.f[i] - b.f[i]);
    size = hypot(size, b.f[i]);
  }
  return difference / size;
}

static bool is_finite(int n, es_outputs a) {
  double sum = 0;
  for (size_t i = 0; i < (size_t) n * (size_t) a.d; i++) sum += fabs(a.f[i]);
  return isfinite(sum);
}

es_status es_compare(int n, es_outputs a, es_outputs b, es_similarity *out,
                     double *angles) {
  ES_CHECK(n >= 1 && a.d >= 1 && b.d >= 1, ES_EARG,
           "embeddings to compare: got %d and %d outputs on %d points, expected at least "
           "one of each",
           a.d, b.d, n);
  ES_CHECK(is_finite(n, a) && is_finite(n, b), ES_EMATH,
           "embeddings to compare: got a NaN or infinite value, expected finite ones");
  const size_t most = (size_t) (a.d > b.d ? a.d : b.d);
  const size_t values = (size_t) n * (size_t) (a.d + b.d);
  double *work = NULL;
  ES_TRY(ES_NEW(values + most * most + most, &work));
  es_similarity found;
  const es_status st = compare_spans(n, a, b, work, &found, angles);
  if (st == ES_OK) {
    found.error = relative_error(n, a, b);
    found.cka = cka(n, a, b, work);
    *out = found;
  }
  es_free(&work);
  return st;
}
