/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_ntk_bf16.c  Products of the tangent kernel with factors in bf16, on one
 *  rank: what is rounded, and what they are refused for. */
#include "net_rig.h"
#include "ntk_layers.h"

static const shape_case cases[] = {
    NTK_CONV_3X3,
    /* more than one band of samples, and sizes that no block of the library divides */
    {{.name = "1x1",
      .kind = ES_OP_CONV,
      .in = {37, 5, 5},
      .out = {19, 5, 5},
      .window = {1, 1, 0}},
     140},
    NTK_LINEAR};

/** The caller closes it. Skips the test where no backend has such products here. */
static es_backend *backend_that_multiplies(void) {
  es_backend *b = NULL;
  assert_int_equal(es_backend_open("auto", comm, 1, &b), ES_OK);
  if (b->ops->multiply == NULL || b->lacks_bf16 > 0) {
    es_backend_close(&b);
    skip();
  }
  return b;
}

/** Rounded to bf16, which a factor then is already. */
static void round_all(es_backend *b, int64_t n, float *x) {
  uint16_t *narrow;
  assert_int_equal(ES_NEW(n, &narrow), ES_OK);
  b->ops->narrow(b, (size_t) n, x, narrow);
  for (int64_t i = 0; i < n; i++) {
    const uint32_t wide = (uint32_t) narrow[i] << 16;
    memcpy(&x[i], &wide, sizeof wide);
  }
  es_free(&narrow);
}

/** Largest difference of two kernels of n samples, of the largest entry of the first. */
static double kernels_apart(int n, const double *a, const double *b) {
  double worst = 0, size = 0;
  for (int i = 0; i < n * n; i++) size = fmax(size, fabs(a[i]));
  for (int i = 0; i < n * n; i++) {
    const double apart = fabs(a[i] - b[i]);
    worst = apart <= worst ? worst : apart; /* NaN stays */
  }
  return worst / size;
}

/** Products in bf16 differ from those in single precision by the rounding of factors and
 *  by nothing else. Structured, the factors are what samples keep: with these rounded
 *  before, only the order of sums is left. Contracted, gradients are rounded: 2^-9 each,
 *  at random, of sums of hundreds. */
static void bf16_rounds_factors_alone(void **state) {
  (void) state;
  es_backend *b = backend_that_multiplies();
  for (size_t k = 0; k < 2 * sizeof cases / sizeof *cases; k++) {
    const int n = cases[k / 2].n;
    const bool contracted = k % 2 == 0;
    const es_ntk_layer single = es_ntk_layer_in_form(
        &cases[k / 2].layer, contracted ? ES_NTK_CONTRACTED : ES_NTK_STRUCTURED);
    es_ntk_layer narrow = single;
    const es_ntk_part all = {0, n, 0, n, false};
    float *x, *g;
    double *theta[2];
    narrow.bf16 = b;
    assert_int_equal(ES_NEW(n * single.x_size, &x), ES_OK);
    assert_int_equal(ES_NEW(n * single.g_size, &g), ES_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(ES_NEW(n * n, &theta[i]), ES_OK);
    model_normal(SEED, 7, n * single.x_size, x);
    model_normal(SEED, 8, n * single.g_size, g);
    round_all(b, n * single.x_size, x);
    round_all(b, n * single.g_size, g);
    const es_ntk_block block = {n, x, g};
    assert_int_equal(es_ntk_product(&single, &block, &block, &all, theta[0]), ES_OK);
    assert_int_equal(es_ntk_product(&narrow, &block, &block, &all, theta[1]), ES_OK);
    const double apart = kernels_apart(n, theta[0], theta[1]);
    if (!(contracted ? apart > 1e-6 && apart < 2e-3 : apart < 2e-6))
      fail_msg("%s, form %d: %g apart", single.of.name, single.form, apart);
    for (int i = 0; i < 2; i++) es_free(&theta[i]);
    es_free(&g);
    es_free(&x);
  }
  es_backend_close(&b);
}

/** A backend without them says so. */
static void refused_where_there_are_none(void **state) {
  (void) state;
  es_backend *b = NULL;
  assert_int_equal(es_backend_open("blas", comm, 1, &b), ES_OK);
  assert_int_equal(es_backend_multiplies_bf16(b, "ntk.precision"), ES_ECONFIG);
  es_backend_close(&b);
  b = backend_that_multiplies();
  assert_int_equal(es_backend_multiplies_bf16(b, "ntk.precision"), ES_OK);
  b->lacks_bf16 = 1; /* as if another rank's processor had no bf16 */
  assert_int_equal(es_backend_multiplies_bf16(b, "ntk.precision"), ES_ECONFIG);
  es_backend_close(&b);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bf16_rounds_factors_alone),
      cmocka_unit_test(refused_where_there_are_none),
  };
  return rig_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
