/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_samples.c  Eigenpairs of Gamma from the samples if these have directions too
 *  small for that method, and from products with the samples, ranks without a pair
 *  included. */
#include <math.h>
#include "eigenstep/linear.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "par.h"

enum { N = 7, M = 30 };

/* Views of N pairs that share a part, each column a quarter of the last one. */
static bool decaying_pairs(const es_comm *c, es_pairs *p) {
  *p = (es_pairs){.total = N, .m = M};
  es_comm_local_range(c, N, &p->first, &p->n);
  for (int v = 0; v < 2; v++) {
    if (ES_NEW((size_t) (p->n * M), &p->x[v]) != ES_OK) return false;
    for (int64_t i = 0; i < p->n * M; i++) {
      const uint64_t at = (uint64_t) (p->first * M + i);
      es_rng shared = es_rng_at(5, ES_STREAM_TEST, at, 2);
      es_rng own = es_rng_at(5, ES_STREAM_TEST, at, (uint32_t) v);
      p->x[v][i] = (0.8 * es_rng_normal(&shared) + 0.6 * es_rng_normal(&own)) *
                   pow(0.25, (double) (i % M));
    }
  }
  return true;
}

/* The small ones are dropped, and gamma is none the worse: its error is of second order
 * in the residual. */
static void small_directions_are_dropped(void **state) {
  const es_comm *c = *state;
  es_pairs p;
  es_grid *g = NULL;
  es_modes *few = NULL, *all = NULL;
  bool ok = decaying_pairs(c, &p) && es_grid_create(c, 0, &g) == ES_OK;
  ok = ok && es_modes_create(g, &p, 3, "samples", &few) == ES_OK;
  ok = ok && es_modes_create(g, &p, 3, "serial", &all) == ES_OK;
  ok = ok && few->samples && !all->samples && few->k == 3 && few->residual > 1e-10;
  for (int j = 0; ok && j < 3; j++)
    ok = fabs(few->gamma[j] - all->gamma[j]) <= 1e-10 * all->gamma[0];
  es_modes_destroy(&few);
  es_modes_destroy(&all);
  es_grid_destroy(&g);
  es_pairs_free(&p);
  assert_true(par_all(c, ok));
}

enum { FEW = 3, MANY = 90, LONG = 641, PAIRS = 6 };

/* Views of n pairs of LONG values: mostly shared, each value a little smaller than the
   last; the first two have the same size, and so two eigenvalues are close. */
static bool long_pairs(const es_comm *c, int n, es_pairs *p) {
  *p = (es_pairs){.total = n, .m = LONG};
  es_comm_local_range(c, n, &p->first, &p->n);
  for (int v = 0; v < 2; v++) {
    if (ES_NEW((size_t) (p->n * LONG), &p->x[v]) != ES_OK) return false;
    for (int64_t i = 0; i < p->n * LONG; i++) {
      const uint64_t at = (uint64_t) (p->first * LONG + i);
      es_rng shared = es_rng_at(6, ES_STREAM_TEST, at, 2);
      es_rng own = es_rng_at(6, ES_STREAM_TEST, at, (uint32_t) v);
      const double k = (double) (i % LONG);
      p->x[v][i] = (0.9 * es_rng_normal(&shared) + 0.4 * es_rng_normal(&own)) *
                   pow(0.9, k < 1 ? 1 : k);
    }
  }
  return true;
}

/* As those of the m x m matrix, also where Gamma has fewer positive eigenvalues than
   pairs are asked for. */
static bool same_from_products(const es_comm *c, const es_grid *g, int n) {
  es_pairs p;
  es_modes *got = NULL, *want = NULL;
  bool ok = long_pairs(c, n, &p);
  ok = ok && es_modes_create(g, &p, PAIRS, "products", &got) == ES_OK;
  ok = ok && es_modes_create(g, &p, PAIRS, "syevd", &want) == ES_OK;
  ok = ok && got->products && got->k == PAIRS && got->residual < 1e-12 &&
       got->orthogonality < 1e-12;
  for (int j = 0; ok && j < PAIRS; j++)
    ok = fabs(got->gamma[j] - want->gamma[j]) <= 1e-12 * want->gamma[0];
  if (ok && n == MANY) {
    double a[PAIRS * LONG], b[PAIRS * LONG];
    es_dmat_get_cols(got->vector, 0, PAIRS, a);
    es_dmat_get_cols(want->vector, 0, PAIRS, b);
    for (int l = 0; l < PAIRS * LONG; l++)
      ok = ok && fabs(a[l] - b[l]) < 1e-9; /* round-off over a gap */
  }
  es_modes_destroy(&got);
  es_modes_destroy(&want);
  es_pairs_free(&p);
  return ok;
}

static void products_find_what_the_matrix_has(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  ok = ok && same_from_products(c, g, MANY);
  ok = ok && same_from_products(c, g, FEW);
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(small_directions_are_dropped),
                                     cmocka_unit_test(products_find_what_the_matrix_has)};
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
