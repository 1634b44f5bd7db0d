/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_stable_lr.c  The largest stable learning rate that a loss names, against
 *  descent under it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "eigenstep/loss_theory.h"
#include "loss_cases.h"

static es_comm *comm; /* cmocka passes nothing else into a test */

/** Distance from the minimum of a linear model z = W x after heavy-ball descent from near
 *  it, over that at the start. Gamma is diag(gamma), C = 1 at the minimum. */
static double distance_after(es_loss *l, const double *gamma, double lr, double mu) {
  enum { K = 2, N = 4, STEPS = 3000 };
  double w[K * K], v[K * K] = {0}, start = 0, end = 0;
  for (int i = 0; i < K * K; i++)
    w[i] = (i % (K + 1) == 0) / sqrt(gamma[i % K]) + 1e-5 * (1 + i % 3);
  for (int s = 0; s <= STEPS; s++) {
    double z[N * K], dz[2 * N * K], g[K * K] = {0}, value, off = 0;
    for (int n = 0; n < N; n++)
      for (int i = 0; i < K; i++) {
        z[n * K + i] = 0;
        for (int j = 0; j < K; j++)
          z[n * K + i] += w[i * K + j] * (n >> j & 1 ? 1 : -1) * sqrt(gamma[j]);
      }
    const es_loss_batch b = {.n = N, .z = {z, z}, .dz = {dz, dz + N * K}};
    assert_int_equal(es_loss_eval(l, &b, &value), ES_OK);
    for (int n = 0; n < N; n++)
      for (int i = 0; i < K * K; i++)
        g[i] += (dz[n * K + i / K] + dz[(N + n) * K + i / K]) *
                (n >> i % K & 1 ? 1 : -1) * sqrt(gamma[i % K]);
    for (int i = 0; i < K * K; i++) off += g[i] * g[i];
    if (s == 0) start = off;
    end = off;
    if (!(end < 1e6)) break;
    for (int i = 0; i < K * K; i++) w[i] += v[i] = mu * v[i] - lr * g[i];
  }
  return sqrt(end / start);
}

/** Below it descent returns to the minimum; above it, with weight 1, where all rotations
 *  of the outputs are as steep, it leaves. */
static void the_stable_learning_rate_is_the_limit(void **state) {
  (void) state;
  const loss_case cases[] = {{"barlow", {NULL}},
                             {"barlow", {"center=true", "scale=0.1"}},
                             {"barlow", {"offdiag=0.2"}},
                             {"barlow", {"offdiag=3"}}};
  const double gamma[] = {2, 0.9};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
    for (int i = 0; i < 2; i++) {
      es_loss *l = loss_of(&cases[c], comm, 4, 4, 2);
      es_loss_setup s = {.dim = 2, .layers = 1, .optim = "sgd", .constant_lr = true};
      assert_non_null(l);
      s.momentum = i == 0 ? 0 : 0.6;
      const double most = l->ops->theory->stable_lr(l->par, &s, gamma[0]);
      assert_true(distance_after(l, gamma, 0.97 * most, s.momentum) < 1e-3);
      if (c < 2) assert_true(distance_after(l, gamma, 1.03 * most, s.momentum) > 10);
      es_loss_destroy(&l);
    }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_stable_learning_rate_is_the_limit),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
