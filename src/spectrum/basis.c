/* SPDX-License-Identifier: BSD-3-Clause */
/** @file basis.c  Block Gram-Schmidt, every part twice, so that the basis is orthonormal
 *  to round-off (Golub, Van Loan, section 5.2.8). */
#include "eigenstep/basis.h"

#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"

/* Norm of a new vector, relative to what it came from, that counts as round-off. */
#define SMALLEST 2e-14

void es_basis_product(es_product p) {
  if (p.m == 0 || p.n == 0) return;
  cblas_dgemm(CblasColMajor, p.ta == 'T' ? CblasTrans : CblasNoTrans, CblasNoTrans, p.m,
              p.n, p.k, p.alpha, p.a, p.lda > 0 ? p.lda : 1, p.b, p.ldb > 0 ? p.ldb : 1,
              p.beta, p.c, p.ldc);
}

static int lead(const es_basis *q) {
  return q->rows > 0 ? (int) q->rows : 1;
}

es_status es_basis_create(const es_comm *c, int64_t rows, int most, int wide,
                          es_basis *out) {
  es_basis q = {.comm = c, .rows = rows, .most = most, .wide = wide};
  int64_t total;
  es_comm_scan(c, rows, &q.first, &total);
  es_status st = ES_NEW((size_t) most * (size_t) rows, &q.v);
  if (st == ES_OK) st = ES_NEW((size_t) most * (size_t) wide, &q.h);
  st = es_comm_agree(c, st);
  if (st == ES_OK)
    *out = q;
  else
    es_basis_free(&q);
  return st;
}

void es_basis_free(es_basis *q) {
  es_free(&q->h);
  es_free(&q->v);
}

void es_basis_project(es_basis *q, int b, double *y) {
  const int ld = lead(q), rows = (int) q->rows;
  if (q->s == 0) return;
  memset(q->h, 0, sizeof(double) * (size_t) q->s * (size_t) b);
  if (rows > 0)
    es_basis_product((es_product){'T', q->s, b, rows, 1, q->v, ld, y, ld, 0, q->h, q->s});
  es_comm_sum_f64(q->comm, q->h, (int64_t) q->s * b);
  es_basis_product((es_product){'N', rows, b, q->s, -1, q->v, ld, q->h, q->s, 1, y, ld});
}

static double norm(const es_basis *q, const double *a) {
  double sum = 0;
  for (int64_t i = 0; i < q->rows; i++) sum += a[i] * a[i];
  es_comm_sum_f64(q->comm, &sum, 1);
  return sqrt(sum);
}

/* Orthonormalise the columns of y and store them after the basis (s is not changed),
   omitting those that are round-off relative to `scale`. c: [wide] workspace. r: as in
   es_basis_append. Returns the number of columns stored. */
static int orthonormalise(es_basis *q, int b, double *y, double scale, double *r) {
  const int ld = lead(q), rows = (int) q->rows;
  double *to = q->v + (size_t) q->s * (size_t) q->rows, *c = q->h;
  int kept = 0;
  for (int j = 0; j < b && q->s + kept < q->most; j++, y += q->rows) {
    for (int pass = 0; pass < 2 && kept > 0; pass++) {
      memset(c, 0, (size_t) kept * sizeof *c);
      if (rows > 0)
        es_basis_product((es_product){'T', kept, 1, rows, 1, to, ld, y, ld, 0, c, kept});
      es_comm_sum_f64(q->comm, c, kept);
      es_basis_product((es_product){'N', rows, 1, kept, -1, to, ld, c, kept, 1, y, ld});
      for (int i = 0; r != NULL && i < kept; i++) r[j * q->wide + i] += c[i];
    }
    const double size = norm(q, y);
    if (size <= SMALLEST * scale) continue;
    if (r != NULL) r[j * q->wide + kept] = size;
    double *v = to + (size_t) kept * (size_t) q->rows;
    for (int64_t l = 0; l < q->rows; l++) v[l] = y[l] / size;
    kept++;
  }
  return kept;
}

/* Small columns are orthogonalised again once normalised. */
int es_basis_append(es_basis *q, int b, double *y, double scale, double *r) {
  const int kept = orthonormalise(q, b, y, scale, r);
  memcpy(y, q->v + (size_t) q->s * (size_t) q->rows,
         sizeof(double) * (size_t) kept * (size_t) q->rows);
  es_basis_project(q, kept, y);
  const int added = orthonormalise(q, kept, y, 1, NULL);
  q->s += added;
  return added;
}

void es_basis_randomise(const es_basis *q, int column, int b, double *y) {
  for (int j = 0; j < b; j++)
    for (int64_t i = 0; i < q->rows; i++) {
      es_rng r =
          es_rng_at(1, ES_STREAM_EIG, (uint64_t) (q->first + i), (uint32_t) (column + j));
      y[(size_t) j * (size_t) q->rows + (size_t) i] = es_rng_normal(&r);
    }
}
