/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_predict.c  The noise of a probe: which eigenvalues of C it tells from those
 *  of unrelated views, on any number of ranks. */
#include <math.h>
#include <string.h>
#include "eigenstep/initial_prediction.h"
#include "eigenstep/rng.h"
#include "par.h"

enum { N = 400, M = 6, D = 4 };

/** Views whose first `shared` values are the same in both, the others unrelated; value j
 *  is 2^-j times as large. */
static void views(int seed, int shared, double *a, double *b) {
  es_rng r = es_rng_at((uint64_t) seed, ES_STREAM_TEST, 3, 0);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < M; j++) {
      const double x = es_rng_normal(&r), y = es_rng_normal(&r);
      a[i * M + j] = ldexp(x, -j);
      b[i * M + j] = ldexp(j < shared ? x : y, -j);
    }
}

/** Collective. The noise for W = size (1 0): embedding j is value j. */
static es_probe_noise noise_of(const es_comm *c, int seed, int shared, double size) {
  double all[2][N * M];
  float w[D * M] = {0};
  es_pairs x = {.total = N, .m = M};
  es_probe_noise out = {.resolved = -1};
  views(seed, shared, all[0], all[1]);
  es_comm_local_range(c, N, &x.first, &x.n);
  for (int v = 0; v < 2; v++) x.x[v] = all[v] + x.first * M;
  for (int j = 0; j < D; j++) w[j * M + j] = (float) size;
  (void) par_all(c, es_probe_noise_of(c, &x, w, D, &out) == ES_OK);
  return out;
}

/** One in several unrelated sets may exceed an estimate of the largest noise. */
static void unrelated_views_are_noise(void **state) {
  const es_comm *const c = *state;
  int resolved = 0;
  for (int seed = 1; seed <= 20; seed++) resolved += noise_of(c, seed, 0, 1).resolved;
  assert_true(par_all(c, resolved <= 6));
}

static void shared_values_are_resolved_in_turn(void **state) {
  const es_comm *const c = *state;
  int right = 0;
  for (int seed = 1; seed <= 20; seed++) {
    const es_probe_noise n = noise_of(c, seed, 2, 1e-3);
    right += n.resolved == 2 && n.value <= n.noise && n.noise < 1e-7;
  }
  const es_probe_noise all = noise_of(c, 1, D, 1);
  assert_true(par_all(c, right >= 17));
  assert_true(par_all(c, all.resolved == D && isnan(all.noise)));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(unrelated_views_are_noise),
      cmocka_unit_test(shared_values_are_resolved_in_turn),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
