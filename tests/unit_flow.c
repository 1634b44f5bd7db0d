/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_flow.c  The formulas of the solved dynamics against an integrator, against
 *  each other, and at the ends of the range of doubles. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <cmocka.h>
#include "eigenstep/flow.h"
#include "eigenstep/rng.h"

#define near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* ds/dt = 4 gamma s (1 - gamma s^2) - wd s by the classical Runge-Kutta rule. */
static double integrated(double gamma, double s, double decay, double t) {
  const int steps = 20000;
  const double h = t / steps;
  for (int i = 0; i < steps; i++) {
    double k[4], at = s;
    for (int j = 0; j < 4; j++) {
      k[j] = 4 * gamma * at * (1 - gamma * at * at) - decay * at;
      at = s + h * k[j] * (j == 2 ? 1 : 0.5);
    }
    s += h / 6 * (k[0] + 2 * k[1] + 2 * k[2] + k[3]);
  }
  return gamma * s * s;
}

static void curve_solves_the_equation(void **state) {
  (void) state;
  const double gammas[] = {2, 0.3, -0.2}, starts[] = {1e-3, 0.4, 3},
               decays[] = {0, 0.5, 1.2};
  for (int g = 0; g < 3; g++)
    for (int s = 0; s < 3; s++)
      for (int w = 0; w < 3; w++)
        for (double t = 0.1; t < 10; t *= 3) {
          const double want = integrated(gammas[g], starts[s], decays[w], t);
          const double got = es_flow_lambda(gammas[g], starts[s], decays[w], t);
          near(got, want, 1e-8 * (1 + fabs(want)));
        }
}

static void critical_times_halve_the_final_value(void **state) {
  (void) state;
  const double tau = es_flow_tau_exact(0.7, 1e-2, 0);
  near(es_flow_lambda(0.7, 1e-2, 0, tau), 0.5, 1e-12);
  near(es_flow_tau_small(0.7, 1e-2, 0), -log(0.7e-4) / 5.6, 1e-12);
  near(es_flow_tau_exact(0.7, 1e-9, 0), es_flow_tau_small(0.7, 1e-9, 0), 1e-12);
  const double slow = es_flow_tau_exact(0.7, 1e-2, 0.8), end = 1 - 0.8 / 2.8;
  near(es_flow_lambda(0.7, 1e-2, 0.8, slow), end / 2, 1e-12);
  near(es_flow_lambda(0.7, 1e-2, 0.8, 1e3), end, 1e-12);
  assert_true(isinf(es_flow_tau_exact(0.7, 1e-2, 2.9)));
  assert_true(isinf(es_flow_tau_small(-0.7, 1e-2, 0)));
  assert_true(es_flow_tau_exact(1, 0.9, 0) == 0);
}

static void nothing_overflows(void **state) {
  (void) state;
  const double starts[] = {1e-160, 1e-300, 1e150}, gammas[] = {1e-3, 1, 1e6, -1e-3, -1e6};
  const double decays[] = {0, 1e-6, 10, 1e8}, times[] = {0, 1e-300, 1, 1e10, 1e300};
  for (int s = 0; s < 3; s++)
    for (int g = 0; g < 5; g++)
      for (int w = 0; w < 4; w++)
        for (int t = 0; t < 5; t++)
          assert_true(!isnan(es_flow_lambda(gammas[g], starts[s], decays[w], times[t])));
  near(es_flow_lambda(1, 1e-160, 0, 1e4), 1, 1e-12);
  near(es_flow_tau_small(1, 1e-160, 0), 320 * log(10) / 8, 1e-10);
  assert_true(es_flow_lambda(1, 0, 0, 1e300) == 0);
}

static void plateaus_have_their_values(void **state) {
  (void) state;
  const double fifth[] = {6, 3, 1.714286, 1, 0.545455, 0.230769, 0};
  for (int k = 0; k <= 6; k++) {
    near(es_flow_plateau(6, k, 1), 6 - k, 1e-12);
    near(es_flow_plateau(6, k, 0.2), fifth[k], 1e-6);
    for (double w = 0.02; w < 3; w *= 7) {
      double lambda[6] = {0};
      for (int j = 0; j < k; j++) lambda[j] = es_flow_plateau_value(6, k, w);
      near(es_flow_loss(6, w, lambda), es_flow_plateau(6, k, w), 1e-12);
    }
    near(es_flow_slowdown(6, k, 1), 1, 1e-12);
  }
  near(es_flow_slowdown(6, 2, 0.2), 0.2 * 3 / 1.4, 1e-12);
  for (int k = 1; k <= 6; k++) { /* theory: k outputs learned, the others zero */
    const double lambda[6] = {1, k > 1, k > 2, k > 3, k > 4, k > 5};
    near(es_flow_plateau(6, k, 3), 6 - k, 1e-12);
    near(es_flow_plateau_value(6, k, 3), 1, 1e-12);
    near(es_flow_slowdown(6, k, 3), 1, 1e-12);
    near(es_flow_loss(6, 3, lambda), 6 - k, 1e-12);
  }
}

