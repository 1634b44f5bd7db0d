/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_dmat.c  Distributed matrices: layout, filling, redistribution and products
 *  against loops over the gathered matrices, on every shape of grid. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/dmat.h"
#include "eigenstep/rng.h"
#include "par.h"

static double value(void *ctx, int i, int j) {
  const double shift = ctx ? *(double *) ctx : 0;
  return sin(1.0 + 3 * i + 7 * j + shift);
}

static double *whole(const es_dmat *a) {
  double *full = calloc((size_t) a->m * (size_t) a->n, sizeof *full);
  if (es_dmat_gather(a, full) != ES_OK) full[0] = NAN;
  return full;
}

static es_dmat *filled(const es_grid *g, int m, int n, int nb, double shift) {
  es_dmat *a = NULL;
  if (es_dmat_create(g, m, n, nb, &a) != ES_OK) abort();
  es_dmat_fill(a, value, &shift);
  return a;
}

static double gap(const double *a, const double *b, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++) {
    const double d = fabs(a[i] - b[i]);
    if (!(d <= most)) most = d;
  }
  return most;
}

/* c[m,n] = alpha a' b + beta c with a [k,m], b [k,n]. */
static void product(int m, int n, int k, double alpha, const double *a, const double *b,
                    double beta, double *c) {
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      double sum = 0;
      for (int l = 0; l < k; l++) sum += a[l * m + i] * b[l * n + j];
      c[i * n + j] = alpha * sum + beta * c[i * n + j];
    }
}

static bool layout_at(const es_grid *g, int m, int n, int nb) {
  es_dmat *a = filled(g, m, n, nb, 0);
  int64_t mine = (int64_t) a->lm * a->ln, most = mine;
  es_comm_sum_i64(g->comm, &mine, 1);
  es_comm_max_i64(g->comm, &most, 1);
  bool ok = mine == (int64_t) m * n && a->lld >= 1 && a->a != NULL;
  ok = ok && es_dmat_bytes(g->rows, g->cols, m, n, nb) == most * 8;
  double *full = whole(a), squares = 0, trace = 0;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      const double x = full[i * n + j];
      ok = ok && x == value(NULL, i, j);
      squares += x * x;
      trace += i == j ? x : 0;
    }
  ok = ok && fabs(es_dmat_norm(a) - sqrt(squares)) <= 1e-13 * sqrt(squares);
  ok = ok && fabs(es_dmat_trace(a) - trace) <= 1e-12;
  free(full);
  es_dmat_destroy(&a);
  return ok;
}

static void layout_on_every_grid(void **state) {
  const es_comm *c = *state;
  const int sizes[] = {1, 2, 7, 64, 130};
  bool ok = true;
  for (int rows = 1; rows <= c->size; rows++) {
    if (c->size % rows) continue;
    es_grid *g = NULL;
    ok = es_grid_create(c, rows, &g) == ES_OK && ok;
    ok = ok && g->rows == rows && g->rows * g->cols == c->size;
    for (int s = 0; s < 5; s++)
      for (int nb = 0; nb <= 3; nb++) ok = layout_at(g, sizes[s], sizes[4 - s], nb) && ok;
    es_grid_destroy(&g);
  }
  assert_true(par_all(c, ok));
}

