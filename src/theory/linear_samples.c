/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_samples.c  Eigenpairs of Gamma = Y'S Y / 2n from the 2n x 2n matrix of
 *  samples.
 *
 *  K = Y Y' = U diag(kappa) U'. With A = diag(kappa)^(1/2) U' S U diag(kappa)^(1/2) / 2n
 *  = B diag(gamma) B', the vectors of Gamma are V = Y' U diag(kappa)^(-1/2) B:
 *  orthonormal, and Gamma V = V diag(gamma). Rows of Y are ordered by rank: its first
 *  views, its second views, then zero rows up to the largest row count of a rank; S
 *  exchanges first and second views.
 *
 *  K has the square of Y's condition number: vectors of a steep spectrum lose their
 *  orthogonality. What does not pass verification is solved again by Y' = Q R, at twice
 *  the cost: Gamma = Q (R S R' / 2n) Q', whose vectors are orthonormal to round-off. */
#include "linear_private.h"

#include <math.h>
#include "eigenstep/mem.h"

/* Directions with kappa below this fraction of the largest are omitted as round-off. */
#define SMALLEST 1e-14

/* Largest accepted loss of orthogonality and residual. The omitted directions couple to
 * the others by up to the square root of SMALLEST, and more if the views differ so much
 * that gamma is small compared to kappa. The error of the gammas is of second order. */
#define WORST 1e-8
#define WORST_RESIDUAL 1e-6

typedef struct side {
  const es_pairs *p;
  const es_grid *g;
  int rank; /* number of directions used */
  es_dmat *y, *swap;
  const double *kappa; /* eigenvalues of of_k */
  es_eigen *of_k, *of_a;
} side;

/* S in the padded row order: 1 if j is the other view of i. */
static double exchange(void *ctx, int i, int j) {
  const side *s = ctx;
  const int tall = s->y->m / s->g->comm->size, r = i / tall;
  es_comm other = *s->g->comm;
  int64_t first, n;
  other.rank = r;
  es_comm_local_range(&other, s->p->total, &first, &n);
  const int64_t at = i % tall;
  if (at >= 2 * n) return 0;
  return j == r * tall + (at < n ? at + n : at - n);
}

static void scale_cols(es_dmat *a, const double *kappa, double power, double factor) {
  for (int j = 0; j < a->ln; j++) {
    const double f = factor * pow(kappa[es_dmat_col(a, j)], power);
    for (int i = 0; i < a->lm; i++) a->a[(size_t) j * (size_t) a->lld + i] *= f;
  }
}

static void scale_rows(es_dmat *a, const double *kappa, double power) {
  for (int j = 0; j < a->ln; j++)
    for (int i = 0; i < a->lm; i++)
      a->a[(size_t) j * (size_t) a->lld + i] *= pow(kappa[es_dmat_row(a, i)], power);
}

static es_status stack_views(side *s) {
  const es_pairs *p = s->p;
  const size_t part = (size_t) p->n * (size_t) p->m;
  double *rows = NULL;
  es_status st = ES_COMM_NEW(s->g->comm, 2 * part, &rows);
  if (st == ES_OK) {
    for (size_t i = 0; i < part; i++) rows[i] = p->x[0][i];
    for (size_t i = 0; i < part; i++) rows[part + i] = p->x[1][i];
    st = es_dmat_from_rows(s->g, rows, 2 * p->n, p->m, &s->y);
  }
  es_free(&rows);
  return st;
}

static es_status make_swap(side *s) {
  ES_TRY(es_dmat_create(s->g, s->y->m, s->y->m, 0, &s->swap));
  es_dmat_fill(s->swap, exchange, s);
  return ES_OK;
}

/* K, its eigenpairs, and the number of them used. */
static es_status decompose_k(side *s) {
  es_dmat *k = NULL;
  const int order = s->y->m;
  ES_TRY(es_dmat_create(s->g, order, order, 0, &k));
  es_status st = es_dmat_gemm("NT", 1, s->y, s->y, 0, k);
  if (st == ES_OK) st = es_eig_solve("syevd", k, 0, &s->of_k);
  es_dmat_destroy(&k);
  ES_TRY(st);
  s->kappa = s->of_k->value;
  while (s->rank < order && s->kappa[s->rank] > SMALLEST * s->kappa[0]) s->rank++;
  return ES_OK;
}

/* A and its leading eigenpairs. */
static es_status decompose_a(side *s, int k) {
  const es_dmat u = es_dmat_first_cols(s->of_k->vector, s->rank);
  es_dmat *swapped = NULL, *a = NULL;
  es_status st;
  ES_TRY_GOTO(es_dmat_create(s->g, s->y->m, s->rank, 0, &swapped), done);
  ES_TRY_GOTO(es_dmat_gemm("NN", 1, s->swap, &u, 0, swapped), done);
  ES_TRY_GOTO(es_dmat_create(s->g, s->rank, s->rank, 0, &a), done);
  ES_TRY_GOTO(es_dmat_gemm("TN", 1, &u, swapped, 0, a), done);
  scale_cols(a, s->kappa, 0.5, 0.5 / (double) s->p->total);
  scale_rows(a, s->kappa, 0.5);
  ES_TRY_GOTO(es_eig_solve("auto", a, k > 0 && k < s->rank ? k : 0, &s->of_a), done);
done:
  es_dmat_destroy(&a);
  es_dmat_destroy(&swapped);
  return st;
}

/* V = Y' U diag(kappa)^(-1/2) B */
static es_status lift(side *s, es_modes *out) {
  es_dmat u = es_dmat_first_cols(s->of_k->vector, s->rank);
  const es_dmat b = es_dmat_first_cols(s->of_a->vector, s->of_a->k);
  es_dmat *ub = NULL;
  es_status st;
  scale_cols(&u, s->kappa, -0.5, 1);
  ES_TRY_GOTO(es_dmat_create(s->g, s->y->m, b.n, 0, &ub), done);
  ES_TRY_GOTO(es_dmat_gemm("NN", 1, &u, &b, 0, ub), done);
  ES_TRY_GOTO(es_dmat_create(s->g, s->p->m, b.n, 0, &out->vector), done);
  st = es_dmat_gemm("TN", 1, s->y, ub, 0, out->vector);
done:
  es_dmat_destroy(&ub);
  return st;
}

/* ||Gamma V - V diag(gamma)||_F / ||Gamma||_F over the pairs found, ||V'V - I||_F. */
static es_status verify(const side *s, es_modes *out) {
  const int k = out->k;
  es_dmat *yv = NULL, *syv = NULL, *gv = NULL, *vv = NULL;
  double norm = 0;
  es_status st;
  ES_TRY_GOTO(es_dmat_create(s->g, s->y->m, k, 0, &yv), done);
  ES_TRY_GOTO(es_dmat_create(s->g, s->y->m, k, 0, &syv), done);
  ES_TRY_GOTO(es_dmat_create(s->g, s->p->m, k, 0, &gv), done);
  ES_TRY_GOTO(es_dmat_create(s->g, k, k, 0, &vv), done);
  ES_TRY_GOTO(es_dmat_gemm("NN", 1, s->y, out->vector, 0, yv), done);
  ES_TRY_GOTO(es_dmat_gemm("NN", 1, s->swap, yv, 0, syv), done);
  ES_TRY_GOTO(es_dmat_gemm("TN", 0.5 / (double) s->p->total, s->y, syv, 0, gv), done);
  for (int j = 0; j < gv->ln; j++) {
    const double w = out->gamma[es_dmat_col(gv, j)];
    for (int i = 0; i < gv->lm; i++) {
      const size_t at = (size_t) j * (size_t) gv->lld + (size_t) i;
      gv->a[at] -= w * out->vector->a[at];
    }
  }
  for (int j = 0; j < k; j++) norm = hypot(norm, out->gamma[j]);
  out->residual = norm > 0 ? es_dmat_norm(gv) / norm : 0;
  ES_TRY_GOTO(es_dmat_gemm("TN", 1, out->vector, out->vector, 0, vv), done);
  for (int j = 0; j < vv->ln; j++)
    for (int i = 0; i < vv->lm; i++)
      vv->a[(size_t) j * (size_t) vv->lld + i] -=
          es_dmat_row(vv, i) == es_dmat_col(vv, j);
  out->orthogonality = es_dmat_norm(vv) / sqrt(k);
done:
  es_dmat_destroy(&vv);
  es_dmat_destroy(&gv);
  es_dmat_destroy(&syv);
  es_dmat_destroy(&yv);
  return st;
}

static void take_values(side *s, int rank, es_modes *out) {
  out->k = s->of_a->k;
  out->whole = out->k == rank;
  out->gamma = s->of_a->value;
  s->of_a->value = NULL;
}

static es_status solve_by_gram(side *s, int k, es_modes *out) {
  ES_TRY(decompose_k(s));
  if (s->rank == 0) { /* all views are zero: one mode with gamma = 0 */
    ES_TRY(ES_COMM_NEW(s->g->comm, 1, &out->gamma));
    out->k = 1;
    out->whole = true;
    return es_dmat_create(s->g, s->p->m, 1, 0, &out->vector);
  }
  ES_TRY(decompose_a(s, k));
  take_values(s, s->rank, out);
  ES_TRY(lift(s, out));
  return verify(s, out);
}

/* A = R S R' / 2n of Y' = Q R, its leading eigenpairs, and V = Q B. */
static es_status solve_by_qr(side *s, int k, es_modes *out) {
  es_dmat *yt = NULL, *q = NULL, *r = NULL, *rs = NULL, *a = NULL;
  es_status st;
  ES_TRY_GOTO(es_dmat_transpose(s->y, &yt), done);
  ES_TRY_GOTO(es_dmat_qr(yt, &q, &r), done);
  ES_TRY_GOTO(es_dmat_create(s->g, r->m, r->n, 0, &rs), done);
  ES_TRY_GOTO(es_dmat_gemm("NN", 0.5 / (double) s->p->total, r, s->swap, 0, rs), done);
  ES_TRY_GOTO(es_dmat_create(s->g, r->m, r->m, 0, &a), done);
  ES_TRY_GOTO(es_dmat_gemm("NT", 1, rs, r, 0, a), done);
  ES_TRY_GOTO(es_eig_solve("auto", a, k > 0 && k < r->m ? k : 0, &s->of_a), done);
  const es_dmat b = es_dmat_first_cols(s->of_a->vector, s->of_a->k);
  take_values(s, r->m, out);
  ES_TRY_GOTO(es_dmat_create(s->g, s->p->m, b.n, 0, &out->vector), done);
  ES_TRY_GOTO(es_dmat_gemm("NN", 1, q, &b, 0, out->vector), done);
  st = verify(s, out);
done:
  es_dmat_destroy(&a);
  es_dmat_destroy(&rs);
  es_dmat_destroy(&r);
  es_dmat_destroy(&q);
  es_dmat_destroy(&yt);
  return st;
}

static bool holds(const es_modes *m) {
  return m->residual <= WORST_RESIDUAL && m->orthogonality <= WORST;
}

static es_status solve(side *s, int k, es_modes *out) {
  ES_TRY(stack_views(s));
  ES_TRY(make_swap(s));
  ES_TRY(solve_by_gram(s, k, out));
  if (holds(out)) return ES_OK;
  es_info("eigenpairs from the samples: a loss of orthogonality of %.1e, as the spectrum "
          "is steep; taking QR factors of the samples",
          out->orthogonality);
  es_free(&out->gamma);
  es_dmat_destroy(&out->vector);
  es_eig_destroy(&s->of_a);
  ES_TRY(solve_by_qr(s, k, out));
  ES_CHECK(holds(out), ES_EMATH,
           "eigenpairs from the samples: got a residual of %.3g and a loss of "
           "orthogonality of %.3g, expected at most %g and %g",
           out->residual, out->orthogonality, WORST_RESIDUAL, WORST);
  return ES_OK;
}

es_status es_modes_from_samples(const es_grid *g, const es_pairs *p, int k,
                                es_modes *out) {
  side s = {.p = p, .g = g};
  const es_status st = es_comm_agree(g->comm, solve(&s, k, out));
  es_dmat_destroy(&s.swap);
  es_dmat_destroy(&s.y);
  es_eig_destroy(&s.of_k);
  es_eig_destroy(&s.of_a);
  return st;
}
