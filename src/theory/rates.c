/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rates.c  Sums of products of half sums and half differences (rates.h). */
#include "eigenstep/rates.h"

#include "eigenstep/cov.h"
#include "eigenstep/mem.h"

/** Collective. G += weight Y'Y with Y [n, m] = (x + sign x')/2, less its mean if so. */
static es_status add(const es_grid *grid, const es_pairs *p, double sign, bool center,
                     double weight, es_dmat *g) {
  const int64_t size = p->n * p->m;
  double *y = NULL, *mean = NULL;
  es_dmat *rows = NULL;
  if (weight == 0) return ES_OK;
  es_status st = ES_NEW(size, &y);
  if (st == ES_OK) st = ES_NEW(p->m, &mean);
  st = es_comm_agree(grid->comm, st);
  for (int64_t i = 0; st == ES_OK && i < size; i++)
    y[i] = 0.5 * (p->x[0][i] + sign * p->x[1][i]);
  if (st == ES_OK && center) st = es_cov_mean(grid->comm, y, p->n, p->m, mean);
  for (int64_t i = 0; st == ES_OK && center && i < size; i++) y[i] -= mean[i % p->m];
  if (st == ES_OK) st = es_dmat_from_rows(grid, y, p->n, p->m, &rows);
  es_free(&mean);
  es_free(&y);
  if (st == ES_OK) st = es_dmat_syrk(weight, rows, 1, g);
  es_dmat_destroy(&rows);
  return st;
}

es_status es_rates_matrix(const es_grid *grid, const es_pairs *p, const es_rates_terms *t,
                          es_dmat **g) {
  es_dmat *made = NULL;
  ES_CHECK(p->total >= 2, ES_EARG, "growth matrix: got %lld pairs, expected at least 2",
           (long long) p->total);
  ES_TRY(es_dmat_create(grid, p->m, p->m, 0, &made));
  es_status st = add(grid, p, 1, false, t->sum, made);
  if (st == ES_OK) st = add(grid, p, 1, true, t->sum_centred, made);
  if (st == ES_OK) st = add(grid, p, -1, true, t->diff_centred, made);
  if (st == ES_OK) st = add(grid, p, -1, false, t->diff, made);
  if (st == ES_OK)
    *g = made;
  else
    es_dmat_destroy(&made);
  return st;
}