/* [d, modes] of normal numbers. */
static void random_start(int n, double scale, double *w) {
  es_rng r = es_rng_at(3, ES_STREAM_TEST, 0, 0);
  for (int i = 0; i < n; i++) w[i] = scale * es_rng_normal(&r);
}

static void effective_start_is_a_qr(void **state) {
  (void) state;
  enum { D = 7, K = 4 };
  const double gamma[K] = {3, 2, 1, 0.5};
  const es_flow_options o = {.lr = 0.01, .offdiag = 1};
  double w[D * K];
  es_flow *f = NULL;
  random_start(D * K, 1e-3, w);
  assert_int_equal(es_flow_create(D, K, gamma, w, &o, &f), ES_OK);
  for (int a = 0; a < K; a++) {
    assert_true(f->start[a] > 0 && f->start[a] == f->r[a * K + a]);
    for (int b = 0; b < K; b++) {
      double dot = 0;
      for (int i = 0; i < D; i++) dot += f->q[i * K + a] * f->q[i * K + b];
      near(dot, a == b, 1e-14);
      if (a > b) assert_true(f->r[a * K + b] == 0);
    }
    for (int i = 0; i < D; i++) {
      double sum = 0;
      for (int b = 0; b < K; b++) sum += f->q[i * K + b] * f->r[b * K + a];
      near(sum, w[i * K + a], 1e-17);
    }
    const double steps = log(1 / (sqrt(gamma[a]) * f->start[a])) / log1p(0.04 * gamma[a]);
    near(es_flow_steps(f, a), steps, 1e-9 * steps);
  }
  assert_int_equal(es_flow_create(2, 3, gamma, w, &o, &f), ES_EARG);
  es_flow_destroy(&f);
}

static void the_start_is_enough(void **state) {
  (void) state;
  enum { D = 5, K = 4 };
  const double gamma[K] = {3, 2, 1, 0.5};
  double w[D * K], a[D], b[D], at_a, at_b;
  random_start(D * K, 1e-2, w);
  for (int v = 0; v < 2; v++) {
    const es_flow_options o = {.lr = 0.01, .offdiag = v ? 1 : 0.3, .decay = 0.1};
    es_flow *f = NULL, *g = NULL;
    assert_int_equal(es_flow_create(D, K, gamma, w, &o, &f), ES_OK);
    assert_int_equal(es_flow_from_start(D, K, gamma, f->start, &o, &g), ES_OK);
    for (int j = 0; j < K; j++)
      assert_true(g->tau[j] == f->tau[j] && g->order[j] == f->order[j]);
    for (int i = 0; i < 20; i++) {
      es_flow_at(f, 0.3 * i, a, &at_a);
      es_flow_at(g, 0.3 * i, b, &at_b);
      assert_memory_equal(a, b, sizeof a);
      assert_true(at_a == at_b);
    }
    es_flow_destroy(&f);
    es_flow_destroy(&g);
    assert_int_equal(es_flow_from_start(2, 3, gamma, gamma, &o, &g), ES_EARG);
  }
}

static void loss_is_a_staircase(void **state) {
  (void) state;
  enum { D = 6 };
  const double gamma[D] = {1, 0.5, 0.25, 0.12, 0.06, 0.03}, weights[] = {1, 0.2};
  double w[D * D], lambda[D], loss;
  random_start(D * D, 1e-12, w);
  for (int i = 0; i < 2; i++) {
    const es_flow_options o = {.offdiag = weights[i]};
    es_flow *f = NULL;
    assert_int_equal(es_flow_create(D, D, gamma, w, &o, &f), ES_OK);
    assert_int_equal(es_flow_growing(f), D);
    for (int k = 0; k < D; k++) {
      const double before = k > 0 ? f->tau[k - 1] : 0;
      assert_true(f->order[k] == k && f->tau[k] > before);
      es_flow_at(f, 0.6 * before + 0.4 * f->tau[k], lambda, &loss);
      near(loss, es_flow_plateau(D, k, weights[i]), 2e-3);
    }
    es_flow_at(f, 2 * f->tau[D - 1], lambda, &loss);
    near(loss, 0, 1e-8);
    es_flow_destroy(&f);
  }
}

