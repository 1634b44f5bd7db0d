/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_symmetric_product.c  A symmetric matrix times some vectors against sums of
 *  products, on every shape of grid: rests of blocks, of panels and of vectors; blocks
 *  above the diagonal are not read.
 *
 *  Tolerance: sums of 2,400 terms below 1 in another order differ by at most 1e-11. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "par.h"
#include "spectrum/symmetric_product.h"

typedef struct shape {
  int n, nb, b;
} shape;

static double element(int i, int j) {
  return i < j ? sin(1.0 + 3 * i + 7 * j) : sin(1.0 + 3 * j + 7 * i);
}

/* NAN in all blocks above the diagonal. */
static double half(void *ctx, int i, int j) {
  const shape *s = ctx;
  return i / s->nb < j / s->nb ? NAN : element(i, j);
}

static double start(int i, int c) {
  return cos(2.0 + 5 * i + 11 * c);
}

/* Row i of the product is right, for some i. */
static bool right(const shape *s, const double *y) {
  bool ok = true;
  for (int i = 0; i < s->n; i += 1 + s->n / 97)
    for (int c = 0; c < s->b; c++) {
      double sum = 0;
      for (int j = 0; j < s->n; j++) sum += element(i, j) * start(j, c);
      ok = ok && fabs(y[(size_t) c * (size_t) s->n + (size_t) i] - sum) < 1e-11;
    }
  return ok;
}

static bool multiplied(const es_grid *g, shape s, int threads) {
  const size_t n = (size_t) s.n, size = (size_t) s.b * n;
  double *x = calloc(size, sizeof *x);
  es_symmetric p = {0};
  es_dmat *a = NULL;
  bool ok = es_dmat_create(g, s.n, s.n, s.nb, &a) == ES_OK;
  es_dmat_fill(a, half, &s);
  ok = es_symmetric_open(a, threads, &p) == ES_OK && ok;
  for (int again = 0; ok && again < 2; again++) {
    for (size_t i = 0; i < size; i++) x[i] = start((int) (i % n), (int) (i / n));
    es_symmetric_product(&p, s.b, x);
    es_comm_sum_f64(g->comm, x, (int64_t) size);
    ok = right(&s, x);
  }
  if (!ok)
    print_message("n = %d, blocks of %d, %d vectors, %d threads\n", s.n, s.nb, s.b,
                  threads);
  es_symmetric_close(&p);
  es_dmat_destroy(&a);
  free(x);
  return ok;
}

static void products(void **state) {
  const es_comm *c = *state;
  static const shape shapes[] = {{1, 1, 1},     {64, 64, 8},  {70, 7, 3},
                                 {200, 16, 12}, {130, 64, 8}, {333, 20, 17},
                                 {500, 64, 32}, {2400, 48, 9}};
  bool ok = true;
  for (int rows = 1; rows <= c->size; rows++) {
    if (c->size % rows != 0) continue;
    es_grid *g = NULL;
    ok = es_grid_create(c, rows, &g) == ES_OK && ok;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
      for (int threads = 1; threads <= 3; threads += 2)
        ok = par_all(c, multiplied(g, shapes[i], threads)) && ok;
    es_grid_destroy(&g);
  }
  assert_true(ok);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(products)};
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
