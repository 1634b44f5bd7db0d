/* SPDX-License-Identifier: BSD-3-Clause */
/** @file symmetric.c  Functions, factors and inverses of symmetric matrices.
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

static es_status decompose(int d, const double *c, double *value, double *work) {
  const size_t square = (size_t) d * (size_t) d;
  double *const theirs = work + 2 * square;
  int *const integers = (int *) (theirs + work_doubles(d));
  const int lwork = work_doubles(d), liwork = work_integers(d);
  int info;
  memcpy(work, c, square * sizeof *work);
  dsyevd_("V", "U", &d, work, &d, value, theirs, &lwork, integers, &liwork, &info);
  ES_CHECK(info == 0, ES_EMATH,
           "eigenvalues of a matrix of order %d failed (LAPACK's info = %d)", d, info);
  return ES_OK;
}

es_status es_symmetric_eigen(const es_gram *g, const double *c, double *value) {
  const es_comm *const comm = es_gram_decide(g);
  const int d = es_gram_dim(g);
  int st = ES_OK;
  if (comm->rank == 0) st = decompose(d, c, value, es_gram_work(g));
  es_comm_bcast(comm, &st, sizeof st, 0);
  if (st == ES_OK) es_comm_bcast(comm, value, (size_t) d * sizeof *value, 0);
  return (es_status) st;
}

static void rebuild(int d, const double *value, es_symmetric_map f, double *work,
                    double *result) {
  const double *const q = work; /* a row each */
  double *const scaled = work + (size_t) d * (size_t) d;
  for (int k = 0; k < d; k++) {
    const double factor = f.of(value[k], f.ctx);
    const size_t row = (size_t) k * (size_t) d;
    for (size_t j = row; j < row + (size_t) d; j++) scaled[j] = factor * q[j];
  }
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, d, d, 1.0, q, d, scaled, d, 0.0,
              result, d);
}

void es_symmetric_rebuild(const es_gram *g, const double *value, es_symmetric_map f,
                          double *result) {
  if (es_gram_decide(g)->rank == 0)
    rebuild(es_gram_dim(g), value, f, es_gram_work(g), result);
  es_gram_spread(g, result);
}

/* L of C + shift I. @return as es_symmetric_cholesky */
static int factorise(int d, double shift, double *c) {
  int info;
  for (int j = 0; j < d; j++) c[(size_t) j * (size_t) (d + 1)] += shift;
  dpotrf_("U", &d, c, &d, &info);
  return info;
}

int es_symmetric_cholesky(const es_gram *g, double shift, double *c) {
  const es_comm *const comm = es_gram_decide(g);
  int info = 0;
  if (comm->rank == 0) info = factorise(es_gram_dim(g), shift, c);
  es_comm_bcast(comm, &info, sizeof info, 0);
  if (info == 0) es_gram_spread(g, c);
  return info;
}

/* L of C = L L' -> the whole of C^-1, in place. */
static int invert(int d, double *l) {
  int info;
  dpotri_("U", &d, l, &d, &info);
  for (int i = 0; i < d; i++)
    for (int j = 0; j < i; j++)
      l[(size_t) j * (size_t) d + (size_t) i] = l[(size_t) i * (size_t) d + (size_t) j];
  return info;
}

static double log_det_of(int d, const double *l) {
  double sum = 0.0;
  for (int i = 0; i < d; i++) sum += 2.0 * log(l[(size_t) i * (size_t) d + (size_t) i]);
  return sum;
}

int es_symmetric_invert(const es_gram *g, double shift, double *c, double *log_det) {
  const es_comm *const comm = es_gram_decide(g);
  const int d = es_gram_dim(g);
  int info = 0;
  if (comm->rank == 0) info = factorise(d, shift, c);
  if (comm->rank == 0 && info == 0) {
    *log_det = log_det_of(d, c);
    info = invert(d, c);
  }
  es_comm_bcast(comm, &info, sizeof info, 0);
  if (info != 0) return info;
  es_comm_bcast(comm, log_det, sizeof *log_det, 0);
  es_gram_spread(g, c);
  return 0;
}

static bool all_finite(int d, const double *c) {
  const size_t square = (size_t) d * (size_t) d;
  for (size_t i = 0; i < square; i++)
    if (!isfinite(c[i])) return false;
  return true;
}

bool es_symmetric_finite(const es_gram *g, const double *c) {
  const es_comm *const comm = es_gram_decide(g);
  bool yes = comm->rank == 0 && all_finite(es_gram_dim(g), c);
  es_comm_bcast(comm, &yes, sizeof yes, 0);
  return yes;
}
