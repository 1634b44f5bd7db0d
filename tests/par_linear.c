/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_linear.c  Simulations of linear models against their exact solution, and the
 *  eigenpairs of Gamma against ones known in advance, whatever the number of ranks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/flow.h"
#include "eigenstep/linear.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "par.h"

enum { D = 6, M = 30, MOST = 64 };

/* Recorded by a simulation: eigenvalues and loss at each recording point. */
typedef struct curves {
  int d, n;
  double offdiag, lambda[MOST][M], loss[MOST];
} curves;

static es_status record(void *ctx, double at, const double *c) {
  curves *s = ctx;
  double work[M * M + 3 * M], on = 0, off = 0;
  (void) at;
  for (int i = 0; i < s->d * s->d; i++) {
    const bool diagonal = i % (s->d + 1) == 0;
    const double e = c[i] - diagonal;
    *(diagonal ? &on : &off) += e * e;
  }
  s->loss[s->n] = on + s->offdiag * off;
  return es_dense_eigenvalues(s->d, c, work, s->lambda[s->n++]);
}

static void random_weights(int n, double scale, double *w) {
  es_rng r = es_rng_at(3, ES_STREAM_TEST, 0, 0);
  for (int i = 0; i < n; i++) w[i] = scale * es_rng_normal(&r);
}

static void geometric(int m, double ratio, double *gamma) {
  for (int j = 0; j < m; j++) gamma[j] = pow(ratio, j);
}

/* Run from w [d, m] with thresholds of 1/2; lr = 0: the flow with tolerance tol. */
static es_status simulate(const es_comm *c, int d, int m, const double *gamma, double lr,
                          double offdiag, double tol, int n, const double *at, double *w,
                          curves *s, double *crossing) {
  double half[M];
  es_crossings *crossings = NULL;
  for (int i = 0; i < d; i++) half[i] = 0.5;
  memset(s, 0, sizeof *s);
  s->d = d;
  s->offdiag = offdiag;
  if (es_crossings_create(d, half, &crossings) != ES_OK) return ES_ENOMEM;
  es_descent o = {
      .comm = c,
      .d = d,
      .m = m,
      .w = w,
      .lr = lr,
      .offdiag = offdiag,
      .observer = {.n = n, .at = at, .crossings = crossings, .record = record, .ctx = s}};
  const es_status st =
      lr > 0 ? es_descent_modes(&o, gamma) : es_descent_flow(&o, gamma, tol);
  if (crossing != NULL)
    memcpy(crossing, es_crossings_at(crossings), (size_t) d * sizeof *crossing);
  es_crossings_destroy(&crossings);
  return st;
}

static es_flow *predict(int d, int m, const double *gamma, const double *w, double lr,
                        double offdiag) {
  const es_flow_options o = {.lr = lr, .offdiag = offdiag};
  double *lead = malloc(sizeof *lead * (size_t) (d * d));
  es_flow *f = NULL;
  for (int i = 0; i < d; i++)
    for (int j = 0; j < d; j++) lead[i * d + j] = w[i * m + j];
  if (es_flow_create(d, d, gamma, lead, &o, &f) != ES_OK) abort();
  free(lead);
  return f;
}

/* Orthonormal rows: a product of rotations. */
static void rotation(int n, double *u) {
  for (int i = 0; i < n * n; i++) u[i] = i % (n + 1) == 0;
  for (int k = 0; k < 3 * n; k++) {
    const int a = k % n, b = (a + 1 + k / n) % n;
    const double c = cos(k + 0.3), s = sin(k + 0.3);
    if (a == b) continue;
    for (int i = 0; i < n; i++) {
      const double x = u[i * n + a], y = u[i * n + b];
      u[i * n + a] = c * x - s * y;
      u[i * n + b] = s * x + c * y;
    }
  }
}

