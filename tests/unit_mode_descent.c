/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_mode_descent.c  Modes of a linear model alone: Muon, heavy ball, the
 *  preconditioned gradient, the logarithmic barrier and predictors against closed forms
 *  and equations integrated on their own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "eigenstep/mode_descent.h"
#include "loss_cases.h"

enum { D = 3 };

static es_comm *comm; /* cmocka passes nothing else into a test */

/** Modes of a loss from amplitudes `start`; with two views of relative noise s2. */
static es_mode_descent *make(const loss_case *k, es_mode_update u, const double *gamma,
                             double s2, double start) {
  static es_loss *l; /* outlives the modes, one at a time */
  const es_loss_setup setup = {.dim = D, .pairs = 9, .layers = 1, .optim = "sgd"};
  es_loss_mode mode[D];
  double s[D];
  es_mode_descent *p = NULL;
  es_loss_destroy(&l);
  l = loss_of(k, comm, 9, 9, D);
  assert_non_null(l);
  for (int j = 0; j < D; j++) {
    mode[j] = (es_loss_mode){.gamma = gamma[j], .moment = (1 + s2) * gamma[j]};
    s[j] = start;
  }
  const es_mode_start from = {.n = D, .mode = mode, .amplitude = s};
  assert_int_equal(es_mode_descent_create(l, &setup, &u, &from, &p), ES_OK);
  return p;
}

/** Muon: s_j = s_j(0) + lr k, so gamma_j s_j^2 is 1/2 at (2 gamma_j)^(-1/2) - s_j(0). */
static void muon_adds(void **state) {
  (void) state;
  const loss_case k = {"barlow", {NULL}};
  const double gamma[D] = {3, 1.5, 0.8}, start = 1e-3, lr = 1e-5;
  double step[D];
  es_mode_descent *p =
      make(&k, (es_mode_update){.lr = lr, .orthogonal = true}, gamma, 0, start);
  assert_int_equal(es_mode_descent_steps(p, NULL, NULL, 1000000, step), ES_OK);
  for (int j = 0; j < D; j++) /* to within a step */
    assert_true(fabs(step[j] * lr - (1 / sqrt(2 * gamma[j]) - start)) < 1.5 * lr);
  es_mode_descent_destroy(&p);
}

/** Heavy ball: amplitudes grow by the larger root of z^2 - (1 + mu + x) z + mu with
 *  x = 4 lr gamma; with Nesterov's form of z^2 - (1 + mu)(1 + x) z + mu (1 + x). */
static void momentum_has_its_root(void **state) {
  (void) state;
  const loss_case k = {"barlow", {NULL}};
  const double gamma[D] = {1.5, 0.7, 0.1};
  const struct {
    double mu, lr;
    bool nesterov;
  } of[] = {{0, 0.02, false},
            {0.5, 0.02, false},
            {0.9, 0.02, false},
            {0.9, 0.002, false},
            {0.9, 0.02, true}};
  for (int i = 0; i < 5; i++) {
    const es_mode_update u = {
        .lr = of[i].lr, .momentum = of[i].mu, .nesterov = of[i].nesterov};
    es_mode_descent *p = make(&k, u, gamma, 0, 1e-30);
    double before[D];
    while (es_mode_descent_value(p)[0] < 1e-9) {
      for (int j = 0; j < D; j++) before[j] = es_mode_descent_value(p)[j];
      es_mode_descent_step(p, u.lr);
    }
    const double x = 4 * of[i].lr * gamma[0], mu = of[i].mu;
    const double b = of[i].nesterov ? (1 + mu) * (1 + x) : 1 + mu + x;
    const double end = of[i].nesterov ? mu * (1 + x) : mu;
    const double root = (b + sqrt(b * b - 4 * end)) / 2;
    assert_true(fabs(sqrt(es_mode_descent_value(p)[0] / before[0]) - root) < 1e-6);
    es_mode_descent_destroy(&p);
  }
}

/** Half times of dl/dt = 2 p^(1 + b) l (1 - (1 + s2) p), p = l^a, by steps of Euler's
 *  rule in l as the amplitudes take them in s. */
static double half_time(double a, bool through, double s2, double start) {
  const double final = pow(1 / (1 + s2), 1 / a), dt = 1e-4;
  double l = start, t = 0;
  while (l < final / 2) {
    const double p = pow(l, a);
    l += dt * 2 * (through ? p : 1) * l * (1 - (1 + s2) * p);
    t += dt;
  }
  return t;
}

