/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_modes.c  Modes of a kernel machine.
 *
 *  K = U diag(kappa) U', omitting directions with kappa below SMALLEST of the largest
 *  (pseudo-inverse). K~ = K^(1/2) S K^(1/2) / 2n has, in the basis U, the matrix
 *  diag(kappa)^(1/2) U' S U diag(kappa)^(1/2) / 2n = b diag(gamma) b'; B = U b and
 *  K^(-1/2) B = U diag(kappa)^(-1/2) b. (Simon et al., ICML 2023, section 4.4.) */
#include <math.h>
#include "eigenstep/eig.h"
#include "eigenstep/kernel.h"
#include "eigenstep/mem.h"
#include "kernel_private.h"

#define SMALLEST 1e-10

/* Components within this of the largest one are ties (eig.c). */
#define TIE 1e-6

typedef struct work {
  const es_dmat *k;
  int kept;
  es_eigen *of_k, *of_a;
} work;

static double exchange(void *ctx, int i, int j) {
  const int n = *(const int *) ctx / 2;
  return j == (i < n ? i + n : i - n);
}

static void scale(es_dmat *a, const double *kappa, bool rows, double power,
                  double factor) {
  for (int j = 0; j < a->ln; j++)
    for (int i = 0; i < a->lm; i++)
      a->a[(size_t) j * (size_t) a->lld + (size_t) i] *=
          factor * pow(kappa[rows ? es_dmat_row(a, i) : es_dmat_col(a, j)], power);
}

static es_status decompose_k(work *w) {
  ES_TRY(es_eig_solve("syevd", w->k, 0, &w->of_k));
  const double *kappa = w->of_k->value;
  const int order = w->k->m;
  ES_CHECK(kappa[0] > 0, ES_EMATH,
           "kernel matrix: got largest eigenvalue %g, expected a positive one", kappa[0]);
  ES_CHECK(kappa[order - 1] > -1e-8 * kappa[0], ES_EMATH,
           "kernel matrix: got eigenvalues from %g to %g, expected none below 0 (not a "
           "positive semi-definite kernel)",
           kappa[order - 1], kappa[0]);
  while (w->kept < order && kappa[w->kept] > SMALLEST * kappa[0]) w->kept++;
  return ES_OK;
}

/* K~ in the basis U, and its eigenpairs. */
static es_status decompose_a(work *w) {
  const es_grid *g = w->k->grid;
  const es_dmat u = es_dmat_first_cols(w->of_k->vector, w->kept);
  int order = w->k->m;
  es_dmat *swap = NULL, *swapped = NULL, *a = NULL;
  es_status st;
  ES_TRY_GOTO(es_dmat_create(g, order, order, 0, &swap), done);
  es_dmat_fill(swap, exchange, &order);
  ES_TRY_GOTO(es_dmat_create(g, order, w->kept, 0, &swapped), done);
  ES_TRY_GOTO(es_dmat_gemm("NN", 1, swap, &u, 0, swapped), done);
  ES_TRY_GOTO(es_dmat_create(g, w->kept, w->kept, 0, &a), done);
  ES_TRY_GOTO(es_dmat_gemm("TN", 1, &u, swapped, 0, a), done);
  scale(a, w->of_k->value, true, 0.5, 1);
  scale(a, w->of_k->value, false, 0.5, 1.0 / order);
  st = es_eig_solve("syevd", a, 0, &w->of_a);
done:
  es_dmat_destroy(&a);
  es_dmat_destroy(&swapped);
  es_dmat_destroy(&swap);
  return st;
}

