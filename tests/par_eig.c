/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_eig.c  Every registered eigensolver against spectra known in advance:
 *  the tridiagonal Toeplitz matrix, lambda_k = d + 2 s cos(k pi / (n + 1)), and Q
 *  diag Q' with Q a product of Householder reflectors. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/eig.h"
#include "eigenstep/rng.h"
#include "par.h"
#include "spectrum/eig_verify.h"

#define PI 3.14159265358979323846

/* An order at which the errors are estimated. */
enum { LARGE = 300 };

static const int sizes[] = {1, 2, 7, 64, 500};
#define SIZES (sizeof sizes / sizeof *sizes)

static double toeplitz(void *ctx, int i, int j) {
  const double *band = ctx;
  return i == j ? band[0] : abs(i - j) == 1 ? band[1] : 0;
}

static double dense(void *ctx, int i, int j) {
  const double *const *full = ctx;
  return full[i][j];
}

/* A <- H A H with H = I - 2 u u', |u| = 1. */
static void reflect(int n, double **a, const double *u, double *p) {
  double dot = 0;
  for (int i = 0; i < n; i++) {
    p[i] = 0;
    for (int j = 0; j < n; j++) p[i] += a[i][j] * u[j];
    dot += p[i] * u[i];
  }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      a[i][j] += 4 * dot * u[i] * u[j] - 2 * (u[i] * p[j] + p[i] * u[j]);
}

/* Descending. Full: three tied, one at zero, one negative, the rest falling
   geometrically. Low rank: three, the others zero, as a covariance early in
   training. */
static void choose_spectrum(int n, bool full, double *lambda) {
  for (int i = 0; i < n; i++) lambda[i] = full || i < 3 ? 3 * pow(0.9, i) : 0;
  if (!full) return;
  if (n > 5) lambda[2] = lambda[3] = lambda[1];
  if (n > 5) lambda[n - 2] = 0;
  if (n > 1) lambda[n - 1] = -1;
}

static es_dmat *chosen(const es_grid *g, int n, const double *lambda) {
  double **a = malloc(sizeof *a * (size_t) n);
  double *u = malloc(sizeof *u * (size_t) n), *p = malloc(sizeof *p * (size_t) n);
  for (int i = 0; i < n; i++) {
    a[i] = calloc((size_t) n, sizeof **a);
    a[i][i] = lambda[i];
  }
  for (unsigned r = 0; r < 3; r++) {
    es_rng rng = es_rng_at(5, ES_STREAM_TEST, r, 0);
    double norm = 0;
    for (int i = 0; i < n; i++) {
      u[i] = es_rng_normal(&rng);
      norm += u[i] * u[i];
    }
    for (int i = 0; i < n; i++) u[i] /= sqrt(norm);
    reflect(n, a, u, p);
  }
  es_dmat *d = NULL;
  if (es_dmat_create(g, n, n, 0, &d) != ES_OK) abort();
  es_dmat_fill(d, dense, a);
  for (int i = 0; i < n; i++) free(a[i]);
  free(a);
  free(u);
  free(p);
  return d;
}

/* Signs: in each column the first of the largest components is positive. */
static bool signs_fixed(const es_eigen *e) {
  const int n = e->n, all = e->vector->n;
  double *v = malloc(sizeof *v * (size_t) n * (size_t) all);
  bool ok = es_dmat_gather(e->vector, v) == ES_OK;
  for (int j = 0; j < e->k; j++) {
    double most = 0;
    int i = 0;
    for (int r = 0; r < n; r++) most = fmax(most, fabs(v[r * all + j]));
    while (fabs(v[i * all + j]) < most * (1 - 1e-6)) i++;
    ok = ok && v[i * all + j] > 0;
  }
  free(v);
  return ok;
}