static void aligned_start_stays_aligned(void **state) {
  const es_comm *c = *state;
  double gamma[M], w[D * M] = {0}, u[D * D], at[20], s0[D], lambda[D], loss;
  static curves s;
  bool ok = true;
  geometric(M, 0.7, gamma);
  rotation(D, u);
  for (int j = 0; j < D; j++) {
    s0[j] = 1e-3 * (1 + 0.3 * j);
    for (int i = 0; i < D; i++) w[i * M + j] = u[i * D + j] * s0[j];
  }
  es_flow *f = predict(D, M, gamma, w, 0, 1);
  for (int k = 0; k < 20; k++) at[k] = 1.3 * f->tau[D - 1] * k / 19;
  ok = simulate(c, D, M, gamma, 0, 1, 1e-12, 20, at, w, &s, NULL) == ES_OK;
  for (int k = 0; ok && k < 20; k++) {
    es_flow_at(f, at[k], lambda, &loss);
    ok = fabs(s.loss[k] - loss) < 1e-8;
    for (int j = 0; j < D; j++) ok = ok && fabs(s.lambda[k][j] - lambda[j]) < 1e-8;
  }
  es_flow_amplitudes(f, at[19], lambda);
  for (int i = 0; i < D; i++)
    for (int j = 0; j < D; j++)
      ok = ok && fabs(w[i * M + j] - u[i * D + j] * lambda[j]) < 1e-8;
  es_flow_destroy(&f);
  assert_true(par_all(c, ok));
}

/* From a random start of size alpha: relative error of step times, distance of the final
   weights from the predicted ones. */
static bool random_start(const es_comm *c, double alpha, double *times, double *weights) {
  double gamma[M], w[D * M], crossing[D], far = 0, norm = 0, s[D];
  static curves shown;
  geometric(M, 0.7, gamma);
  random_weights(D * M, alpha, w);
  es_flow *f = predict(D, M, gamma, w, 0, 1);
  const double end = 1.6 * f->tau[f->order[D - 1]];
  const bool ok =
      simulate(c, D, M, gamma, 0, 1, 1e-9, 1, &end, w, &shown, crossing) == ES_OK;
  *times = 0;
  es_flow_amplitudes(f, end, s);
  for (int k = 0; k < D; k++)
    *times = fmax(*times, fabs(crossing[k] / f->tau[f->order[k]] - 1));
  for (int i = 0; i < D; i++)
    for (int j = 0; j < M; j++) {
      const double want = j < D ? f->q[i * D + j] * s[j] : 0;
      far += (w[i * M + j] - want) * (w[i * M + j] - want);
      norm += w[i * M + j] * w[i * M + j];
    }
  *weights = sqrt(far / norm);
  es_flow_destroy(&f);
  return ok;
}

static void error_falls_with_alpha(void **state) {
  const es_comm *c = *state;
  const double alpha[] = {1e-3, 1e-4, 1e-6, 1e-8};
  double times[4], weights[4];
  bool ok = true;
  for (int i = 0; i < 4; i++)
    ok = random_start(c, alpha[i], &times[i], &weights[i]) && ok;
  for (int i = 1; i < 4; i++) ok = ok && times[i] < times[i - 1];
  ok = ok && times[2] < 1e-3;
  /* All gap ratios are 0.7: the weights' error falls as alpha^0.3. */
  ok = ok && fabs(log(weights[2] / weights[3]) / log(100) - 0.3) < 0.03;
  assert_true(par_all(c, ok));
}

static void plateaus_of_offdiagonal_weights(void **state) {
  const es_comm *c = *state;
  const double gamma[10] = {1, .5, .25, .12, .06, .03, .01, .005, .002, .001};
  const double weights[] = {1, 0.2, 0.02, 3};
  bool ok = true;
  for (int i = 0; i < 4; i++) {
    double w[D * 10], at[D - 1];
    static curves s;
    random_weights(D * 10, 1e-20, w);
    es_flow *f = predict(D, 10, gamma, w, 0, weights[i]);
    for (int k = 1; k < D; k++)
      at[k - 1] = 0.75 * f->tau[f->order[k]] + 0.25 * f->tau[f->order[k - 1]];
    ok =
        simulate(c, D, 10, gamma, 0, weights[i], 1e-9, D - 1, at, w, &s, NULL) == ES_OK &&
        ok;
    for (int k = 1; k < D; k++) {
      const double want = es_flow_plateau(D, k, weights[i]);
      if (fabs(s.loss[k - 1] - want) < (weights[i] > 1 ? 1e-3 : 5e-4)) continue;
      print_message("w = %g, k = %d: loss %.6g, plateau %.6g\n", weights[i], k,
                    s.loss[k - 1], want);
      ok = false;
    }
    es_flow_destroy(&f);
  }
  assert_true(par_all(c, ok));
}

