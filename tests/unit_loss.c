/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_loss.c  Losses: known values, gradients against finite differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "eigenstep/mem.h"
#include "data/loss_reference.h"

enum { N = 7, D = 4, ND = N * D };

static es_comm *comm; /* cmocka passes nothing else into a test */

static es_loss *make(const loss_case *k, int n, int d) {
  es_loss *l = loss_of(k, comm, n, n, d);
  assert_non_null(l);
  return l;
}

static double value_of(es_loss *l, int n, const double *z1, const double *z2) {
  double value = NAN;
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = n, .z = {z1, z2}, .dz = {NULL, NULL}},
                   &value),
      ES_OK);
  return value;
}

/** Largest difference of the gradient from central differences, over its largest entry.
 *  opposed: the views have opposite signs in the first coordinate. */
static double gradient_error(es_loss *l, bool opposed) {
  double z[2 * ND], g[2 * ND], value, worst = 0, top = 0;
  loss_views(5, N, D, z, z + ND);
  for (int i = 0; i < N && opposed; i++) z[i * D] = -z[ND + i * D];
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = N, .z = {z, z + ND}, .dz = {g, g + ND}},
                   &value),
      ES_OK);
  const double h = 1e-4;
  for (int i = 0; i < 2 * ND; i++) {
    const double old = z[i];
    double f[4]; /* fourth order: the error is rounding, h^4 is below it */
    for (int k = 0; k < 4; k++) {
      z[i] = old + h * (k < 2 ? k - 2 : k - 1);
      f[k] = value_of(l, N, z, z + ND);
    }
    z[i] = old;
    const double slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h);
    worst = worse(worst, fabs(slope - g[i]));
    top = fmax(top, fabs(g[i]));
  }
  return worst / top;
}

static void gradients_match_differences(void **state) {
  (void) state;
  for (int k = 0; k < LOSS_CASES; k++) {
    es_loss *l = make(&loss_cases[k], N, D);
    const double error = l->ops->stop_gradient ? 0 : gradient_error(l, false);
    if (!(error < 1e-9)) fail_msg("case %d: relative error %g", k, error);
    es_loss_destroy(&l);
  }
}

static void every_registered_loss_has_a_case_and_a_gradient(void **state) {
  (void) state;
  const es_loss_ops *const *list;
  const size_t n = es_loss_list(&list);
  assert_true(n >= 1);
  for (size_t i = 0; i < n; i++) {
    const loss_case defaults = {list[i]->name, {NULL}};
    es_loss *l = make(&defaults, N, D);
    const double error = gradient_error(l, false);
    assert_true(l->ops->stop_gradient ? error > 1e-3 : error < 1e-7);
    es_loss_destroy(&l);
    int cases = 0;
    for (int k = 0; k < LOSS_CASES; k++)
      cases += strcmp(loss_cases[k].name, list[i]->name) == 0;
    if (cases == 0) fail_msg("loss %s has no line in tests/loss_cases.h", list[i]->name);
    assert_non_null(list[i]->doc);
  }
}

/** A gradient that is not the value's slope has nothing but the reference to check it. */
static void stopped_gradients_have_a_reference(void **state) {
  (void) state;
  const es_loss_ops *const *list;
  const size_t n = es_loss_list(&list);
  for (size_t i = 0; i < n; i++) {
    int cases = 0;
    for (size_t c = 0; c < sizeof loss_references / sizeof loss_references[0]; c++)
      cases += strcmp(loss_references[c].k.name, list[i]->name) == 0;
    if (list[i]->stop_gradient && cases == 0)
      fail_msg("loss %s has no values in tests/data/gen_losses.py", list[i]->name);
  }
}

/** Two pairs of width 2. */
static void barlow_value_by_hand(void **state) {
  (void) state;
  const double z1[] = {1, 2, 3, 1}, z2[] = {1, 0, 3, 2};
  /* z1' z2 / 2: c00 = (1 + 9)/2 = 5, c01 = (0 + 6)/2 = 3, c10 = (2 + 3)/2 = 2.5,
   * c11 = (0 + 2)/2 = 1 */
  const loss_case plain = {"barlow", {"symmetrize=false", "offdiag=0.5"}};
  const loss_case symmetric = {"barlow", {"scale=2"}};
  es_loss *l = make(&plain, 2, 2);
  assert_true(fabs(value_of(l, 2, z1, z2) - (16 + 0 + 0.5 * (9 + 6.25))) < 1e-12);
  es_loss_destroy(&l);
  l = make(&symmetric, 2, 2);
  const double off = (3 + 2.5) / 2;
  assert_true(fabs(value_of(l, 2, z1, z2) - 2 * (16 + 2 * off * off)) < 1e-12);
  es_loss_destroy(&l);
}

