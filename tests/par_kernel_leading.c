/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_kernel_leading.c  The leading modes of a kernel machine by subspace
 *  iteration against all modes by a full decomposition, on any number of ranks: gammas
 *  and functions at points that were not trained on; equal eigenvalues, singular
 *  matrices, fewer points than modes, odd sizes, and all ways to keep the matrix. */
#include <math.h>
#include <stdlib.h>
#include "eigenstep/mem.h"
#include "kernel_pairs.h"
#include "par.h"

enum { M = 6 };

/* One problem, and how it is asked. */
typedef struct leading_case {
  int n, fresh, k;
  const char *name, *setting;
  double (*feature)(int v, int i, int j); /* M values a view */
  double limit;                           /* bytes a rank; 0: none */
  int blocks;                             /* that the basis has; 0: the usual number */
  int entry;                              /* expected of that limit */
  double tolerance; /* of gammas relative to the first, and of functions */
} leading_case;

/* Collective. Both solutions, of the same machine. */
static es_status solve_both(const es_grid *g, const es_pairs *p, const leading_case *t,
                            es_kernel_modes **few, es_kernel_modes **all,
                            es_dmat **k_new) {
  const es_points old = {0, t->n}, fresh_points = {t->n, t->fresh};
  const es_kernel_size size = {.n = t->n, .fresh = t->fresh, .m = p->m, .k = t->k};
  es_kernel_plan plan = es_kernel_plan_of(size, g->comm->size, t->limit);
  es_kernel *kernel = NULL;
  es_dmat *k = NULL;
  if (plan.entry != t->entry) return ES_EINTERNAL;
  if (t->blocks > 0) plan.most = t->blocks * plan.block;
  ES_TRY(make(g->comm, p, p->total, t->name, t->setting, &kernel));
  const es_kernel_sample s = {
      .kernel = kernel, .pairs = p, .trained = old, .fresh = fresh_points};
  es_status st = es_kernel_leading(g, &s, &plan, few);
  if (st == ES_OK) st = es_kernel_matrix(kernel, g, p, old, old, &k);
  if (st == ES_OK) st = es_kernel_matrix(kernel, g, p, old, fresh_points, k_new);
  if (st == ES_OK) st = es_kernel_modes_create(k, all);
  es_dmat_destroy(&k);
  es_kernel_destroy(&kernel);
  return st;
}

/* Collective. Largest distance of the functions of the modes at fresh points, up to
   signs, relative to the largest value of each. Close eigenvalues are left out: their
   functions mix. x: K_new'X of all modes, by the full solution. */
static double functions_differ(const es_kernel_modes *few, const es_kernel_modes *all,
                               const es_dmat *k_new) {
  const int points = k_new->n, k = few->basis.k;
  const double *gamma = all->basis.gamma;
  double worst = 0, *a = NULL, *b = NULL;
  es_dmat *x = NULL;
  if (ES_NEW(points * k, &a) != ES_OK || ES_NEW(points * k, &b) != ES_OK) abort();
  const es_dmat dual = es_dmat_first_cols(all->dual, all->basis.k);
  bool ok = es_dmat_create(k_new->grid, points, all->basis.k, 0, &x) == ES_OK;
  ok = ok && es_dmat_gemm("TN", 1, k_new, &dual, 0, x) == ES_OK;
  es_dmat_get_cols(few->value[1], 0, k, a);
  es_dmat_get_cols(x, 0, k, b);
  for (int j = 0; ok && j < k; j++) {
    const double *u = a + j * points, *v = b + j * points;
    double dot = 0, size = 0, off = 0;
    const double above = j > 0 ? gamma[j - 1] - gamma[j] : gamma[0];
    const double below = j + 1 < all->basis.k ? gamma[j] - gamma[j + 1] : gamma[0];
    if (fmin(above, below) < 1e-3 * gamma[0]) continue;
    for (int i = 0; i < points; i++) dot += u[i] * v[i];
    for (int i = 0; i < points; i++) {
      size = fmax(size, fabs(v[i]));
      off = fmax(off, fabs(u[i] - copysign(1, dot) * v[i]));
    }
    worst = fmax(worst, off / size);
  }
  es_dmat_destroy(&x);
  es_free(&b);
  es_free(&a);
  return ok ? worst : INFINITY;
}

