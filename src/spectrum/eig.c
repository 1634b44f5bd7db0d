/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig.c  Select an eigensolver, run it on a copy, normalise signs, verify.
 *
 *  Every result is verified against the caller's matrix: residual, loss of orthogonality
 *  and, with all pairs, sum of eigenvalues against trace (estimated for large matrices,
 *  see eig_verify.h). A result above ES_EIG_WORST, far over round-off (n eps), is an
 *  error. */
#include "config.h"

#include <math.h>
#include <string.h>
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"
#include "eig_verify.h"

#define ES_EIG(n) extern const es_eig_ops es_eig_##n;
#include "eig_list.h"
#undef ES_EIG

static const es_eig_ops *const solvers[] = {
#define ES_EIG(n) &es_eig_##n,
#include "eig_list.h"
#undef ES_EIG
};

#define SOLVERS (sizeof solvers / sizeof *solvers)

/* Names that may not be in this build: no misspellings. */
static const struct {
  const char *name, *how;
} known[] = {{"elpa", "configure --with-elpa"}};

/* Components within this of the largest one are ties, so that round-off in the
   symmetric or antisymmetric vectors of a Toeplitz matrix cannot flip a sign. */
#define TIE 1e-6

size_t es_eig_list(const es_eig_ops *const **list) {
  *list = solvers;
  return SOLVERS;
}

/* ELPA, where this build has it, is faster than syevd from here on: n = 128, 256, 512,
   1024, 2048, 4096 in 4.7, 10, 32, 139, 902, 7330 ms on 2 ranks, syevd in 4.0, 15, 37,
   181, 1083, 8340 ms. */
enum { ELPA_FROM = 256 };

static bool listed(const char *name) {
  for (size_t i = 0; i < SOLVERS; i++)
    if (strcmp(solvers[i]->name, name) == 0) return true;
  return false;
}

es_status es_eig_find(const char *what, const char *name, const es_eig_ops **ops) {
  const void *found = NULL;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    ES_CHECK(strcmp(name, known[i].name) != 0 || listed(name), ES_ENOTSUP,
             "%s '%s' is not in this build (%s); 'auto' takes one that is", what, name,
             known[i].how);
  ES_TRY(es_registry_find(what, name, (const void *const *) solvers, SOLVERS, &found));
  *ops = found;
  return ES_OK;
}

static const char *direct(int n) {
  return n >= ELPA_FROM && listed("elpa") ? "elpa" : "syevd";
}

/* syevr computes only the wanted pairs: on 2 ranks, n = 128 to 512, as fast as syevd
   between k = n / 10 and n / 2. Iterate for very few pairs of a large matrix. Between
   nodes a parallel solver waits for messages, some two a column, so that one rank is
   faster for a small matrix: syevd of n = 256 took 152 ms on one host of two ranks, 651
   on two hosts of one rank, 1 ms a message (the table in jobs/README.md). */
static const char *automatic(const es_comm *c, int n, int k) {
  if (n >= 1024 && k <= n / 32) return "subspace";
  if (c->nodes > 1 && n <= 1024) return "serial";
  return k <= n / 4 ? "syevr" : direct(n);
}

/* Without vectors a second rank gains little below n = 2048: pdsyev took 91 and 522 ms on
   2 ranks for n = 1024 and 2048, 75 and 602 ms on one. */
static const char *automatic_values(const es_comm *c, int n) {
  return c->size == 1 || n <= 1024 ? "serial" : "syevd";
}

/* Collective. The norm of A. Only where it is not finite is there an entry that is not,
   or a norm beyond the numbers. */
static es_status norm_of_finite(const es_dmat *a, double *norm) {
  es_status st = ES_OK;
  *norm = es_dmat_norm(a);
  if (isfinite(*norm)) return ES_OK;
  for (int j = 0; st == ES_OK && j < a->ln; j++)
    for (int i = 0; st == ES_OK && i < a->lm; i++) {
      const double x = a->a[(size_t) j * a->lld + i];
      if (isfinite(x)) continue;
      es_error("eigensolver: got matrix entry (%d, %d) = %g, expected a finite number",
               es_dmat_row(a, i) + 1, es_dmat_col(a, j) + 1, x);
      st = ES_EMATH;
    }
  return es_comm_agree(a->grid->comm, st);
}

/* Collective. best[j] <- largest magnitude in column j. */
static void largest(const es_dmat *v, double *best) {
  for (int j = 0; j < v->n; j++) best[j] = 0;
  for (int j = 0; j < v->ln; j++) {
    double *most = &best[es_dmat_col(v, j)];
    for (int i = 0; i < v->lm; i++)
      *most = fmax(*most, fabs(v->a[(size_t) j * v->lld + i]));
  }
  es_comm_max_f64(v->grid->comm, best, v->n);
}