/** Whitened equal views have C = I: no loss, no gradient. */
static void barlow_vanishes_at_the_identity(void **state) {
  (void) state;
  const double z[] = {1, 1, 1, -1, -1, 1, -1, -1}; /* 4 pairs, mean 0, covariance I */
  const loss_case kinds[] = {{"barlow", {NULL}}, {"barlow", {"center=true"}}};
  for (int k = 0; k < 2; k++) {
    double value, g1[8], g2[8];
    es_loss *l = make(&kinds[k], 4, 2);
    assert_int_equal(
        es_loss_eval(l, &(es_loss_batch){.n = 4, .z = {z, z}, .dz = {g1, g2}}, &value),
        ES_OK);
    assert_true(fabs(value) < 1e-15);
    for (int i = 0; i < 8; i++) assert_true(fabs(g1[i]) + fabs(g2[i]) < 1e-15);
    es_loss_destroy(&l);
  }
}

/** Mean and width of a coordinate are invisible behind batch normalisation. */
static void barlow_batch_is_invariant(void **state) {
  (void) state;
  const loss_case batch = {"barlow", {"normalize=batch"}};
  double z[2 * ND];
  loss_views(9, N, D, z, z + ND);
  for (int i = 0; i < ND; i++) z[i] *= 1e3; /* so that eps = 1e-5 is small */
  es_loss *l = make(&batch, N, D);
  const double before = value_of(l, N, z, z + ND);
  for (int i = 0; i < ND; i++) z[i] = 3 * z[i] + 100;
  const double after = value_of(l, N, z, z + ND);
  assert_true(fabs(after - before) < 1e-8 * before);
  es_loss_destroy(&l);
}

/** C = diag(-1/2, 1) in two pairs; where the views oppose one another the gradient is
 *  that of the straight line. */
static void barlow_logdet_below_zero(void **state) {
  (void) state;
  const double z1[] = {1, 0, 0, 1}, z2[] = {-1, 0, 0, 2};
  const loss_case k = {"barlow_logdet", {"eps=0.2"}};
  es_loss *l = make(&k, 2, 2);
  const double expected = -0.5 * (1 - 1 / 0.2) - log(0.2) + 1 - log(1 + 0.2);
  assert_true(fabs(value_of(l, 2, z1, z2) - expected) < 1e-14);
  es_loss_destroy(&l);
  l = make(&k, N, D);
  assert_true(gradient_error(l, true) < 1e-9);
  es_loss_destroy(&l);
}

/** The sum over negatives written out: view 1 of one sample with view 2 of another. */
static void spectral_value_by_hand(void **state) {
  (void) state;
  const double z1[] = {1, 2, 3, 1}, z2[] = {1, 0, 3, 2};
  /* positives 1 and 11; negatives z1_0 z2_1 = 7, z1_1 z2_0 = 3 */
  const loss_case k = {"spectral", {NULL}};
  es_loss *l = make(&k, 2, 2);
  assert_true(fabs(value_of(l, 2, z1, z2) - (-2 * 6 + (49 + 9) / 2.0)) < 1e-12);
  es_loss_destroy(&l);
}

/** Whitening undoes any linear map of a view. */
static void wmse_sees_no_linear_map(void **state) {
  (void) state;
  const loss_case k = {"wmse", {NULL}};
  double z[2 * ND];
  loss_views(9, N, D, z, z + ND);
  es_loss *l = make(&k, N, D);
  const double before = value_of(l, N, z, z + ND);
  for (int i = 0; i < N; i++) { /* by a lower triangle: Cholesky's rotation stays */
    double *const row = z + i * D;
    for (int j = D - 1; j > 0; j--) row[j] = 3 * row[j] - 2 * row[j - 1] + j;
    row[0] = 5 * row[0] + 1;
  }
  assert_true(fabs(value_of(l, N, z, z + ND) - before) < 1e-11 * before);
  es_loss_destroy(&l);
}

