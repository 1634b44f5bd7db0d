/* SPDX-License-Identifier: BSD-3-Clause */
/** @file covariances.c  Covariances of both views. What is reduced together lies side by
 *  side: the count and the means; the distance and both C. */
#include "covariances.h"

#include <string.h>

#include "rows.h"
#include "symmetric.h"

size_t es_covariances_work(int n_max, int d) {
  const size_t n = (size_t) n_max, width = (size_t) d;
  return 2 * n * width + 3 * width * width + 2 * width + 2;
}

es_covariances es_covariances_of(const es_loss *l) {
  const size_t d = (size_t) l->dim, nd = (size_t) l->n_max * d;
  es_covariances p;
  p.u[0] = l->work;
  p.u[1] = p.u[0] + nd;
  p.count = p.u[1] + nd;
  p.mean[0] = p.count + 1;
  p.mean[1] = p.mean[0] + d;
  p.distance = p.mean[1] + d;
  p.c[0] = p.distance + 1;
  p.c[1] = p.c[0] + d * d;
  p.both = p.c[1] + d * d;
  return p;
}

es_status es_covariances_compute(const es_loss *l, int n, const double *const x[2],
                                 int ddof, double *pairs) {
  const es_covariances p = es_covariances_of(l);
  const int d = l->dim;
  const size_t square = (size_t) d * (size_t) d;
  *pairs = es_rows_average(l, n, x, p.count);
  ES_CHECK(*pairs >= 2, ES_EARG, "loss: got %.0f pairs on all ranks, expected at least 2",
           *pairs);
  *p.distance = es_rows_squared_distance(n, d, x[0], x[1]);
  for (int a = 0; a < 2; a++) {
    es_rows_center(n, d, x[a], p.mean[a], p.u[a]);
    es_rows_product(n, d, 1 / (*pairs - ddof), p.u[a], p.u[a], p.c[a]);
  }
  es_symmetric_sum(l->comm, 1, 2, d, p.distance);
  for (size_t i = 0; i < square; i++) p.both[i] = 0.5 * (p.c[0][i] + p.c[1][i]);
  return ES_OK;
}

es_loss_exchange es_covariances_exchange(const void *par, int64_t pairs, int dim) {
  const double d = dim;
  (void) par;
  (void) pairs;
  return (es_loss_exchange){.sums = 2, .summed = 1 + 2 * d + 1 + d * (d + 1)};
}

void es_covariances_matrix(const es_loss *l, double *c) {
  memcpy(c, es_covariances_of(l).both, (size_t) l->dim * (size_t) l->dim * sizeof *c);
}
