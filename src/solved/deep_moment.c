/* SPDX-License-Identifier: BSD-3-Clause */
/** @file deep_moment.c  V' M2 V from the pairs of all ranks. */
#include "deep_moment.h"

#include <cblas.h>
#include <string.h>
#include "eigenstep/mem.h"

es_status es_deep_moment_compute(const es_comm *c, const es_modes *modes,
                                 const es_pairs *p, double *moment) {
  const int k = modes->k, n = (int) p->n;
  const size_t all = (size_t) k * (size_t) k;
  double *one = NULL, *transpose = NULL, *y = NULL;
  memset(moment, 0, all * sizeof *moment);
  es_status st = ES_NEW(all, &one);
  if (st == ES_OK) st = ES_NEW((size_t) k * (size_t) p->m, &transpose);
  if (st == ES_OK) st = ES_NEW((size_t) n * (size_t) k, &y);
  st = es_comm_agree(c, st);
  for (int j = 0; j < k && st == ES_OK; j++) one[(size_t) j * (size_t) (k + 1)] = 1;
  if (st == ES_OK) st = es_modes_expand(modes, k, one, transpose);
  for (int v = 0; v < 2 && st == ES_OK && n > 0; v++) {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, k, p->m, 1, p->x[v], p->m,
                transpose, p->m, 0, y, k);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, k, k, n, 0.5 / (double) p->total,
                y, k, y, k, 1, moment, k);
  }
  if (st == ES_OK) es_comm_sum_f64(c, moment, (int64_t) all);
  es_free(&y);
  es_free(&transpose);
  es_free(&one);
  return st;
}