/** Equal coordinates cannot be told apart by a covariance. */
static void singular_covariances_are_one_sentence(void **state) {
  (void) state;
  const loss_case k = {"wmse", {NULL}}, regular = {"wmse", {"eps=0.01"}};
  double z[2 * ND], value = 42;
  loss_views(9, N, D, z, z + ND);
  for (int i = 0; i < 2 * N; i++) z[i * D + 1] = z[i * D];
  es_loss *l = make(&k, N, D);
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = N, .z = {z, z + ND}, .dz = {NULL, NULL}},
                   &value),
      ES_EMATH);
  assert_true(value == 42);
  assert_non_null(strstr(es_log_last_error(), "singular"));
  es_loss_destroy(&l);
  l = make(&regular, N, D);
  assert_true(isfinite(value_of(l, N, z, z + ND)));
  es_loss_destroy(&l);
}

/** The formulas of data/gen_losses.py. */
static double field(int i, int j, double a, double b, double c) {
  return sin(a + b * i + c * j + 0.37 * i * (j + 1));
}

static void reference_views(int n, double *z1, double *z2) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j < REFERENCE_DIM; j++) {
      const int ij = i * REFERENCE_DIM + j;
      const double width = 0.4 + 0.5 * j;
      z1[ij] = width * field(i, j, 1, 0.7, 1.3) + 0.2;
      z2[ij] = 0.8 * z1[ij] + 0.3 * width * field(i, j, 2, 0.9, 0.5);
    }
}

static double projection(int n, int k, const double *dz) {
  double sum = 0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < REFERENCE_DIM; j++)
      sum += dz[i * REFERENCE_DIM + j] * field(i, j, k, 1.1 * k, 0.6);
  return sum;
}

static void losses_agree_with_pytorch(void **state) {
  (void) state;
  enum { MOST = 150 * REFERENCE_DIM };
  static double z[2][MOST], dz[2][MOST];
  for (size_t c = 0; c < sizeof loss_references / sizeof loss_references[0]; c++) {
    const loss_reference *const r = &loss_references[c];
    double value, worst;
    es_loss *l = make(&r->k, r->n, REFERENCE_DIM);
    reference_views(r->n, z[0], z[1]);
    assert_int_equal(
        es_loss_eval(l,
                     &(es_loss_batch){.n = r->n, .z = {z[0], z[1]}, .dz = {dz[0], dz[1]}},
                     &value),
        ES_OK);
    worst = fabs(value - r->value) / r->value;
    for (int a = 0; a < 2; a++)
      for (int k = 0; k < 3; k++)
        worst = worse(worst, fabs(projection(r->n, k, dz[a]) - r->dz[a][k]) /
                                 (1e-2 + fabs(r->dz[a][k])));
    if (!(worst < 1e-12)) fail_msg("reference %zu (%s): %g", c, r->k.name, worst);
    es_loss_destroy(&l);
  }
}

/** Embeddings that all fall on a point leave 2N - 1 equal candidates; opposite ones far
 *  apart neither overflow nor lose the loss. */
static void simclr_start_and_extremes(void **state) {
  (void) state;
  const loss_case cosine = {"simclr", {NULL}}, dot = {"simclr", {"normalize=false"}},
                  cold = {"simclr", {"temperature=1e-4"}};
  const loss_case *const same[] = {&cosine, &dot, &cold};
  double z[ND], g1[ND], g2[ND], value;
  for (int i = 0; i < ND; i++) z[i] = 1e3 * (i % D + 1);
  for (int k = 0; k < 3; k++) {
    es_loss *l = make(same[k], N, D);
    assert_true(fabs(value_of(l, N, z, z) - log(2 * N - 1)) < 1e-6);
    es_loss_destroy(&l);
  }
  es_loss *l = make(&dot, 2, 2);
  const double x1[] = {1e3, 0, 0, 1e3}, x2[] = {0, 1e3, 1e3, 0}; /* partners swapped */
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = 2, .z = {x1, x2}, .dz = {g1, g2}}, &value),
      ES_OK);
  assert_true(fabs(value - 1e6 / 0.5) < 1e-3);
  for (int i = 0; i < 4; i++) assert_true(isfinite(g1[i]) && isfinite(g2[i]));
  es_loss_destroy(&l);
}

