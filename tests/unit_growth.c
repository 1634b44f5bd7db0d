/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_growth.c  Where one direction alone comes to rest: losses are least. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "data/loss_reference.h"

enum { N = 24, D = 4, ND = N * D };

static es_comm *comm; /* cmocka passes nothing else into a test */

static es_loss *make(const loss_case *k, int d) {
  es_loss *l = loss_of(k, comm, N, N, d);
  assert_non_null(l);
  return l;
}

/** Of views that agree. */
static double value_of(es_loss *l, const double *z) {
  double value = NAN;
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = N, .z = {z, z}, .dz = {NULL, NULL}}, &value),
      ES_OK);
  return value;
}

static void vicreg_on_a_line(void **state) {
  (void) state;
  const loss_case k = {"vicreg", {"cov=4"}};
  es_loss *l = make(&k, D);
  double z[ND], value[3], square = N * (N + 1) / 12.0; /* variance of 0..N-1 */
  for (int v = 0; v < 3; v++) {
    const double size = sqrt(es_loss_modes_of(l).alone * (0.9 + 0.1 * v) / D / square);
    for (int i = 0; i < ND; i++) z[i] = (i / D - (N - 1) / 2.0) * (i % 2 ? -size : size);
    value[v] = value_of(l, z);
  }
  es_loss_destroy(&l);
  assert_true(value[1] < value[0] && value[1] < value[2]);
}

/** Directions evenly on an arc of this many radians; variance along the arc's middle. */
static double arc(double *z, double angle) {
  double square = 0;
  for (int i = 0; i < N; i++) {
    const double a = angle * ((i + 0.5) / N - 0.5);
    for (int j = 0; j < D; j++) z[i * D + j] = j == 0 ? cos(a) : j == 1 ? sin(a) : 0;
    square += sin(a) * sin(a) / N;
  }
  return square;
}

static void simclr_on_a_circle(void **state) {
  (void) state;
  const loss_case k = {"simclr", {"temperature=0.5"}},
                  dot = {"simclr", {"normalize=false"}};
  es_loss *l = make(&k, D);
  double z[ND], before = INFINITY;
  for (int v = 1; v <= 4; v++) { /* the farther, the better, up to all around */
    const double variance = arc(z, v * acos(-1) / 2), value = value_of(l, z);
    assert_true(value < before);
    before = value;
    if (v == 4) assert_true(fabs(variance - es_loss_modes_of(l).alone) < 1e-12);
  }
  es_loss_destroy(&l);
  l = make(&dot, D);
  assert_true(es_loss_modes_of(l).alone == 0); /* of length, too: nothing is known */
  es_loss_destroy(&l);
  assert_null(loss_of(&k, comm, N, N, 1)); /* signs: no circle */
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vicreg_on_a_line),
      cmocka_unit_test(simclr_on_a_circle),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