static void predictors_follow_their_equation(void **state) {
  (void) state;
  const loss_case k[] = {{"directpred", {"exponent=1"}},
                         {"directpred", {"exponent=0.5"}},
                         {"isoloss", {"exponent=1"}},
                         {"isoloss", {"exponent=0.5"}}};
  const double one[D] = {1, 1, 1}, s2 = 0.01, l0 = 1e-2;
  for (int i = 0; i < 4; i++) {
    const es_mode_update u = {.lr = 1e-4};
    double step[D];
    es_mode_descent *p = make(&k[i], u, one, s2, sqrt(l0 / (1 + s2)));
    const double a = i % 2 ? 0.5 : 1;
    assert_true(fabs(es_mode_descent_final(p)[0] - pow(1 / (1 + s2), 1 / a)) < 1e-9);
    assert_int_equal(es_mode_descent_steps(p, NULL, NULL, 1000000, step), ES_OK);
    const double expected = half_time(a, i < 2, s2, l0);
    assert_true(fabs(step[0] * u.lr / expected - 1) < 1e-3);
    es_mode_descent_destroy(&p);
  }
}

/** dl/dt = 8 gamma l (1 - l) / (l + eps):
 *  t = [eps ln(l/l0) - (1 + eps) ln((1 - l)/(1 - l0))] / (8 gamma); and for the barrier
 *  dl/dt = 4 gamma l (1 - eps - l) / (l + eps). */
static void barriers_have_no_exponential_wait(void **state) {
  (void) state;
  const loss_case plain = {"barlow", {NULL}}, logdet = {"barlow_logdet", {"eps=0.05"}};
  const double gamma[D] = {1, 0.2, 0.04}, eps = 0.05, l0 = 1e-8, lr = 1e-4;
  double step[D], slow[D];
  es_mode_descent *p =
      make(&plain, (es_mode_update){.lr = lr, .eps = eps}, gamma, 0, sqrt(l0 / gamma[0]));
  assert_int_equal(es_mode_descent_steps(p, NULL, NULL, 10000000, step), ES_OK);
  const double t = (eps * log(0.5 / l0) - (1 + eps) * log(0.5 / (1 - l0))) / 8;
  assert_true(fabs(step[0] * lr / t - 1) < 5e-3); /* finite steps: lr gamma / eps */
  es_mode_descent_destroy(&p);
  p = make(&logdet, (es_mode_update){.lr = lr}, gamma, 0, sqrt(l0 / gamma[0]));
  assert_true(fabs(es_mode_descent_final(p)[0] - (1 - eps)) < 1e-9);
  assert_int_equal(es_mode_descent_steps(p, NULL, NULL, 10000000, step), ES_OK);
  const double c = 1 - eps, half = c / 2;
  const double u =
      (eps / c * log(half / l0) - (1 + eps / c) * log((c - half) / (c - l0))) / 4;
  assert_true(fabs(step[0] * lr / u - 1) < 5e-3);
  es_mode_descent_destroy(&p);
  p = make(&plain, (es_mode_update){.lr = lr}, gamma, 0, sqrt(l0 / gamma[0]));
  assert_int_equal(es_mode_descent_steps(p, NULL, NULL, 10000000, slow), ES_OK);
  assert_true(slow[0] > 5 * step[0]);
  es_mode_descent_destroy(&p);
}

/** Modes are followed to the surgery step by step: not for ever. */
static void a_surgery_far_away_is_refused(void **state) {
  (void) state;
  const loss_case k = {"barlow", {NULL}};
  const es_loss_setup setup = {.dim = D, .pairs = 9, .layers = 1, .optim = "sgd"};
  const es_surgery_params cut = {.step = 400000001, .remove = {.n = 1, .v = {1}}};
  const es_mode_update u = {.lr = 1e-3, .surgery = &cut};
  es_loss_mode mode = {1, 1};
  double s = 1e-3;
  const es_mode_start from = {.n = 1, .mode = &mode, .amplitude = &s};
  es_mode_descent *p = NULL;
  es_loss *l = loss_of(&k, comm, 9, 9, D);
  assert_non_null(l);
  assert_int_equal(es_mode_descent_create(l, &setup, &u, &from, &p), ES_ECONFIG);
  assert_null(p);
  es_loss_destroy(&l);
}

static void other_losses_are_refused(void **state) {
  (void) state;
  const loss_case k[] = {
      {"vicreg", {NULL}}, {"barlow", {"offdiag=0.5"}}, {"isoloss", {"eps=0.1"}}};
  const es_loss_setup setup = {.dim = D, .pairs = 9, .layers = 1, .optim = "sgd"};
  const es_mode_update u = {.lr = 1};
  es_loss_mode mode = {1, 1};
  double s = 1e-3;
  const es_mode_start from = {.n = 1, .mode = &mode, .amplitude = &s};
  for (int i = 0; i < 3; i++) {
    es_mode_descent *p = NULL;
    es_loss *l = loss_of(&k[i], comm, 9, 9, D);
    assert_non_null(l);
    assert_int_equal(es_mode_descent_create(l, &setup, &u, &from, &p), ES_ECONFIG);
    assert_null(p);
    es_loss_destroy(&l);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(muon_adds),
      cmocka_unit_test(momentum_has_its_root),
      cmocka_unit_test(predictors_follow_their_equation),
      cmocka_unit_test(barriers_have_no_exponential_wait),
      cmocka_unit_test(a_surgery_far_away_is_refused),
      cmocka_unit_test(other_losses_are_refused),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
