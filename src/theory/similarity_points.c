/* SPDX-License-Identifier: BSD-3-Clause */
/** @file similarity_points.c  Similarity of embeddings from products and distances of
 *  points: centred kernel alignment, mutual nearest neighbours. */
#include <cblas.h>
#include <math.h>
#include "eigenstep/mem.h"
#include "eigenstep/similarity.h"

/* K [n, n] of inner products of points. */
static void products(int n, es_outputs a, double *k) {
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, n, a.d, 1, a.f, n, a.f, n, 0, k,
              n);
}

/* K <- H K H, H the projection onto vectors of mean 0. */
static void center(int n, double *k, double *mean) {
  double all = 0;
  for (int i = 0; i < n; i++) {
    mean[i] = 0;
    for (int j = 0; j < n; j++) mean[i] += k[(int64_t) i * n + j] / n;
    all += mean[i] / n;
  }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) k[(int64_t) i * n + j] += all - mean[i] - mean[j];
}

/* The estimate of HSIC without bias, of matrices whose diagonals are 0. */
static double unbiased(int n, const double *k, const double *l) {
  double trace = 0, sums[2] = {0, 0}, both = 0;
  for (int i = 0; i < n; i++) {
    double row[2] = {0, 0};
    for (int j = 0; j < n; j++) {
      const double a = k[(int64_t) i * n + j], b = l[(int64_t) i * n + j];
      trace += a * b;
      row[0] += a;
      row[1] += b;
    }
    sums[0] += row[0];
    sums[1] += row[1];
    both += row[0] * row[1];
  }
  const double m = n;
  return (trace + sums[0] * sums[1] / ((m - 1) * (m - 2)) - 2 * both / (m - 2)) /
         (m * (m - 3));
}

es_status es_cka(int n, es_outputs a, es_outputs b, double cka[2]) {
  const int64_t size = (int64_t) n * n;
  double *k = NULL, *l = NULL, *mean = NULL;
  es_status st = ES_NEW(size, &k);
  if (st == ES_OK) st = ES_NEW(size, &l);
  if (st == ES_OK) st = ES_NEW(n, &mean);
  if (st == ES_OK) {
    products(n, a, k);
    products(n, b, l);
    center(n, k, mean); /* of the second estimate, no mean is left to lose digits by */
    center(n, l, mean);
    double kl = 0, kk = 0, ll = 0;
    for (int64_t i = 0; i < size; i++) {
      kl += k[i] * l[i];
      kk += k[i] * k[i];
      ll += l[i] * l[i];
    }
    cka[0] = kl / sqrt(kk * ll);
    for (int i = 0; i < n; i++) k[(int64_t) i * n + i] = l[(int64_t) i * n + i] = 0;
    cka[1] =
        n < 4 ? NAN : unbiased(n, k, l) / sqrt(unbiased(n, k, k) * unbiased(n, l, l));
  }
  es_free(&mean);
  es_free(&l);
  es_free(&k);
  return st;
}

/* The k points nearest to point i: member[j] = true. Products p of all points. */
static void neighbours(int n, const double *p, int i, int k, bool *member) {
  for (int j = 0; j < n; j++) member[j] = false;
  for (; k > 0; k--) {
    int best = -1;
    double least = INFINITY;
    for (int j = 0; j < n; j++) {
      if (j == i || member[j]) continue;
      const double d = p[(int64_t) j * n + j] - 2 * p[(int64_t) i * n + j];
      if (best >= 0 && d >= least) continue;
      best = j;
      least = d;
    }
    member[best] = true;
  }
}

es_status es_mutual_neighbours(int n, es_outputs a, es_outputs b, int k, double *share) {
  const es_outputs both[2] = {a, b};
  double *p[2] = {NULL, NULL};
  bool *member[2] = {NULL, NULL};
  es_status st = ES_OK;
  const int some = k < n ? k : n - 1;
  for (int m = 0; m < 2 && st == ES_OK; m++) {
    st = ES_NEW((int64_t) n * n, &p[m]);
    if (st == ES_OK) st = ES_NEW(n, &member[m]);
    if (st == ES_OK) products(n, both[m], p[m]);
  }
  int64_t common = 0;
  for (int i = 0; i < n && st == ES_OK; i++) {
    for (int m = 0; m < 2; m++) neighbours(n, p[m], i, some, member[m]);
    for (int j = 0; j < n; j++) common += member[0][j] && member[1][j];
  }
  if (st == ES_OK) *share = some > 0 ? (double) common / ((double) n * some) : NAN;
  for (int m = 0; m < 2; m++) {
    es_free(&p[m]);
    es_free(&member[m]);
  }
  return st;
}
