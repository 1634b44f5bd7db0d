/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_thin_product.c  A large matrix times a few vectors, against sums of
 *  products in their order: rests of rows, columns and vectors; factors; what C held.
 *
 *  Tolerance: sums of 700 terms below 1 in another order differ by at most 1e-12. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "spectrum/thin_product.h"

static double *numbers(int64_t n, uint64_t stream) {
  double *x = NULL;
  assert_int_equal(ES_NEW(n, &x), ES_OK);
  es_rng g = es_rng_at(3, ES_STREAM_TEST, stream, 0);
  for (int64_t i = 0; i < n; i++) x[i] = 2 * es_rng_uniform(&g) - 1;
  return x;
}

static void compare(int m, int n, int k, double alpha, double beta) {
  const int lda = m + 3, ldb = k + 1, ldc = m + 2;
  double *a = numbers((int64_t) lda * k, 0), *b = numbers((int64_t) ldb * n, 1);
  double *c = numbers((int64_t) ldc * n, 2), *was = numbers((int64_t) ldc * n, 2);
  for (int64_t i = 0; i < (int64_t) ldc * n && beta == 0; i++) c[i] = NAN;
  es_thin_product(&(es_product){'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc});
  for (int j = 0; j < n; j++)
    for (int i = 0; i < m; i++) {
      double sum = 0;
      for (int l = 0; l < k; l++)
        sum += a[(int64_t) l * lda + i] * b[(int64_t) j * ldb + l];
      const double want = alpha * sum + beta * was[(int64_t) j * ldc + i];
      assert_true(fabs(c[(int64_t) j * ldc + i] - want) < 1e-12);
    }
  for (int j = 0; j < n && beta != 0; j++) /* between the columns */
    for (int i = m; i < ldc; i++)
      assert_true(c[(int64_t) j * ldc + i] == was[(int64_t) j * ldc + i]);
  es_free(&a);
  es_free(&b);
  es_free(&c);
  es_free(&was);
}

static void products(void **state) {
  (void) state;
  static const int sizes[][3] = {{1, 1, 1},     {7, 3, 15},     {2048, 16, 16},
                                 {2048, 8, 48}, {1030, 17, 33}, {2055, 32, 700},
                                 {64, 5, 0}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int kind = 0; kind < 3; kind++)
      compare(sizes[i][0], sizes[i][1], sizes[i][2], kind == 0 ? 1 : -0.5,
              kind == 2 ? 2 : 0);
}

/** Only large ones are taken, with few vectors. */
static void choice(void **state) {
  (void) state;
  es_product p = {.ta = 'N', .m = 6000, .n = 9, .k = 700};
  print_message("a large matrix is %scopied\n", es_thin_pays(&p) ? "not " : "");
  p.n = 64;
  assert_false(es_thin_pays(&p));
  p.n = 9;
  p.m = 60;
  assert_false(es_thin_pays(&p));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(products),
                                     cmocka_unit_test(choice)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