static void weight_decay_stops_slow_modes(void **state) {
  (void) state;
  const double gamma[3] = {1, 0.5, 0.1}, w[9] = {1e-4, 0, 0, 0, 1e-4, 0, 0, 0, 1e-4};
  const es_flow_options o = {.offdiag = 1, .decay = 0.8};
  double lambda[3], loss, s[3];
  es_flow *f = NULL;
  assert_int_equal(es_flow_create(3, 3, gamma, w, &o, &f), ES_OK);
  assert_int_equal(es_flow_growing(f), 2);
  assert_true(isinf(f->tau[2]));
  es_flow_at(f, 1e4, lambda, &loss);
  near(lambda[0], 1 - 0.8 / 4, 1e-12);
  near(lambda[1], 1 - 0.8 / 2, 1e-12);
  near(lambda[2], 0, 1e-12);
  es_flow_amplitudes(f, 1e4, s);
  near(s[1], sqrt(0.6 / 0.5), 1e-12);
  es_flow_destroy(&f);
}

static void error_estimate_falls_with_alpha(void **state) {
  (void) state;
  enum { D = 6 };
  double w[D * D], gamma[D], time, value, last_time = 1, last_value = 2;
  for (int j = 0; j < D; j++) gamma[j] = pow(0.7, j);
  const double alpha[] = {1e-3, 1e-5, 1e-7};
  for (int i = 0; i < 3; i++) {
    const es_flow_options o = {.offdiag = 1, .next = pow(0.7, D), .next_start = alpha[i]};
    es_flow *f = NULL;
    random_start(D * D, alpha[i], w);
    assert_int_equal(es_flow_create(D, D, gamma, w, &o, &f), ES_OK);
    es_flow_error(f, &time, &value);
    assert_true(time > 0 && time < last_time && value > 0 && value < last_value);
    if (i > 0) near(log(last_value / value) / log(100), 0.6, 0.05); /* 2 - 2 ratio */
    last_time = time;
    last_value = value;
    es_flow_destroy(&f);
  }
}

/* Mean of ||C - I||^2 over batches of k Gaussian modes. */
static double sampled_floor(int d, int k, int pairs, int batches) {
  es_rng r = es_rng_at(5, ES_STREAM_TEST, 1, 0);
  double c[8][8], z[8], sum = 0;
  for (int b = 0; b < batches; b++) {
    for (int i = 0; i < 64; i++) c[i / 8][i % 8] = 0;
    for (int p = 0; p < pairs; p++) {
      for (int i = 0; i < d; i++) z[i] = i < k ? es_rng_normal(&r) : 0;
      for (int i = 0; i < k; i++)
        for (int j = 0; j < k; j++) c[i][j] += z[i] * z[j] / pairs;
    }
    for (int i = 0; i < d; i++)
      for (int j = 0; j < d; j++) sum += (c[i][j] - (i == j)) * (c[i][j] - (i == j));
  }
  return sum / batches;
}

static void minibatch_floor(void **state) {
  (void) state;
  near(es_flow_batch_loss(50, 50, 256), 9.9609375, 1e-12);
  near(es_flow_batch_loss(8, 4, 64), sampled_floor(8, 4, 64, 2000), 0.02);
  near(es_flow_batch_eigenvalue(4, 64), 1 / (1 + 5.0 / 64), 1e-15);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(curve_solves_the_equation),
      cmocka_unit_test(critical_times_halve_the_final_value),
      cmocka_unit_test(nothing_overflows),
      cmocka_unit_test(plateaus_have_their_values),
      cmocka_unit_test(effective_start_is_a_qr),
      cmocka_unit_test(the_start_is_enough),
      cmocka_unit_test(loss_is_a_staircase),
      cmocka_unit_test(weight_decay_stops_slow_modes),
      cmocka_unit_test(error_estimate_falls_with_alpha),
      cmocka_unit_test(minibatch_floor),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
