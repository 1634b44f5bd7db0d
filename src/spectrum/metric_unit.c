/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_unit.c  Embeddings normalised to unit length. */
#include <math.h>
#include "eigenstep/mem.h"
#include "metric_private.h"

es_status es_metric_unit_rows(const es_embedding *e, int views, double **u) {
  const int64_t rows = views * e->n;
  const int d = e->d;
  double *made = NULL;
  const es_status st = ES_COMM_NEW(e->grid->comm, rows * d, &made);
  if (st != ES_OK) {
    es_free(&made);
    return st;
  }
  for (int64_t i = 0; i < rows; i++) {
    const double *const z = e->z + i * d;
    double square = 0;
    for (int j = 0; j < d; j++) square += z[j] * z[j];
    const double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (int j = 0; j < d; j++) made[i * d + j] = scale * z[j];
  }
  *u = made;
  return ES_OK;
}
