/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear.c  Eigenpairs of Gamma, from the m x m matrix or from the samples.
 *
 *  All matrices are block-cyclic; only the k eigenvalues and the [d, k] coordinates of W
 *  are replicated. */
#include "eigenstep/linear.h"

#include <string.h>
#include "eigenstep/cov.h"
#include "eigenstep/mem.h"
#include "linear_private.h"

/* Are k pairs found in fewer operations without forming Gamma? About 8 k + 128 vectors of
   8 n m operations, against 2 n m^2 for Gamma alone. */
static bool products_pay(int64_t m, int64_t n, int64_t k) {
  const int64_t order = 2 * n < m ? 2 * n : m;
  return k > 0 && order >= 1024 && k <= order / 32 && 8 * (8 * k + 128) <= 2 * m;
}

es_linear_way es_linear_solver_of(const char *solver, int64_t m, int64_t n, int64_t k) {
  if (strcmp(solver, "samples") == 0) return ES_LINEAR_SAMPLES;
  if (strcmp(solver, "products") == 0) return ES_LINEAR_PRODUCTS;
  if (strcmp(solver, "auto") != 0) return ES_LINEAR_MATRIX;
  if (products_pay(m, n, k)) return ES_LINEAR_PRODUCTS;
  return 2 * n < m ? ES_LINEAR_SAMPLES : ES_LINEAR_MATRIX;
}

int64_t es_linear_bytes(int64_t m, int64_t n, const es_linear_size *s, int ranks) {
  const int64_t word = (int64_t) sizeof(double), mine = (n + ranks - 1) / ranks;
  const int64_t order = s->way == ES_LINEAR_SAMPLES ? 2 * n : m, k = s->k;
  const int64_t views = 2 * mine * m;
  if (s->way == ES_LINEAR_PRODUCTS) {
    /* the basis and T with its vectors; blocks: replicated ones, images of the views */
    const int64_t most = 8 * k + 512;
    return word * (views + most * m / ranks + 2 * most * most + 64 * (m + mine) +
                   k * m / ranks + 3 * s->d * k);
  }
  /* Gamma (or K), the solver's copy, its vectors and its workspace. */
  const int64_t square = 4 * (order * order / ranks + order);
  const int64_t vectors =
      s->way == ES_LINEAR_SAMPLES ? k * m / ranks + 3 * order * order / ranks : 0;
  /* rows, and their block-cyclic copy */
  return word * (square + 2 * views + vectors + 3 * s->d * k);
}

es_status es_pairs_center(const es_comm *c, es_pairs *p) {
  double *mean = NULL;
  es_status st = ES_COMM_NEW(c, p->m, &mean);
  for (int v = 0; v < 2 && st == ES_OK; v++) {
    st = es_cov_mean(c, p->x[v], p->n, p->m, mean);
    for (int64_t i = 0; st == ES_OK && i < p->n; i++)
      for (int j = 0; j < p->m; j++) p->x[v][i * p->m + j] -= mean[j];
  }
  es_free(&mean);
  return st;
}

/* Gamma and its eigenpairs. */
static es_status from_matrix(const es_grid *g, const es_pairs *p, int k,
                             const char *solver, es_modes *out) {
  es_dmat *gamma = NULL;
  es_eigen *e = NULL;
  ES_TRY(es_cov_cross(g, p->x[0], p->x[1], p->n, p->m, &gamma));
  const es_status st = es_eig_solve(solver, gamma, k < p->m ? k : 0, &e);
  es_dmat_destroy(&gamma);
  ES_TRY(st);
  out->k = e->k;
  out->whole = e->k == p->m;
  out->gamma = e->value;
  out->vector = e->vector;
  out->residual = e->residual;
  out->orthogonality = e->orthogonality;
  e->value = NULL;
  e->vector = NULL;
  es_eig_destroy(&e);
  return ES_OK;
}

/* Eigenpairs by the way that `solver` names; "auto" has another one where products do not
   converge. */
static es_status find(const es_grid *g, const es_pairs *p, int k, const char *solver,
                      es_modes *out) {
  es_linear_way way = es_linear_solver_of(solver, p->m, p->total, k);
  out->m = p->m;
  if (way == ES_LINEAR_PRODUCTS) {
    ES_CHECK(k >= 1 && k <= p->m / 16, ES_ECONFIG,
             "solver products: got %d eigenpairs of views of %d values, expected 1 to %d",
             k, p->m, p->m / 16);
    ES_TRY(es_modes_from_products(g, p, k, out));
    out->products = out->k > 0;
    if (out->products) return ES_OK;
    es_info("%d eigenpairs did not converge from products with the samples; forming a "
            "matrix",
            k);
    solver = "auto";
    way = es_linear_solver_of(solver, p->m, p->total, 0);
  }
  out->samples = way == ES_LINEAR_SAMPLES;
  return out->samples ? es_modes_from_samples(g, p, k, out)
                      : from_matrix(g, p, k, solver, out);
}

es_status es_modes_create(const es_grid *g, const es_pairs *p, int k, const char *solver,
                          es_modes **modes) {
  es_modes *made = NULL;
  ES_TRY(ES_COMM_NEW(g->comm, 1, &made));
  const es_status st = find(g, p, k, solver, made);
  if (st == ES_OK)
    *modes = made;
  else
    es_modes_destroy(&made);
  return st;
}

void es_modes_destroy(es_modes **modes) {
  if (*modes == NULL) return;
  es_free(&(*modes)->gamma);
  es_dmat_destroy(&(*modes)->vector);
  es_free(modes);
}

es_status es_modes_project(const es_modes *modes, int d,
                           double (*f)(void *ctx, int i, int j), void *ctx, double *out) {
  const es_grid *g = modes->vector->grid;
  es_dmat *w = NULL, *projected = NULL;
  es_status st;
  const es_dmat v = es_dmat_first_cols(modes->vector, modes->k);
  ES_TRY_GOTO(es_dmat_create(g, d, modes->m, 0, &w), done);
  ES_TRY_GOTO(es_dmat_create(g, d, modes->k, 0, &projected), done);
  es_dmat_fill(w, f, ctx);
  ES_TRY_GOTO(es_dmat_gemm("NN", 1, w, &v, 0, projected), done);
  st = es_dmat_gather(projected, out);
done:
  es_dmat_destroy(&projected);
  es_dmat_destroy(&w);
  return st;
}

typedef struct rows {
  const double *x;
  int n;
} rows;

static double entry(void *ctx, int i, int j) {
  const rows *r = ctx;
  return r->x[(size_t) i * (size_t) r->n + (size_t) j];
}

es_status es_modes_expand(const es_modes *modes, int d, const double *w, double *out) {
  const es_grid *g = modes->vector->grid;
  rows r = {.x = w, .n = modes->k};
  es_dmat *coordinates = NULL, *whole = NULL;
  es_status st;
  const es_dmat v = es_dmat_first_cols(modes->vector, modes->k);
  ES_TRY_GOTO(es_dmat_create(g, d, modes->k, 0, &coordinates), done);
  ES_TRY_GOTO(es_dmat_create(g, d, modes->m, 0, &whole), done);
  es_dmat_fill(coordinates, entry, &r);
  ES_TRY_GOTO(es_dmat_gemm("NT", 1, coordinates, &v, 0, whole), done);
  st = es_dmat_gather(whole, out);
done:
  es_dmat_destroy(&whole);
  es_dmat_destroy(&coordinates);
  return st;
}