/* Solve for k pairs and compare with all n expected ones, descending. */
static bool solved(const char *name, const es_dmat *a, int k, const double *want) {
  const int n = a->n, pairs = k ? k : n;
  const double before = es_dmat_norm(a), top = fmax(fabs(want[0]), fabs(want[n - 1]));
  es_eigen *e = NULL;
  if (!par_all(a->grid->comm, es_eig_solve(name, a, k, &e) == ES_OK)) return false;
  bool ok = e->n == n && e->k == pairs && es_dmat_norm(a) == before;
  double worst = 0;
  for (int i = 0; i < pairs; i++) worst = fmax(worst, fabs(e->value[i] - want[i]));
  ok = ok && worst <= 1e-12 * top && e->residual <= 1e-13 * n;
  ok = ok && e->orthogonality <= 1e-13 * n && signs_fixed(e);
  ok = ok && fabs(e->trace - es_dmat_trace(a)) <= 1e-13 * n * top;
  if (!ok)
    print_message("%s n=%d k=%d on %d x %d: eigenvalue error %.2g, residual %.2g, "
                  "orthogonality %.2g\n",
                  name, n, k, a->grid->rows, a->grid->cols, worst / top, e->residual,
                  e->orthogonality);
  es_eig_destroy(&e);
  return ok && !e;
}

/* All eigenvalues without vectors. */
static bool values_solved(const char *name, const es_dmat *a, const double *want) {
  es_eigen *e = NULL;
  if (!par_all(a->grid->comm, es_eig_values(name, a, &e) == ES_OK)) return false;
  bool ok = e->n == a->n && e->k == a->n && e->residual <= 1e-13 * a->n;
  double worst = 0;
  for (int i = 0; i < a->n; i++) worst = fmax(worst, fabs(e->value[i] - want[i]));
  ok = ok && worst <= 1e-12 * fmax(fabs(want[0]), fabs(want[a->n - 1]));
  if (!ok) print_message("%s n=%d without vectors: error %.2g\n", name, a->n, worst);
  es_eig_destroy(&e);
  return ok;
}

static bool on_grid(const es_grid *g) {
  const es_eig_ops *const *list;
  const size_t solvers = es_eig_list(&list);
  static double want[500];
  double band[2] = {2.5, -1.25};
  bool ok = true;
  for (size_t s = 0; s < SIZES; s++) {
    const int n = sizes[s];
    for (int i = 0; i < n; i++)
      want[i] = band[0] + 2 * fabs(band[1]) * cos((i + 1) * PI / (n + 1));
    es_dmat *a = NULL;
    ok = es_dmat_create(g, n, n, 0, &a) == ES_OK && ok;
    es_dmat_fill(a, toeplitz, band);
    for (size_t i = 0; i < solvers; i++) ok = solved(list[i]->name, a, 0, want) && ok;
    for (size_t i = 0; i < solvers; i++) ok = values_solved(list[i]->name, a, want) && ok;
    ok = values_solved("auto", a, want) && ok;
    /* The largest only where it differs: the others solve for all pairs anyway. */
    for (size_t i = 0; i < solvers; i++)
      if (n < 500 || strcmp(list[i]->name, "syevr") == 0)
        ok = solved(list[i]->name, a, (n + 4) / 5, want) && ok;
    es_dmat_destroy(&a);
  }
  return ok;
}

