/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rows.c  Moments of a batch that is spread over ranks, and products with D x D
 *  matrices; what losses have in common. */
#include "rows.h"

#include <cblas.h>
#include <string.h>

static const double shortest = 1e-12; /* shorter rows are divided by this */

es_status es_rows_check_pairs(const char *loss, int64_t pairs, const char *lacks) {
  ES_CHECK(pairs >= 2, ES_ECONFIG,
           "loss.%s: got a batch of %lld pair, expected at least 2: one has %s", loss,
           (long long) pairs, lacks);
  return ES_OK;
}

double es_rows_dot(int64_t n, const double *a, const double *b) {
  const int64_t piece = 1 << 30;
  double sum = 0;
  for (int64_t at = 0; at < n; at += piece)
    sum += cblas_ddot((int) (n - at < piece ? n - at : piece), a + at, 1, b + at, 1);
  return sum;
}

es_status es_rows_check_unit(const char *loss, bool normalize, int dim) {
  ES_CHECK(!normalize || dim > 1, ES_ECONFIG,
           "loss.%s.normalize: got true with embeddings of width 1, expected a larger "
           "width or false: numbers of length 1 are signs, which no gradient changes",
           loss);
  return ES_OK;
}

double es_rows_average(const es_loss *l, int n, const double *const z[2], double *sums) {
  const int d = l->dim;
  double *const mean = sums + 1;
  sums[0] = n;
  memset(mean, 0, 2 * (size_t) d * sizeof *mean);
  for (int a = 0; a < 2; a++)
    for (int i = 0; i < n; i++)
      cblas_daxpy(d, 1.0, z[a] + (size_t) i * (size_t) d, 1,
                  mean + (size_t) a * (size_t) d, 1);
  es_comm_sum_f64(l->comm, sums, 1 + 2 * (int64_t) d);
  for (int i = 0; i < 2 * d && sums[0] > 0; i++) mean[i] /= sums[0];
  return sums[0];
}

void es_rows_center(int n, int d, const double *z, const double *mean, double *u) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j < d; j++) {
      const size_t ij = (size_t) i * (size_t) d + (size_t) j;
      u[ij] = z[ij] - mean[j];
    }
}

void es_rows_product(int n, int d, double factor, const double *a, const double *b,
                     double *c) {
  if (n == 0)
    memset(c, 0, (size_t) d * (size_t) d * sizeof *c);
  else
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, d, n, factor, a, d, b, d, 0.0,
                c, d);
}

void es_rows_times(int n, int d, double factor, const double *u, const double *g,
                   double *to) {
  if (n > 0)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, d, d, factor, u, d, g, d,
                0.0, to, d);
}

void es_rows_times_transposed(int n, int d, double factor, const double *u,
                              const double *g, double *to) {
  if (n > 0)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, d, d, factor, u, d, g, d, 0.0,
                to, d);
}

void es_rows_add_times(int n, int d, double factor, const double *u, const double *g,
                       double *to) {
  if (n > 0)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, d, d, factor, u, d, g, d,
                1.0, to, d);
}

void es_rows_unit(int n, int d, const double *z, double *u, double *length) {
  for (int i = 0; i < n; i++) {
    const double *const from = z + (size_t) i * (size_t) d;
    double *const to = u + (size_t) i * (size_t) d;
    const double size = cblas_dnrm2(d, from, 1);
    length[i] = size < shortest ? shortest : size;
    for (int j = 0; j < d; j++) to[j] = from[j] / length[i];
  }
}

void es_rows_unit_backward(int n, int d, const double *u, const double *length,
                           double *dz) {
  for (int i = 0; i < n; i++) {
    const double *const along = u + (size_t) i * (size_t) d;
    double *const g = dz + (size_t) i * (size_t) d;
    const double part = length[i] > shortest ? cblas_ddot(d, g, 1, along, 1) : 0.0;
    for (int j = 0; j < d; j++) g[j] = (g[j] - part * along[j]) / length[i];
  }
}

double es_rows_squared_distance(int n, int d, const double *a, const double *b) {
  double sum = 0.0;
  for (size_t i = 0; i < (size_t) n * (size_t) d; i++)
    sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

void es_rows_difference(int n, int d, double factor, const double *a, const double *b,
                        double *to) {
  for (size_t i = 0; i < (size_t) n * (size_t) d; i++) to[i] = factor * (a[i] - b[i]);
}
