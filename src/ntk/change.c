/* SPDX-License-Identifier: BSD-3-Clause */
/** @file change.c  Centred kernels and the cosine between them (kernel alignment:
 *  Cortes, Mohri, Rostamizadeh, JMLR 13, 2012). */
#include "change.h"

#include <cblas.h>
#include "eigenstep/mem.h"

es_status es_ntk_center(es_dmat *a) {
  const int n = a->n;
  double *mean = NULL;
  ES_TRY(ES_COMM_NEW(a->grid->comm, n + 1, &mean));
  for (int j = 0; j < a->ln; j++)
    for (int i = 0; i < a->lm; i++)
      mean[es_dmat_col(a, j)] += a->a[(int64_t) j * a->lld + i] / n;
  es_comm_sum_f64(a->grid->comm, mean, n);
  for (int j = 0; j < n; j++) mean[n] += mean[j] / n;
  for (int j = 0; j < a->ln; j++)
    for (int i = 0; i < a->lm; i++)
      a->a[(int64_t) j * a->lld + i] +=
          mean[n] - mean[es_dmat_col(a, j)] - mean[es_dmat_row(a, i)];
  es_free(&mean);
  return ES_OK;
}

double es_ntk_kernel_alignment(const es_dmat *a, const es_dmat *b) {
  double sum = 0;
  for (int j = 0; j < a->ln; j++)
    sum +=
        cblas_ddot(a->lm, a->a + (int64_t) j * a->lld, 1, b->a + (int64_t) j * b->lld, 1);
  es_comm_sum_f64(a->grid->comm, &sum, 1);
  return sum / (es_dmat_norm(a) * es_dmat_norm(b));
}

typedef struct rows {
  const double *z;
  int d;
} rows;

static double product(void *ctx, int i, int j) {
  const rows *const r = ctx;
  return cblas_ddot(r->d, r->z + (int64_t) i * r->d, 1, r->z + (int64_t) j * r->d, 1);
}

es_status es_ntk_embedding_kernel(const es_grid *g, int n, int d, const double *z,
                                  es_dmat **k) {
  rows r = {z, d};
  ES_TRY(es_dmat_create(g, n, n, 0, k));
  es_dmat_fill(*k, product, &r);
  const es_status st = es_ntk_center(*k);
  if (st != ES_OK) es_dmat_destroy(k);
  return st;
}