static es_status solve(work *w, es_kernel_modes *out) {
  const es_grid *g = w->k->grid;
  const int order = w->k->m;
  ES_TRY(decompose_k(w));
  ES_TRY(decompose_a(w));
  es_dmat u = es_dmat_first_cols(w->of_k->vector, w->kept);
  ES_TRY(es_dmat_create(g, order, w->kept, 0, &out->basis.vector));
  ES_TRY(es_dmat_create(g, order, w->kept, 0, &out->dual));
  ES_TRY(es_dmat_gemm("NN", 1, &u, w->of_a->vector, 0, out->basis.vector));
  scale(&u, w->of_k->value, false, -0.5, 1);
  ES_TRY(es_dmat_gemm("NN", 1, &u, w->of_a->vector, 0, out->dual));
  out->dropped = order - w->kept;
  out->basis.m = order;
  out->basis.k = w->kept;
  out->basis.whole = out->basis.samples = true;
  out->basis.gamma = w->of_a->value;
  w->of_a->value = NULL;
  out->basis.residual = fmax(w->of_k->residual, w->of_a->residual);
  out->basis.orthogonality = fmax(w->of_k->orthogonality, w->of_a->orthogonality);
  return ES_OK;
}

es_status es_kernel_modes_create(const es_dmat *k, es_kernel_modes **out) {
  const es_comm *c = k->grid->comm;
  es_kernel_modes *modes = NULL;
  work w = {.k = k};
  ES_TRY(ES_COMM_NEW(c, 1, &modes));
  const es_status st = es_comm_agree(c, solve(&w, modes));
  es_eig_destroy(&w.of_k);
  es_eig_destroy(&w.of_a);
  if (st == ES_OK)
    *out = modes;
  else
    es_kernel_modes_destroy(&modes);
  return st;
}

void es_kernel_modes_destroy(es_kernel_modes **modes) {
  if (*modes == NULL) return;
  es_free(&(*modes)->basis.gamma);
  es_dmat_destroy(&(*modes)->basis.vector);
  es_dmat_destroy(&(*modes)->dual);
  for (int i = 0; i < 2; i++) es_dmat_destroy(&(*modes)->value[i]);
  es_free(modes);
}

void es_kernel_signs(int64_t n, int k, const double *x, double *sign) {
  for (int j = 0; j < k; j++, x += n) {
    double most = 0;
    int64_t i = 0;
    for (int64_t l = 0; l < n; l++) most = fmax(most, fabs(x[l]));
    while (fabs(x[i]) < (1 - TIE) * most) i++;
    sign[j] = x[i] < 0 ? -1 : 1;
  }
}

es_status es_kernel_columns(const es_grid *g, int64_t n, int k, double *x,
                            const double *sign, es_dmat **out) {
  for (int64_t l = 0; l < n * k; l++) x[l] *= sign[l / n];
  ES_TRY(es_dmat_create(g, (int) n, k, 0, out));
  es_dmat_set_cols(*out, 0, k, x);
  return ES_OK;
}

/* A replicated row-major matrix, for es_dmat_fill. */
typedef struct rows {
  const double *x;
  int n;
} rows;

static double entry(void *ctx, int i, int j) {
  const rows *r = ctx;
  return r->x[(size_t) i * (size_t) r->n + (size_t) j];
}

es_status es_kernel_weights(const es_kernel_modes *modes, int d, const double *f,
                            double *w) {
  rows r = {.x = f, .n = modes->basis.m};
  es_modes target = modes->basis;
  target.vector = modes->dual;
  return es_modes_project(&target, d, entry, &r, w);
}

es_status es_kernel_embed(const es_kernel_modes *modes, int d, const double *w,
                          const es_dmat *k_x, double *f) {
  const es_grid *g = k_x->grid;
  rows r = {.x = w, .n = modes->basis.k};
  es_dmat *weights = NULL, *dual = NULL, *out = NULL;
  es_status st;
  ES_TRY_GOTO(es_dmat_create(g, d, modes->basis.k, 0, &weights), done);
  es_dmat_fill(weights, entry, &r);
  ES_TRY_GOTO(es_dmat_create(g, d, modes->basis.m, 0, &dual), done);
  ES_TRY_GOTO(es_dmat_gemm("NT", 1, weights, modes->dual, 0, dual), done);
  ES_TRY_GOTO(es_dmat_create(g, d, k_x->n, 0, &out), done);
  ES_TRY_GOTO(es_dmat_gemm("NN", 1, dual, k_x, 0, out), done);
  st = es_dmat_gather(out, f);
done:
  es_dmat_destroy(&out);
  es_dmat_destroy(&dual);
  es_dmat_destroy(&weights);
  return st;
}