static void toeplitz_spectrum(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  ok = on_grid(g) && ok;
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

static bool chosen_on(const es_grid *g, int n, bool full) {
  const es_eig_ops *const *list;
  const size_t solvers = es_eig_list(&list);
  double want[130];
  choose_spectrum(n, full, want);
  es_dmat *a = chosen(g, n, want);
  bool ok = solved("auto", a, 0, want) && solved("auto", a, 1, want);
  const int pairs[] = {0, (n + 4) / 5, 1, (n + 1) / 2}, tries = n < 30 ? 4 : 2;
  for (size_t i = 0; i < solvers; i++)
    for (int p = 0; p < tries; p++) ok = solved(list[i]->name, a, pairs[p], want) && ok;
  es_dmat_destroy(&a);
  return ok;
}

static void chosen_spectrum(void **state) {
  const es_comm *c = *state;
  const int orders[] = {1, 2, 3, 5, 7, 8, 33, 130};
  bool ok = true;
  for (int rows = 1; rows <= c->size; rows++) {
    es_grid *g = NULL;
    if (c->size % rows) continue;
    ok = es_grid_create(c, rows, &g) == ES_OK && ok;
    /* The two large ones not on tall grids: thousands of small messages. */
    const size_t n = g->rows <= g->cols ? sizeof orders / sizeof *orders : 6;
    for (size_t s = 0; s < n; s++)
      for (int full = 0; full < 2; full++) ok = chosen_on(g, orders[s], full) && ok;
    es_grid_destroy(&g);
  }
  assert_true(par_all(c, ok));
}

static void zero_and_scaled_matrices(void **state) {
  const es_comm *c = *state;
  const es_eig_ops *const *list;
  const size_t solvers = es_eig_list(&list);
  const double scales[] = {0, 1e-180, 1e150};
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  for (size_t s = 0; s < 3; s++)
    for (int n = 1; n <= 9; n += 4) {
      double band[2] = {2 * scales[s], scales[s]}, want[9];
      for (int i = 0; i < n; i++)
        want[i] = scales[s] * (2 + 2 * cos((i + 1) * PI / (n + 1)));
      es_dmat *a = NULL;
      ok = es_dmat_create(g, n, n, 0, &a) == ES_OK && ok;
      es_dmat_fill(a, toeplitz, band);
      for (size_t i = 0; i < solvers; i++) ok = solved(list[i]->name, a, 0, want) && ok;
      for (size_t i = 0; i < solvers; i++)
        ok = values_solved(list[i]->name, a, want) && ok;
      es_dmat_destroy(&a);
    }
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

static void bad_input_is_refused_on_all_ranks(void **state) {
  const es_comm *c = *state;
  const es_eig_ops *const *list;
  const size_t solvers = es_eig_list(&list);
  const double bad[] = {NAN, INFINITY};
  double band[2] = {1, 0.5};
  es_grid *g = NULL;
  es_dmat *a = NULL, *tall = NULL;
  es_eigen *e = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  ok = es_dmat_create(g, 7, 7, 0, &a) == ES_OK &&
       es_dmat_create(g, 8, 7, 0, &tall) == ES_OK;
  es_dmat_fill(a, toeplitz, band);
  ok = es_eig_solve("serial", a, 8, &e) == ES_EARG && ok;
  ok = es_eig_solve("serial", a, -1, &e) == ES_EARG && ok;
  ok = es_eig_solve("serial", tall, 0, &e) == ES_EARG && ok;
  ok = es_eig_solve("seriel", a, 0, &e) == ES_ECONFIG && ok;
  for (size_t b = 0; b < 2; b++) {
    /* A single entry, on whichever rank owns the first one. */
    if (g->row == 0 && g->col == 0) a->a[0] = bad[b];
    for (size_t i = 0; i < solvers; i++)
      ok = es_eig_solve(list[i]->name, a, 0, &e) == ES_EMATH && ok;
  }
  ok = ok && !e;
  es_dmat_destroy(&a);
  es_dmat_destroy(&tall);
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

/* A matrix whose triangles differ has no spectrum here: the residual must give it
   away, also where it is estimated. */
static void wrong_result_is_refused(void **state) {
  const es_comm *c = *state;
  double band[2] = {1, 0.5};
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  for (int n = 9; n <= LARGE; n += LARGE - 9) {
    es_dmat *a = NULL;
    es_eigen *e = NULL;
    ok = es_dmat_create(g, n, n, 0, &a) == ES_OK && ok;
    es_dmat_fill(a, toeplitz, band);
    for (int j = 0; j < a->ln; j++)
      for (int i = 0; i < a->lm; i++)
        if (es_dmat_row(a, i) == 3 && es_dmat_col(a, j) == 4)
          a->a[(size_t) j * a->lld + i] += 1e-6;
    ok = es_eig_solve("serial", a, 0, &e) == ES_EMATH && !e && ok;
    es_dmat_destroy(&a);
  }
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

/* What can be wrong with the vectors of the Toeplitz matrix. */
typedef enum damage { NOISE, COLUMN, SWAPPED, DOUBLED, IDENTITY, DAMAGES } damage;

/* Column q of sqrt(2 / (n + 1)) sin((i + 1) (q + 1) pi / (n + 1)), damaged. */
static double damaged(void *ctx, int i, int j) {
  const damage what = *(const damage *) ctx;
  const int n = LARGE;
  int q = j;
  if (what == IDENTITY) return i == j;
  if (what == SWAPPED && (j == 10 || j == 11)) q = 21 - j;
  if (what == DOUBLED && j == 100) q = 101;
  double x = sqrt(2.0 / (n + 1)) * sin((i + 1.0) * (q + 1) * PI / (n + 1));
  es_rng rng = es_rng_at(9, ES_STREAM_TEST, (uint64_t) i * n + (uint64_t) j, 0);
  if (what == NOISE) x += 1e-6 * es_rng_normal(&rng);
  if (what == COLUMN && j == 37) x += 1e-6 * es_rng_normal(&rng);
  return x;
}

static bool within(double estimate, double exact, double factor) {
  if (exact < 1e-11 && estimate < 1e-11) return true;
  return estimate < factor * exact && exact < factor * estimate;
}

/* The estimated errors of wrong vectors agree with the exact ones. */
static bool estimated(const es_grid *g, const es_dmat *a, const double *w, int k) {
  es_dmat *v = NULL;
  es_eig_errors exact, guess;
  bool ok = es_dmat_create(g, LARGE, LARGE, a->nb, &v) == ES_OK;
  for (damage d = NOISE; d < DAMAGES; d++) {
    es_dmat_fill(v, damaged, &d);
    const es_dmat first = es_dmat_first_cols(v, k);
    ok = es_eig_exact(a, &first, w, &exact) == ES_OK && ok;
    ok = es_eig_estimate(a, &first, w, &guess) == ES_OK && ok;
    /* Single and orthogonal wrong columns count exactly, the others on average. */
    const double factor = d == COLUMN || d == SWAPPED ? 1 + 1e-4 : 2;
    ok = within(guess.residual, exact.residual, factor) && ok;
    ok = within(guess.orthogonality, exact.orthogonality, 2) && ok;
    ok = guess.residual > 1e-7 && ok;
    if (!ok)
      print_message("damage %d, k = %d: residual %g, estimated %g; orthogonality %g, "
                    "estimated %g\n",
                    d, k, exact.residual, guess.residual, exact.orthogonality,
                    guess.orthogonality);
  }
  if (g->row == 0 && g->col == 0) v->a[0] = NAN;
  ok = es_eig_estimate(a, v, w, &guess) == ES_OK && ok;
  ok = isnan(guess.residual) && isnan(guess.orthogonality) && ok;
  es_dmat_destroy(&v);
  return ok;
}

static void estimate_is_close_to_the_exact_error(void **state) {
  const es_comm *c = *state;
  double band[2] = {2.5, 1.25}, w[LARGE];
  for (int i = 0; i < LARGE; i++)
    w[i] = band[0] + 2 * band[1] * cos((i + 1) * PI / (LARGE + 1));
  bool ok = true;
  for (int rows = 1; rows <= c->size; rows++) {
    es_grid *g = NULL;
    es_dmat *a = NULL;
    if (c->size % rows) continue;
    ok = es_grid_create(c, rows, &g) == ES_OK && ok;
    ok = es_dmat_create(g, LARGE, LARGE, 0, &a) == ES_OK && ok;
    es_dmat_fill(a, toeplitz, band);
    ok = estimated(g, a, w, LARGE) && estimated(g, a, w, 150) && ok;
    es_dmat_destroy(&a);
    es_grid_destroy(&g);
  }
  assert_true(par_all(c, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(toeplitz_spectrum),
      cmocka_unit_test(chosen_spectrum),
      cmocka_unit_test(zero_and_scaled_matrices),
      cmocka_unit_test(bad_input_is_refused_on_all_ranks),
      cmocka_unit_test(wrong_result_is_refused),
      cmocka_unit_test(estimate_is_close_to_the_exact_error),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