/* Collective. first[j] <- -(2 row + (component < 0)) of the first component of largest
   magnitude: the maximum over ranks has the lowest row, and its parity is the sign. */
static void first_of_largest(const es_dmat *v, const double *best, int64_t *first) {
  for (int j = 0; j < v->n; j++) first[j] = INT64_MIN;
  for (int j = 0; j < v->ln; j++) {
    const int gj = es_dmat_col(v, j);
    for (int i = v->lm - 1; i >= 0; i--) {
      const double x = v->a[(size_t) j * v->lld + i];
      if (fabs(x) >= (1 - TIE) * best[gj])
        first[gj] = -(2 * (int64_t) es_dmat_row(v, i) + (x < 0));
    }
  }
  es_comm_max_i64(v->grid->comm, first, v->n);
}

es_status es_eig_fix_signs(es_dmat *v) {
  double *best = NULL;
  int64_t *first = NULL;
  es_status st = ES_NEW(v->n, &best);
  if (st == ES_OK) st = ES_NEW(v->n, &first);
  st = es_comm_agree(v->grid->comm, st);
  if (st == ES_OK) {
    largest(v, best);
    first_of_largest(v, best, first);
    for (int j = 0; j < v->ln; j++) {
      if (first[es_dmat_col(v, j)] % 2 == 0) continue;
      double *col = v->a + (size_t) j * v->lld;
      for (int i = 0; i < v->lm; i++) col[i] = -col[i];
    }
  }
  es_free(&first);
  es_free(&best);
  return st;
}

/* With all pairs: |sum w - trace| relative to sqrt(n) ||A||_F, which bounds both. */
static double trace_error(const es_eigen *e, double norm) {
  const double bound = sqrt(e->n) * norm;
  double sum = 0;
  if (e->k < e->n || bound == 0) return 0;
  for (int i = 0; i < e->k; i++) sum += e->value[i];
  return fabs(sum - e->trace) / bound;
}

static es_status reject(const char *solver, const char *what, double got) {
  es_error("eigensolver %s: got a %s of %.3g, expected at most %g", solver, what, got,
           ES_EIG_WORST);
  return ES_EMATH;
}

/* Eigenvalues only: verify their sum and sum of squares. norm: ||A||_F. */
static es_status verify_values(const char *solver, const es_dmat *a, double norm,
                               es_eigen *e) {
  double squares = 0;
  e->orthogonality = NAN;
  e->trace = es_dmat_trace(a);
  for (int i = 0; norm > 0 && i < e->k; i++) {
    const double x = e->value[i] / norm;
    squares += x * x;
  }
  const double off = trace_error(e, norm), off2 = norm > 0 ? fabs(squares - 1) : 0;
  if (!(off <= ES_EIG_WORST)) return reject(solver, "trace error", off);
  if (!(off2 <= ES_EIG_WORST)) return reject(solver, "error of the sum of squares", off2);
  e->residual = fmax(off, off2);
  return ES_OK;
}

/* Verify eigenpairs; exactly where that is cheap compared to solving. norm: ||A||_F. */
static es_status verify(const char *solver, const es_dmat *a, double norm, es_eigen *e) {
  const es_dmat v = es_dmat_first_cols(e->vector, e->k);
  es_eig_errors found;
  if (e->n <= ES_EIG_EXACT || e->k <= ES_EIG_SIGN_VECTORS)
    ES_TRY(es_eig_exact(a, &v, e->value, &found));
  else
    ES_TRY(es_eig_estimate(a, &v, e->value, &found));
  e->residual = norm > 0 ? found.residual / norm : found.residual;
  e->orthogonality = found.orthogonality / sqrt(e->k);
  e->trace = es_dmat_trace(a);
  const double off = trace_error(e, norm);
  /* Negated, so that NaN is rejected too. */
  if (!(e->residual <= ES_EIG_WORST)) return reject(solver, "residual", e->residual);
  if (!(e->orthogonality <= ES_EIG_WORST))
    return reject(solver, "loss of orthogonality", e->orthogonality);
  if (!(off <= ES_EIG_WORST)) return reject(solver, "trace error", off);
  return ES_OK;
}

/* Eigenpairs of the zero matrix, for which some solvers would divide by zero. */
static void solve_zero(es_eigen *e) {
  es_dmat *v = e->vector;
  for (int j = 0; j < v->ln; j++)
    for (int i = 0; i < v->lm; i++)
      v->a[(size_t) j * v->lld + i] = es_dmat_row(v, i) == es_dmat_col(v, j);
}

/* Collective. A copy for the solver to overwrite, with the same layout. */
static es_status copy(const es_dmat *a, es_dmat **work) {
  es_dmat *c = NULL;
  ES_TRY(es_dmat_create(a->grid, a->n, a->n, a->nb, &c));
  memcpy(c->a, a->a, sizeof *a->a * (size_t) a->lld * (size_t) a->ln);
  *work = c;
  return ES_OK;
}