static void too_few_positive_eigenvalues(void **state) {
  const es_comm *c = *state;
  const double gamma[8] = {1, .6, .3, -.05, -.1, -.2, -.3, -.5}, end = 60;
  double w[D * 8];
  static curves s;
  random_weights(D * 8, 1e-5, w);
  bool ok = simulate(c, D, 8, gamma, 0, 1, 1e-9, 1, &end, w, &s, NULL) == ES_OK;
  ok = ok && fabs(s.loss[0] - 3) < 1e-6;
  assert_true(par_all(c, ok));
}

static void stability_limit(void **state) {
  const es_comm *c = *state;
  double gamma[M], w[D * M], crossing[D];
  const double end = 4000;
  static curves s;
  geometric(M, 0.7, gamma);
  random_weights(D * M, 1e-4, w);
  bool ok =
      simulate(c, D, M, gamma, 0.98 * 0.25, 1, 0, 1, &end, w, &s, crossing) == ES_OK;
  ok = ok && fabs(s.lambda[0][0] - 1) < 1e-9 && s.loss[0] < 1e-12;
  random_weights(D * M, 1e-4, w);
  ok = ok && simulate(c, D, M, gamma, 1.02 * 0.25, 1, 0, 1, &end, w, &s, NULL) == ES_OK;
  ok = ok && fabs(s.lambda[0][0] - 1) > 1e-2; /* oscillates */
  random_weights(D * M, 1e-4, w);
  ok = ok && simulate(c, D, M, gamma, 3 * 0.25, 1, 0, 1, &end, w, &s, NULL) == ES_EMATH;
  assert_true(par_all(c, ok));
}

/* --- Gamma from pairs
 * ------------------------------------------------------------------------- */

/* n pairs x_i = a_i u_i, x_i' = b_i u_i with orthonormal u_i: eigenvalues a_i b_i / n. */
static bool known_pairs(const es_comm *c, int n, int m, es_pairs *p, double *gamma) {
  static double u[M * M];
  rotation(m, u);
  *p = (es_pairs){.total = n, .m = m};
  es_comm_local_range(c, n, &p->first, &p->n);
  for (int v = 0; v < 2; v++)
    if (es_alloc_n((size_t) (p->n * m), sizeof(double), "pairs", (void **) &p->x[v]) !=
        ES_OK)
      return false;
  for (int i = 0; i < n; i++) {
    const double a = 1 + i, b = i % 3 == 2 ? -0.5 : 2.0 / (1 + i * i);
    gamma[i] = a * b / n;
    const int64_t row = i - p->first;
    if (row < 0 || row >= p->n) continue;
    for (int j = 0; j < m; j++) {
      p->x[0][row * m + j] = a * u[i * m + j];
      p->x[1][row * m + j] = b * u[i * m + j];
    }
  }
  return true;
}

static int descending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x < y) - (x > y);
}

static bool found(const es_modes *f, int n, const double *want) {
  double all[M] = {0};
  memcpy(all, want, (size_t) n * sizeof *want);
  if (!f->samples) n = f->m;
  qsort(all, (size_t) n, sizeof *all, descending);
  bool ok = f->k <= n && f->residual < 1e-12 && f->orthogonality < 1e-11;
  for (int j = 0; j < f->k; j++) ok = ok && fabs(f->gamma[j] - all[j]) < 1e-12;
  return ok;
}

static void eigenpairs_of_known_pairs(void **state) {
  const es_comm *c = *state;
  const char *const solver[] = {"samples", "serial", "syevd", "auto"};
  const int n = 7, m = M;
  double gamma[M];
  es_pairs p;
  es_grid *g = NULL;
  bool ok = known_pairs(c, n, m, &p, gamma) && es_grid_create(c, 0, &g) == ES_OK;
  for (int i = 0; i < 4; i++)
    for (int k = 0; k <= 4; k += 4) {
      es_modes *modes = NULL;
      ok = es_modes_create(g, &p, k, solver[i], &modes) == ES_OK && ok;
      ok = ok && modes->samples == (i == 0 || i == 3) && found(modes, n, gamma);
      ok = ok && (k == 0 ? modes->whole : modes->k == 4 && !modes->whole);
      es_modes_destroy(&modes);
    }
  es_grid_destroy(&g);
  es_pairs_free(&p);
  assert_true(par_all(c, ok));
}

static double entry(void *ctx, int i, int j) {
  const double *w = ctx;
  return w[i * M + j];
}

