/* SPDX-License-Identifier: BSD-3-Clause */
/** @file symmetric.c  Functions, factors and inverses of small symmetric matrices.
 *
 *  LAPACK stores columns: its upper triangle is our lower one, its columns are our
 *  rows. */
#include "symmetric.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
             double *w, double *work, const int *lwork, int *iwork, const int *liwork,
             int *info);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info);

/* dsyevd's own formulas for jobz = V. */
static int work_doubles(int d) {
  return 1 + 6 * d + 2 * d * d;
}
static int work_integers(int d) {
  return 3 + 5 * d;
}

size_t es_symmetric_work(int d) {
  const size_t square = (size_t) d * (size_t) d;
  return 2 * square + (size_t) work_doubles(d) + (size_t) work_integers(d);
}

es_status es_symmetric_eigen(int d, const double *c, double *value, double *work) {
  const size_t square = (size_t) d * (size_t) d;
  double *const theirs = work + 2 * square;
  int *const integers = (int *) (theirs + work_doubles(d));
  const int lwork = work_doubles(d), liwork = work_integers(d);
  int info;
  memcpy(work, c, square * sizeof *work);
  dsyevd_("V", "U", &d, work, &d, value, theirs, &lwork, integers, &liwork, &info);
  ES_CHECK(info == 0, ES_EMATH, "dsyevd: got info = %d for a matrix of order %d", info,
           d);
  return ES_OK;
}

void es_symmetric_rebuild(int d, const double *value, es_symmetric_map *f,
                          const void *ctx, double *work, double *result) {
  const double *const q = work; /* a row each */
  double *const scaled = work + (size_t) d * (size_t) d;
  for (int k = 0; k < d; k++) {
    const double factor = f(value[k], ctx);
    const size_t row = (size_t) k * (size_t) d;
    for (size_t j = row; j < row + (size_t) d; j++) scaled[j] = factor * q[j];
  }
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, d, d, 1.0, q, d, scaled, d, 0.0,
              result, d);
}

int es_symmetric_cholesky(int d, double *c) {
  int info;
  dpotrf_("U", &d, c, &d, &info);
  return info;
}

void es_symmetric_invert(int d, double *l) {
  int info;
  dpotri_("U", &d, l, &d, &info);
  for (int i = 0; i < d; i++)
    for (int j = 0; j < i; j++)
      l[(size_t) j * (size_t) d + (size_t) i] = l[(size_t) i * (size_t) d + (size_t) j];
}

double es_symmetric_log_det(int d, const double *l) {
  double sum = 0.0;
  for (int i = 0; i < d; i++) sum += 2.0 * log(l[(size_t) i * (size_t) d + (size_t) i]);
  return sum;
}

bool es_symmetric_finite(int d, const double *c) {
  const size_t square = (size_t) d * (size_t) d;
  for (size_t i = 0; i < square; i++)
    if (!isfinite(c[i])) return false;
  return true;
}