static bool leads(const es_grid *g, const leading_case *t) {
  es_pairs p = spread(g->comm, t->n + t->fresh, M, t->feature);
  es_kernel_modes *few = NULL, *all = NULL;
  es_dmat *k_new = NULL;
  double gamma = 0, functions = 0;
  bool ok = solve_both(g, &p, t, &few, &all, &k_new) == ES_OK;
  const int want = !ok ? 0 : t->k < all->basis.k ? t->k : all->basis.k;
  ok = ok && few->basis.k == want && few->basis.orthogonality < 1e-6;
  for (int j = 0; ok && j < want; j++)
    gamma = fmax(gamma, fabs(few->basis.gamma[j] - all->basis.gamma[j]));
  if (ok) functions = functions_differ(few, all, k_new);
  ok = ok && gamma <= t->tolerance * all->basis.gamma[0] && functions <= t->tolerance;
  if (!ok)
    print_message("%s, %d pairs, %d modes, limit %g: %d modes, gamma %.1e, functions "
                  "%.1e\n",
                  t->name, t->n, t->k, t->limit, few ? few->basis.k : -1, gamma,
                  functions);
  es_dmat_destroy(&k_new);
  es_kernel_modes_destroy(&all);
  es_kernel_modes_destroy(&few);
  es_pairs_free(&p);
  return ok;
}

/* Both views alike. */
static double alike(int v, int i, int j) {
  (void) v;
  return sample(0, i, j);
}
/* Corners of a cube and the other way round: eigenvalues of symmetry. */
static double corner(int v, int i, int j) {
  (void) v;
  return j < 6 ? (i >> j & 1 ? 1 : -1) : 0;
}

static const leading_case cases[] = {{.n = 300,
                                      .fresh = 11,
                                      .k = 6,
                                      .name = "rbf",
                                      .setting = "kernel.rbf.width=1.2",
                                      .feature = sample,
                                      .entry = 8,
                                      .tolerance = 1e-8},
                                     {.n = 131,
                                      .fresh = 5,
                                      .k = 17,
                                      .name = "laplace",
                                      .setting = "kernel.laplace.width=2",
                                      .feature = sample,
                                      .limit = 1,
                                      .entry = 0,
                                      .tolerance = 1e-8},
                                     /* a basis that is full after two products, and
                                        again and again: restarts */
                                     {.n = 300,
                                      .fresh = 4,
                                      .k = 12,
                                      .name = "laplace",
                                      .setting = "kernel.laplace.width=1",
                                      .feature = sample,
                                      .blocks = 3,
                                      .entry = 8,
                                      .tolerance = 1e-8},
                                     /* equal eigenvalues: six of the second size */
                                     {.n = 64,
                                      .fresh = 3,
                                      .k = 9,
                                      .name = "rbf",
                                      .setting = "kernel.rbf.width=3",
                                      .feature = corner,
                                      .entry = 8,
                                      .tolerance = 1e-8},
                                     /* rank M, and half the rank that points have */
                                     {.n = 90,
                                      .fresh = 2,
                                      .k = 20,
                                      .name = "linear",
                                      .setting = "kernel.linear.scale=1",
                                      .feature = sample,
                                      .entry = 8,
                                      .tolerance = 1e-8},
                                     {.n = 40,
                                      .fresh = 2,
                                      .k = 12,
                                      .name = "rbf",
                                      .setting = "kernel.rbf.width=1",
                                      .feature = alike,
                                      .entry = 8,
                                      .tolerance = 1e-8},
                                     /* fewer points than modes, ranks without any */
                                     {.n = 3,
                                      .fresh = 1,
                                      .k = 20,
                                      .name = "rbf",
                                      .setting = "kernel.rbf.width=1",
                                      .feature = sample,
                                      .entry = 8,
                                      .tolerance = 1e-8},
                                     {.n = 1,
                                      .fresh = 1,
                                      .k = 3,
                                      .name = "rbf",
                                      .setting = "kernel.rbf.width=1",
                                      .feature = sample,
                                      .entry = 8,
                                      .tolerance = 1e-8}};

static void leading_modes_are_the_first_of_all(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    ok = par_all(c, leads(g, &cases[i])) && ok;
  es_grid_destroy(&g);
  assert_true(ok);
}

/* The memory that it is given decides how entries are kept; single precision costs seven
   digits of them and no more. */
static void memory_decides_on_the_matrix(void **state) {
  const es_comm *c = *state;
  const es_kernel_size size = {.n = 200, .fresh = 4, .m = M, .k = 5};
  const double whole = es_kernel_plan_of(size, c->size, 0).bytes;
  const leading_case half = {.n = 200,
                             .fresh = 4,
                             .k = 5,
                             .name = "rbf",
                             .setting = "kernel.rbf.width=1.2",
                             .feature = sample,
                             .limit = whole - 1,
                             .entry = 4,
                             .tolerance = 1e-5};
  es_grid *g = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  ok = leads(g, &half) && ok;
  const es_kernel_plan none = es_kernel_plan_of(size, c->size, 1);
  ok = ok && none.entry == 0 && none.bytes > 1 && none.product > none.form;
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(leading_modes_are_the_first_of_all),
                                     cmocka_unit_test(memory_decides_on_the_matrix)};
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
