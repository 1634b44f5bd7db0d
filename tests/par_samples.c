/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_samples.c  Eigenpairs of Gamma from the samples if these have
 *  directions too small for that method. */
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

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(small_directions_are_dropped)};
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