/* Arguments of a solver run. */
typedef struct task {
  const es_eig_ops *ops;
  const es_dmat *a;
  double norm;          /* of A */
  const es_eigen *last; /* start vectors, or NULL */
} task;

static es_status iterate(const task *t, es_eigen *e) {
  const es_eigen *last = t->last;
  if (last == NULL || last->vector == NULL || last->n != e->n)
    return t->ops->iterate(t->a, e->k, NULL, e->value, e->vector);
  const es_dmat start = es_dmat_first_cols(last->vector, last->k);
  return t->ops->iterate(t->a, e->k, &start, e->value, e->vector);
}

static es_status solve(const task *t, es_eigen *e) {
  const es_comm *c = t->a->grid->comm;
  if (t->norm == 0) {
    if (e->vector) solve_zero(e);
    return ES_OK;
  }
  if (t->ops->iterate != NULL) {
    ES_TRY(es_comm_agree(c, iterate(t, e)));
  } else {
    es_dmat *work = NULL;
    ES_TRY(copy(t->a, &work));
    const es_status st = e->vector ? t->ops->solve(work, e->k, e->value, e->vector)
                                   : t->ops->values(work, e->value);
    es_dmat_destroy(&work);
    /* ScaLAPACK does not guarantee the same info on every rank. */
    ES_TRY(es_comm_agree(c, st));
    /* nor the same last bits, where processors differ */
    es_comm_bcast(c, e->value, (size_t) e->k * sizeof *e->value, 0);
  }
  if (e->vector == NULL) return ES_OK;
  es_dmat v = es_dmat_first_cols(e->vector, e->k);
  return es_eig_fix_signs(&v);
}

/* columns: number of vector columns to allocate, 0 = none. */
static es_status create(const es_dmat *a, int k, int columns, es_eigen **e) {
  es_eigen *n = NULL;
  es_status st = es_alloc(sizeof *n, "eigenpairs", (void **) &n);
  if (st == ES_OK) {
    n->n = a->n;
    n->k = k;
    st = ES_NEW(k, &n->value);
  }
  st = es_comm_agree(a->grid->comm, st);
  if (st == ES_OK && columns > 0)
    st = es_dmat_create(a->grid, a->n, columns, a->nb, &n->vector);
  if (st == ES_OK)
    *e = n;
  else if (n)
    es_eig_destroy(&n);
  return st;
}

static es_status find(const char *name, const es_dmat *a, const es_eig_ops **ops) {
  ES_CHECK(
      a->m == a->n && a->mb == a->nb, ES_EARG,
      "eigensolver: got a %d x %d matrix in %d x %d blocks, expected a square matrix "
      "in square blocks",
      a->m, a->n, a->mb, a->nb);
  return es_eig_find("eigensolver", name, ops);
}

es_status es_eig_solve_warm(const char *name, const es_dmat *a, int k,
                            const es_eigen *last, es_eigen **e) {
  ES_CHECK(k >= 0 && k <= a->n, ES_EARG,
           "eigensolver: got %d eigenpairs, expected 0 (all) to %d", k, a->n);
  if (k == 0) k = a->n;
  if (strcmp(name, "auto") == 0) name = automatic(a->grid->comm, a->n, k);
  task t = {.a = a, .last = last};
  es_eigen *n = NULL;
  ES_TRY(find(name, a, &t.ops));
  ES_TRY(norm_of_finite(a, &t.norm));
  ES_TRY(create(a, k, t.ops->iterate ? k : a->n, &n));
  es_status st = solve(&t, n);
  if (st == ES_OK) st = verify(t.ops->name, a, t.norm, n);
  if (st == ES_OK)
    *e = n;
  else
    es_eig_destroy(&n);
  return st;
}

es_status es_eig_solve(const char *name, const es_dmat *a, int k, es_eigen **e) {
  return es_eig_solve_warm(name, a, k, NULL, e);
}

es_status es_eig_values(const char *name, const es_dmat *a, es_eigen **e) {
  task t = {.a = a};
  es_eigen *n = NULL;
  if (strcmp(name, "auto") == 0) name = automatic_values(a->grid->comm, a->n);
  ES_TRY(find(name, a, &t.ops));
  ES_TRY(norm_of_finite(a, &t.norm));
  if (t.ops->values == NULL) return es_eig_solve(name, a, 0, e);
  ES_TRY(create(a, a->n, 0, &n));
  es_status st = solve(&t, n);
  if (st == ES_OK) st = verify_values(t.ops->name, a, t.norm, n);
  if (st == ES_OK)
    *e = n;
  else
    es_eig_destroy(&n);
  return st;
}

void es_eig_destroy(es_eigen **e) {
  if (!*e) return;
  es_dmat_destroy(&(*e)->vector);
  es_free(&(*e)->value);
  es_free(e);
}
