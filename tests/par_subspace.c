/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_subspace.c  The iterative eigensolver where it iterates: large matrices, few
 *  pairs; decay, no decay, many copies of one eigenvalue, low rank, negative ones; and
 *  sequences of matrices. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/eig.h"
#include "eigenstep/rng.h"
#include "par.h"

enum { N = 700 };

/* H diag(lambda) H with H = I - 2 u u', |u| = 1. */
typedef struct reflected {
  double lambda[N], u[N], p[N];
} reflected;

static double entry(void *ctx, int i, int j) {
  const reflected *r = ctx;
  return (i == j ? r->lambda[i] : 0) - 2 * (r->u[i] * r->p[j] + r->p[i] * r->u[j]);
}

static double chosen(int which, int i) {
  switch (which) {
  case 0:
    return 3 / pow(i + 1, 1.5); /* decay */
  case 1:
    return i < 30 ? 5 : 1.0 / (i + 1); /* more copies than a block has vectors */
  case 2:
    return i < 5 ? 5 - i : 0; /* low rank */
  case 3:
    return i < N - 3 ? 1.0 / (i + 1) : -7; /* the largest in size are negative */
  case 4:
    return 1; /* the identity */
  case 5:
    return i < 45 ? 5 : 1.0 / (i + 1); /* more copies than the widest block has */
  case 6:
    return i < 20 ? 5 : i < 48 ? 4 : 1.0 / (i + 1); /* two clusters */
  default:
    return 2 - (double) i / N; /* no gap: must fall back and still be right */
  }
}

static void prepare(int which, reflected *r) {
  es_rng g = es_rng_at(2, ES_STREAM_TEST, 0, 0);
  double norm = 0, middle = 0;
  for (int i = 0; i < N; i++) {
    r->lambda[i] = chosen(which, i);
    r->u[i] = es_rng_normal(&g);
    norm += r->u[i] * r->u[i];
  }
  for (int i = 0; i < N; i++) r->u[i] /= sqrt(norm);
  for (int i = 0; i < N; i++) middle += r->lambda[i] * r->u[i] * r->u[i];
  for (int i = 0; i < N; i++) r->p[i] = (r->lambda[i] - middle) * r->u[i];
}

static bool solved(const es_grid *g, int which, int k) {
  static reflected r;
  es_dmat *a = NULL;
  es_eigen *e = NULL;
  prepare(which, &r);
  if (es_dmat_create(g, N, N, 0, &a) != ES_OK) return false;
  es_dmat_fill(a, entry, &r);
  bool ok = es_eig_solve("subspace", a, k, &e) == ES_OK;
  for (int i = 0; ok && i < k; i++)
    ok = fabs(e->value[i] - r.lambda[i]) < 1e-12 * fmax(r.lambda[0], 7);
  ok = ok && e->residual < 1e-12 && e->orthogonality < 1e-11;
  if (!ok) print_message("spectrum %d, %d pairs\n", which, k);
  es_eig_destroy(&e);
  es_dmat_destroy(&a);
  return ok;
}

static void leading_pairs(void **state) {
  const es_comm *c = *state;
  const int pairs[] = {7, 50};
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  for (int which = 0; which < 8; which++)
    for (int i = 0; i < 2; i++) ok = par_all(c, solved(g, which, pairs[i])) && ok;
  es_grid_destroy(&g);
  assert_true(ok);
}

/* A sequence: it drifts, stays, jumps to other vectors, and at last an eigenvalue that
   was small rises among the leading ones while all vectors stay: the start holds nothing
   of it. */
static void change(int t, reflected *r) {
  enum { LATE = 600 };
  es_rng g = es_rng_at(3, ES_STREAM_TEST, (uint64_t) t, 0);
  const double by = t == 1 || t == 2 ? 1e-3 : t == 4 ? 1 : 0;
  double norm = 0, middle = 0;
  if (t == 5) r->lambda[LATE] = 1.005 * r->lambda[49];
  for (int i = 0; i < N; i++) r->u[i] += by * es_rng_normal(&g) / sqrt(N);
  for (int i = 0; i < N; i++) norm += r->u[i] * r->u[i];
  for (int i = 0; i < N; i++) r->u[i] /= sqrt(norm);
  for (int i = 0; i < N; i++) middle += r->lambda[i] * r->u[i] * r->u[i];
  for (int i = 0; i < N; i++) r->p[i] = (r->lambda[i] - middle) * r->u[i];
}

static int falling(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x < y) - (x > y);
}

/* As accurate as from a random start, whatever the change. */
static bool follows(const es_grid *g, int which, int k) {
  static reflected r;
  es_eigen *last = NULL;
  bool ok = true;
  prepare(which, &r);
  for (int t = 0; ok && t < 6; t++) {
    es_dmat *a = NULL;
    es_eigen *e = NULL;
    double want[N];
    change(t, &r);
    memcpy(want, r.lambda, sizeof want);
    qsort(want, N, sizeof *want, falling);
    if (es_dmat_create(g, N, N, 0, &a) != ES_OK) return false;
    es_dmat_fill(a, entry, &r);
    ok = es_eig_solve_warm("subspace", a, k, last, &e) == ES_OK;
    for (int i = 0; ok && i < k; i++) ok = fabs(e->value[i] - want[i]) < 1e-12 * want[0];
    ok = ok && e->residual < 1e-12 && e->orthogonality < 1e-11;
    if (!ok) print_message("spectrum %d, %d pairs, matrix %d\n", which, k, t);
    es_eig_destroy(&last);
    last = e;
    es_dmat_destroy(&a);
  }
  es_eig_destroy(&last);
  return ok;
}

static void a_sequence_is_followed(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  for (int which = 0; which < 3; which++)
    ok = par_all(c, follows(g, which, which == 2 ? 5 : 50)) && ok;
  es_grid_destroy(&g);
  assert_true(ok);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(leading_pairs),
                                     cmocka_unit_test(a_sequence_is_followed)};
  return par_main(argc, argv, tests, 2);
}
