/* SPDX-License-Identifier: BSD-3-Clause */
/** @file covariances.c  Covariances of both views. */
#include "covariances.h"

#include <string.h>

#include "gram.h"
#include "rows.h"

size_t es_covariances_work(int d) {
  return 2 * (size_t) d + 2;
}

es_covariances es_covariances_of(const es_loss *l) {
  const size_t d = (size_t) l->dim;
  es_covariances p;
  p.count = l->work;
  for (int a = 0; a < 2; a++) {
    p.u[a] = es_gram_rows(l->gram, a);
    p.c[a] = es_gram_matrix(l->gram, a);
    p.mean[a] = p.count + 1 + (size_t) a * d;
  }
  p.distance = p.count + 1 + 2 * d;
  p.both = es_gram_matrix(l->gram, 2);
  return p;
}

typedef struct middle {
  const es_covariances *p;
  int d;
} middle;

/* Rows of the mean of both C. */
static void average(void *ctx, int first, int last, double *sums) {
  const middle *const m = ctx;
  const size_t d = (size_t) m->d;
  (void) sums;
  for (size_t i = (size_t) first * d; i < (size_t) last * d; i++)
    m->p->both[i] = 0.5 * (m->p->c[0][i] + m->p->c[1][i]);
}

es_status es_covariances_compute(const es_loss *l, int n, const double *const x[2],
                                 int ddof, double *pairs) {
  const es_covariances p = es_covariances_of(l);
  const int d = l->dim;
  middle m = {&p, d};
  double none[2];
  *pairs = es_rows_average(l, n, x, p.count);
  ES_CHECK(*pairs >= 2, ES_EARG, "loss: got %.0f pairs on all ranks, expected at least 2",
           *pairs);
  *p.distance = es_rows_squared_distance(n, d, x[0], x[1]);
  es_comm_sum_f64(l->comm, p.distance, 1);
  for (int a = 0; a < 2; a++) es_rows_center(n, d, x[a], p.mean[a], p.u[a]);
  es_gram_publish(l->gram, n);
  for (int a = 0; a < 2; a++)
    es_gram_product(l->gram, a, a, 1 / (*pairs - ddof), true, p.c[a]);
  es_gram_each(l->gram, average, &m, none);
  return ES_OK;
}

es_loss_exchange es_covariances_exchange(const void *par, int64_t pairs, int dim) {
  const double d = dim;
  (void) par;
  (void) pairs;
  return (es_loss_exchange){.sums = 2, .summed = 1 + 2 * d + 1, .by_node = d * (d + 1)};
}

void es_covariances_matrix(const es_loss *l, double *c) {
  memcpy(c, es_covariances_of(l).both, (size_t) l->dim * (size_t) l->dim * sizeof *c);
}