/** Only directions matter on the sphere; a zero embedding has none, and no NaN. */
static void simclr_sees_directions(void **state) {
  (void) state;
  const loss_case cosine = {"simclr", {NULL}};
  double z[2 * ND], g[2 * ND], value;
  loss_views(9, N, D, z, z + ND);
  es_loss *l = make(&cosine, N, D);
  const double before = value_of(l, N, z, z + ND);
  for (int i = 0; i < 2 * ND; i++) z[i] *= 1 + i / D; /* each row by its own factor */
  assert_true(fabs(value_of(l, N, z, z + ND) - before) < 1e-13);
  memset(z, 0, D * sizeof *z);
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = N, .z = {z, z + ND}, .dz = {g, g + ND}},
                   &value),
      ES_OK);
  assert_true(isfinite(value));
  for (int i = 0; i < 2 * ND; i++) assert_true(isfinite(g[i]));
  es_loss_destroy(&l);
}

static void barlow_says_what_c_it_uses(void **state) {
  (void) state;
  const struct {
    loss_case k;
    bool center, normalize;
  } table[] = {{{"barlow", {NULL}}, false, false},
               {{"barlow", {"center=true"}}, true, false},
               {{"barlow", {"normalize=batch"}}, true, true}};
  for (int i = 0; i < 3; i++) {
    es_loss *l = make(&table[i].k, N, D);
    const es_loss_modes m = es_loss_modes_of(l);
    assert_true(m.center == table[i].center && m.normalize == table[i].normalize);
    es_loss_destroy(&l);
  }
}

static void refused(const loss_case *k, int64_t pairs, const char *word) {
  assert_null(loss_of(k, comm, N, pairs, D));
  assert_non_null(strstr(es_log_last_error(), word));
}

static void settings_without_meaning_are_refused(void **state) {
  (void) state;
  const loss_case cold = {"simclr", {"temperature=0"}}, wide = {"wmse", {NULL}};
  refused(&cold, N, "temperature");
  refused(&wide, D, "no inverse");
  const loss_case nothing = {"barlow", {"scale=0"}};
  refused(&nothing, N, "loss.barlow.scale");
  const loss_case centred[] = {{"barlow", {"normalize=batch"}},
                               {"barlow", {"center=true"}},
                               {"barlow_logdet", {"center=true"}}};
  for (int k = 0; k < 3; k++) refused(&centred[k], 1, "1 pair");
  const loss_case several[] = {{"vicreg", {NULL}},
                               {"simclr", {NULL}},
                               {"spectral", {NULL}},
                               {"wmse", {NULL}},
                               {"corinfomax", {NULL}}};
  for (int k = 0; k < 5; k++) {
    double z[D] = {0}, value;
    refused(&several[k], 1, "1 pair");
    es_loss *l = make(&several[k], N, D);
    assert_int_equal(
        es_loss_eval(l, &(es_loss_batch){.n = 1, .z = {z, z}, .dz = {NULL, NULL}},
                     &value),
        ES_EARG);
    es_loss_destroy(&l);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_match_differences),
      cmocka_unit_test(every_registered_loss_has_a_case_and_a_gradient),
      cmocka_unit_test(stopped_gradients_have_a_reference),
      cmocka_unit_test(barlow_value_by_hand),
      cmocka_unit_test(barlow_vanishes_at_the_identity),
      cmocka_unit_test(barlow_batch_is_invariant),
      cmocka_unit_test(barlow_logdet_below_zero),
      cmocka_unit_test(spectral_value_by_hand),
      cmocka_unit_test(wmse_sees_no_linear_map),
      cmocka_unit_test(singular_covariances_are_one_sentence),
      cmocka_unit_test(losses_agree_with_pytorch),
      cmocka_unit_test(simclr_start_and_extremes),
      cmocka_unit_test(simclr_sees_directions),
      cmocka_unit_test(barlow_says_what_c_it_uses),
      cmocka_unit_test(settings_without_meaning_are_refused),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
