/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rates.c  Linearised flows of VICReg and NT-Xent at a small start.
 *
 *  Everything is made of the half sum h = (x + y)/2 and the half difference
 *  e = (x - y)/2 of a pair of views x, y: summed over pairs,
 *    x y' + y x' = 2 (H'H - E'E),  x x' + y y' = 2 (H'H + E'E),
 *  and centring x and y centres h and e. Gamma_eff does not change when a vector is
 *  added to all views, so it is that of centred ones, Gamma + S2 / (2N - 1), without the
 *  cancellation of large means. Each term is a pdsyrk of rows that stay spread. */
#include "eigenstep/rates.h"

#include <math.h>
#include "eigenstep/cov.h"
#include "eigenstep/mem.h"

/** G = half_sum H'H + centred E'E (both less their means) + plain E'E. */
typedef struct weights {
  double half_sum, centred, plain;
} weights;

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

static es_status assemble(const es_grid *grid, const es_pairs *p, const weights *w,
                          es_dmat **g) {
  es_dmat *made = NULL;
  ES_CHECK(p->total >= 2, ES_EARG, "got %lld pairs, expected at least 2",
           (long long) p->total);
  ES_TRY(es_dmat_create(grid, p->m, p->m, 0, &made));
  es_status st = add(grid, p, 1, true, w->half_sum, made);
  if (st == ES_OK) st = add(grid, p, -1, true, w->centred, made);
  if (st == ES_OK) st = add(grid, p, -1, false, w->plain, made);
  if (st == ES_OK)
    *g = made;
  else
    es_dmat_destroy(&made);
  return st;
}

es_status es_rates_vicreg(const es_grid *grid, const es_pairs *p, int d, double inv,
                          double var, double eps, es_dmat **g) {
  const double n = (double) p->total;
  const double spread = var / sqrt(eps) / d / (n - 1); /* Sbar = (H'H + E'E) / (n - 1) */
  const weights w = {spread, spread, -8 * inv / (n * d)}; /* D = 4 E'E / n */
  ES_CHECK(d >= 1 && eps > 0, ES_EARG, "got d = %d, eps = %g, expected >= 1, > 0", d,
           eps);
  return assemble(grid, p, &w, g);
}

es_status es_rates_ntxent(const es_grid *grid, const es_pairs *p, double temperature,
                          double length, es_dmat **g) {
  const double n = (double) p->total, others = 2 * n - 1;
  const double scale = 2 / temperature / (length > 0 ? length * length : 1);
  /* Gamma = (H'H - E'E) / n, S2 = (H'H + E'E) / n, both centred about the mean of all
     views, which is that of h; e keeps its own. */
  const weights w = {scale / n * (1 + 1 / others), 0, -scale / n * (1 - 1 / others)};
  ES_CHECK(temperature > 0 && length >= 0, ES_EARG,
           "got T = %g, length = %g, expected > 0, >= 0", temperature, length);
  return assemble(grid, p, &w, g);
}

double es_rates_vicreg_start(double var, double eps) {
  return var * (1 - sqrt(eps));
}

double es_rates_ntxent_start(int64_t pairs) {
  return log(2 * (double) pairs - 1);
}