/* The same descent on the samples and in the eigenvectors. */
static void direct_descent_agrees(void **state) {
  const es_comm *c = *state;
  enum { N = 20, OUT = 4 };
  const double at[] = {0, 10, 40, 200};
  double gamma[M], w[OUT * M], half[OUT] = {.5, .5, .5, .5}, projected[OUT * M];
  static curves a, b;
  es_pairs p;
  es_grid *g = NULL;
  es_modes *modes = NULL;
  es_crossings *crossings = NULL;
  bool ok = known_pairs(c, N, M, &p, gamma) && es_grid_create(c, 0, &g) == ES_OK;
  random_weights(OUT * M, 1e-2, w);
  ok = ok && es_modes_create(g, &p, 0, "syevd", &modes) == ES_OK;
  ok = ok && es_modes_project(modes, OUT, entry, w, projected) == ES_OK;
  ok = ok && es_crossings_create(OUT, half, &crossings) == ES_OK;
  const double lr = 0.1 / modes->gamma[0];
  ok = ok &&
       simulate(c, OUT, M, modes->gamma, lr, 0.5, 0, 4, at, projected, &a, NULL) == ES_OK;
  b = (curves){.d = OUT, .offdiag = 0.5};
  es_descent o = {
      .comm = c,
      .d = OUT,
      .m = M,
      .w = w,
      .lr = lr,
      .offdiag = 0.5,
      .observer = {
          .n = 4, .at = at, .crossings = crossings, .record = record, .ctx = &b}};
  ok = ok && es_descent_pairs(&o, &p, 0, 1) == ES_OK;
  for (int k = 0; k < 4; k++)
    for (int j = 0; j < OUT; j++)
      ok = ok && fabs(a.lambda[k][j] - b.lambda[k][j]) < 1e-11;
  ok = ok && a.lambda[3][0] > 0.9 && es_crossings_count(crossings) > 0;
  es_crossings_destroy(&crossings);
  es_modes_destroy(&modes);
  es_grid_destroy(&g);
  es_pairs_free(&p);
  assert_true(par_all(c, ok));
}

/* Whitened Gaussian pairs with x = x': minibatches shrink the eigenvalues. */
static void minibatches_shrink(void **state) {
  const es_comm *c = *state;
  enum { K = 4, N = 20000, B = 64, LATE = 30 };
  double half[K] = {.5, .5, .5, .5}, w[K * K] = {0}, at[LATE], mean = 0;
  static curves s;
  es_crossings *crossings = NULL;
  es_pairs p = {.total = N, .m = K};
  es_comm_local_range(c, N, &p.first, &p.n);
  bool ok = es_crossings_create(K, half, &crossings) == ES_OK;
  for (int v = 0; v < 2; v++)
    ok = es_alloc_n((size_t) p.n * K, sizeof(double), "x", (void **) &p.x[v]) == ES_OK &&
         ok;
  for (int64_t i = 0; i < p.n; i++) {
    es_rng r = es_rng_at(9, ES_STREAM_TEST, (uint64_t) (p.first + i), 0);
    for (int j = 0; j < K; j++) p.x[0][i * K + j] = p.x[1][i * K + j] = es_rng_normal(&r);
  }
  for (int i = 0; i < K; i++) w[i * K + i] = 1;
  for (int k = 0; k < LATE; k++) at[k] = 300 + 20 * k;
  s = (curves){.d = K, .offdiag = 1};
  es_descent o = {
      .comm = c,
      .d = K,
      .m = K,
      .w = w,
      .lr = 0.006,
      .offdiag = 1,
      .observer = {
          .n = LATE, .at = at, .crossings = crossings, .record = record, .ctx = &s}};
  ok = ok && es_descent_pairs(&o, &p, B, 1) == ES_OK;
  for (int k = 0; k < LATE; k++)
    for (int j = 0; j < K; j++) mean += s.lambda[k][j] / (K * LATE);
  ok = ok && fabs(mean - es_flow_batch_eigenvalue(K, B)) < 0.01;
  es_crossings_destroy(&crossings);
  es_pairs_free(&p);
  assert_true(par_all(c, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(aligned_start_stays_aligned),
      cmocka_unit_test(error_falls_with_alpha),
      cmocka_unit_test(plateaus_of_offdiagonal_weights),
      cmocka_unit_test(too_few_positive_eigenvalues),
      cmocka_unit_test(stability_limit),
      cmocka_unit_test(eigenpairs_of_known_pairs),
      cmocka_unit_test(direct_descent_agrees),
      cmocka_unit_test(minibatches_shrink),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