static void grid_is_nearly_square(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK && g->rows <= g->cols;
  for (int p = g->rows + 1; p * p <= c->size; p++) ok = ok && c->size % p != 0;
  es_grid *none = NULL;
  ok = es_grid_create(c, c->size + 1, &none) == ES_EARG && !none && ok;
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

static void extreme_norms(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  es_dmat *a = filled(g, 20, 20, 0, 0);
  const double norm = es_dmat_norm(a), scales[] = {1e-200, 1e200, 0};
  for (int s = 0; s < 3; s++) {
    es_dmat_fill(a, value, NULL);
    for (size_t i = 0; i < (size_t) a->lm * (size_t) a->ln; i++) a->a[i] *= scales[s];
    const double got = es_dmat_norm(a);
    ok = ok && fabs(got - norm * scales[s]) <= 1e-13 * norm * scales[s];
  }
  es_dmat_destroy(&a);
  ok = es_dmat_create(g, 0, 3, 0, &a) == ES_EARG && !a && ok;
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

/* Rank r brings its own number of rows; row i of rank r holds 100 r + i + j / 1000. */
static bool rows_at(const es_grid *g, const int64_t *count, int n) {
  const int rank = g->comm->rank;
  int64_t most = 1;
  for (int r = 0; r < g->comm->size; r++) most = count[r] > most ? count[r] : most;
  double *x = calloc((size_t) (count[rank] * n + 1), sizeof *x);
  for (int64_t i = 0; i < count[rank]; i++)
    for (int j = 0; j < n; j++) x[i * n + j] = 100 * rank + (double) i + j / 1000.0;
  es_dmat *z = NULL;
  bool ok = es_dmat_from_rows(g, count[rank] ? x : NULL, count[rank], n, &z) == ES_OK;
  ok = ok && z->m == (int) most * g->comm->size && z->n == n;
  double *full = whole(z);
  for (int i = 0; i < z->m; i++)
    for (int j = 0; j < n; j++) {
      const int r = i / (int) most, k = i % (int) most;
      const double want = k < count[r] ? 100 * r + k + j / 1000.0 : 0;
      ok = ok && full[i * n + j] == want;
    }
  free(full);
  free(x);
  es_dmat_destroy(&z);
  return ok;
}

static void rows_spread_unevenly(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  const int64_t counts[][4] = {
      {5, 5, 5, 5}, {7, 0, 3, 1}, {0, 0, 0, 0}, {0, 2, 90, 1}, {1, 0, 0, 0}};
  for (int k = 0; k < 5; k++) {
    ok = rows_at(g, counts[k], 1) && ok;
    ok = rows_at(g, counts[k], 13) && ok;
    ok = rows_at(g, counts[k], 70) && ok;
  }
  if (c->size > 1) {
    es_dmat *z = NULL;
    const double x[3] = {0};
    const int width = c->rank == 0 ? 2 : 3;
    ok = es_dmat_from_rows(g, x, 1, width, &z) == ES_EARG && !z && ok;
  }
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

static void copy_between_grids(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL, *h = NULL;
  bool ok = es_grid_create(c, 1, &g) == ES_OK && es_grid_create(c, c->size, &h) == ES_OK;
  const int sizes[][2] = {{1, 1}, {2, 5}, {33, 7}, {100, 100}};
  for (int s = 0; s < 4; s++) {
    const int m = sizes[s][0], n = sizes[s][1];
    es_dmat *a = filled(g, m, n, 5, 0.25), *b = NULL, *wrong = NULL;
    ok = es_dmat_create(h, m, n, 0, &b) == ES_OK && es_dmat_copy(a, b) == ES_OK && ok;
    double *x = whole(a), *y = whole(b);
    ok = ok && gap(x, y, (int64_t) m * n) == 0;
    free(y);
    for (int64_t most = 1; most <= 300 && m * n < 3 * 300; most = 5 * most + 2) {
      for (size_t i = 0; i < (size_t) b->lld * (size_t) b->ln; i++) b->a[i] = -1;
      ok = es_dmat_copy_pieces(a, b, most) == ES_OK && ok;
      y = whole(b);
      ok = ok && gap(x, y, (int64_t) m * n) == 0;
      free(y);
    }
    y = NULL;
    ok = es_dmat_create(h, m, n + 1, 0, &wrong) == ES_OK && ok;
    ok = es_dmat_copy(a, wrong) == ES_EARG && ok;
    free(x);
    free(y);
    es_dmat_destroy(&a);
    es_dmat_destroy(&b);
    es_dmat_destroy(&wrong);
  }
  es_grid_destroy(&g);
  es_grid_destroy(&h);
  assert_true(par_all(c, ok));
}

/** Largest entry of Q'Q - I and of Q R - A, and of R below its diagonal. */
static bool factors_at(const es_grid *g, int m, int n) {
  es_dmat *a = filled(g, m, n, 0, 0.25), *b = filled(g, m, n, 0, 0.25);
  es_dmat *q = NULL, *r = NULL, *qq = NULL, *t = NULL;
  for (int j = 0; j < a->ln; j++) /* columns of very unequal length */
    for (int i = 0; i < a->lm; i++)
      a->a[(size_t) j * (size_t) a->lld + (size_t) i] *= pow(0.5, es_dmat_col(a, j));
  memcpy(b->a, a->a, sizeof *a->a * (size_t) a->lld * (size_t) a->ln);
  bool ok = es_dmat_qr(a, &q, &r) == ES_OK && q->n == r->m && q->n == (m < n ? m : n);
  ok = ok && es_dmat_create(g, q->n, q->n, 0, &qq) == ES_OK;
  ok = ok && es_dmat_gemm("TN", 1, q, q, 0, qq) == ES_OK;
  ok = ok && es_dmat_gemm("NN", 1, q, r, -1, b) == ES_OK;
  double worst = es_dmat_norm(b), low = 0;
  for (int j = 0; ok && j < qq->ln; j++)
    for (int i = 0; i < qq->lm; i++)
      worst = fmax(worst, fabs(qq->a[(size_t) j * (size_t) qq->lld + (size_t) i] -
                               (es_dmat_row(qq, i) == es_dmat_col(qq, j))));
  ok = ok && es_dmat_transpose(r, &t) == ES_OK && t->m == r->n && t->n == r->m;
  for (int j = 0; ok && j < t->ln; j++)
    for (int i = 0; i < t->lm; i++)
      if (es_dmat_row(t, i) < es_dmat_col(t, j))
        low = fmax(low, fabs(t->a[(size_t) j * (size_t) t->lld + (size_t) i]));
  es_dmat *all[] = {a, b, q, r, qq, t};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) es_dmat_destroy(&all[i]);
  return ok && worst < 1e-12 && low == 0;
}

static void qr_factors_are_orthogonal(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  const int sizes[][2] = {{1, 1}, {7, 3}, {3, 7}, {60, 25}, {25, 60}, {130, 130}};
  for (int s = 0; s < 6; s++) ok = factors_at(g, sizes[s][0], sizes[s][1]) && ok;
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

static bool products_at(const es_grid *g, int k, int n) {
  es_dmat *a = filled(g, k, n, 0, 0), *b = filled(g, k, n, 0, 0.5);
  es_dmat *c = filled(g, n, n, 0, 0), *sym = filled(g, n, n, 0, 0);
  double *fa = whole(a), *fb = whole(b), *fc = whole(c), *fs = NULL;
  /* C must be symmetric on entry for the symmetric updates. */
  bool ok = es_dmat_syrk(0.5, a, 0, sym) == ES_OK;
  fs = calloc((size_t) n * (size_t) n, sizeof *fs);
  product(n, n, k, 0.5, fa, fa, 0, fs);
  ok = es_dmat_syrk(2, b, -1, sym) == ES_OK && ok;
  product(n, n, k, 2, fb, fb, -1, fs);
  ok = es_dmat_syr2k(0.25, a, b, 3, sym) == ES_OK && ok;
  product(n, n, k, 0.25, fa, fb, 3, fs);
  product(n, n, k, 0.25, fb, fa, 1, fs);
  double *got = whole(sym);
  ok = ok && gap(got, fs, (int64_t) n * n) <= 1e-13 * (k + 1);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) ok = ok && got[i * n + j] == got[j * n + i];
  free(got);
  ok = es_dmat_gemm("TN", 1.5, a, b, 0.5, c) == ES_OK && ok;
  product(n, n, k, 1.5, fa, fb, 0.5, fc);
  got = whole(c);
  ok = ok && gap(got, fc, (int64_t) n * n) <= 1e-13 * (k + 1);
  free(got);
  free(fa);
  free(fb);
  free(fc);
  free(fs);
  es_dmat_destroy(&a);
  es_dmat_destroy(&b);
  es_dmat_destroy(&c);
  es_dmat_destroy(&sym);
  return ok;
}

static void products_match_loops(void **state) {
  const es_comm *c = *state;
  bool ok = true;
  for (int rows = 1; rows <= c->size; rows++) {
    es_grid *g = NULL;
    if (c->size % rows) continue;
    ok = es_grid_create(c, rows, &g) == ES_OK && ok;
    ok = products_at(g, 1, 1) && ok;
    ok = products_at(g, 3, 2) && ok;
    ok = products_at(g, 2, 7) && ok;
    ok = products_at(g, 150, 40) && ok;
    ok = products_at(g, 20, 131) && ok;
    es_grid_destroy(&g);
  }
  assert_true(par_all(c, ok));
}

/* A (A's first 5 columns)': the view must act as a matrix of 5 columns. */
static void view_of_first_columns(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  const int n = 12, k = 5;
  es_dmat *a = filled(g, n, n, 2, 0), *out = NULL;
  const es_dmat first = es_dmat_first_cols(a, k);
  ok = es_dmat_create(g, k, k, 0, &out) == ES_OK && ok;
  ok = es_dmat_gemm("TN", 1, &first, &first, 0, out) == ES_OK && ok;
  double *full = whole(a), *got = whole(out), want;
  for (int i = 0; i < k; i++)
    for (int j = 0; j < k; j++) {
      want = 0;
      for (int l = 0; l < n; l++) want += full[l * n + i] * full[l * n + j];
      ok = ok && fabs(got[i * k + j] - want) <= 1e-13;
    }
  ok = es_dmat_gemm("NN", 1, a, out, 0, out) == ES_EARG && ok;
  free(full);
  free(got);
  es_dmat_destroy(&a);
  es_dmat_destroy(&out);
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(layout_on_every_grid), cmocka_unit_test(grid_is_nearly_square),
      cmocka_unit_test(extreme_norms),        cmocka_unit_test(rows_spread_unevenly),
      cmocka_unit_test(copy_between_grids),   cmocka_unit_test(qr_factors_are_orthogonal),
      cmocka_unit_test(products_match_loops), cmocka_unit_test(view_of_first_columns),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
