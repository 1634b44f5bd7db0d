/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_spectrum.c  Eigenvalues, and where somebody needs them vectors, of one
 *  matrix of a snapshot. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "eigenstep/cov.h"
#include "eigenstep/mem.h"
#include "snapshot_private.h"

bool es_snapshot_values_only(const es_snapshot *s) {
  return s->size.k == s->opt.dim && s->size.k >= ES_WIDE;
}

/* The D eigenvalues of c Z'Z from those of c ZZ', which are the same but for zeros. */
static es_status pad_with_zeros(const es_snapshot *s, es_eigen *e) {
  const int d = s->opt.dim;
  double *value = NULL;
  const es_status st = ES_COMM_NEW(s->grid->comm, d, &value);
  if (st != ES_OK) {
    es_free(&value);
    return st;
  }
  memcpy(value, e->value, sizeof(double) * (size_t) (e->k < d ? e->k : d));
  es_free(&e->value);
  e->value = value;
  e->n = e->k = d;
  return ES_OK;
}

es_status es_snapshot_values_of_rows(const es_snapshot *s, const double *z, int64_t n,
                                     double c, es_eigen **out) {
  const int d = s->opt.dim;
  const bool few = s->size.rows < d;
  es_dmat *a = NULL;
  es_eigen *e = NULL;
  es_status st;
  /* es_cov_cross(z, z) = Z'Z / rows */
  if (few)
    ES_TRY_GOTO(es_cov_gram(s->grid, z, n, d, c, &a), done);
  else
    ES_TRY_GOTO(es_cov_cross(s->grid, z, z, n, d, &a), done);
  ES_TRY_GOTO(es_eig_values(s->par.solver, a, &e), done);
  if (few) {
    ES_TRY_GOTO(pad_with_zeros(s, e), done);
  } else {
    const double scale = c * (double) s->size.rows;
    for (int i = 0; i < d; i++) e->value[i] *= scale;
    e->trace *= scale;
  }
  *out = e;
  e = NULL;
done:
  es_eig_destroy(&e);
  es_dmat_destroy(&a);
  return st;
}

/* V = Z' U, each column divided by its length; e holds the pairs of c ZZ'. */
static es_status lift(const es_snapshot *s, const double *z, int64_t n, double c, int k,
                      es_eigen *e) {
  const int known = e->k < k ? e->k : k;
  const double zero = (double) s->opt.dim * DBL_EPSILON * fmax(e->value[0], 0);
  const es_dmat u = es_dmat_first_cols(e->vector, known);
  es_dmat *rows = NULL, *v = NULL;
  es_status st;
  ES_TRY_GOTO(es_dmat_from_rows(s->grid, z, n, s->opt.dim, &rows), done);
  ES_TRY_GOTO(es_dmat_create(s->grid, s->opt.dim, k, e->vector->nb, &v), done);
  es_dmat leading = es_dmat_first_cols(v, known);
  ES_TRY_GOTO(es_dmat_gemm("TN", 1, rows, &u, 0, &leading), done);
  for (int j = 0; j < leading.ln; j++) {
    const double value = e->value[es_dmat_col(v, j)];
    const double factor = value > zero ? sqrt(c / value) : 0;
    for (int i = 0; i < v->lm; i++)
      v->a[(size_t) j * (size_t) v->lld + (size_t) i] *= factor;
  }
  ES_TRY_GOTO(es_eig_fix_signs(v), done);
  es_dmat_destroy(&e->vector);
  e->vector = v;
  v = NULL;
done:
  es_dmat_destroy(&v);
  es_dmat_destroy(&rows);
  return st;
}

es_status es_snapshot_pairs_of_rows(const es_snapshot *s, const double *z, int64_t n,
                                    double c, int k, es_eigen **out) {
  es_dmat *a = NULL;
  es_eigen *e = NULL;
  es_status st;
  ES_TRY_GOTO(es_cov_gram(s->grid, z, n, s->opt.dim, c, &a), done);
  ES_TRY_GOTO(es_eig_solve(s->par.solver, a, k < a->n ? k : 0, &e), done);
  ES_TRY_GOTO(lift(s, z, n, c, k, e), done);
  ES_TRY_GOTO(pad_with_zeros(s, e), done);
  e->k = k;
  *out = e;
  e = NULL;
done:
  es_eig_destroy(&e);
  es_dmat_destroy(&a);
  return st;
}

bool es_snapshot_by_rows(const es_snapshot *s, const es_matrix *m) {
  return m->ops->rows != NULL && s->size.rows < s->opt.dim && s->opt.dim >= ES_WIDE;
}

es_status es_snapshot_solve(const es_snapshot *s, es_matrix *m, const double *rows,
                            int64_t n, const es_dmat *a) {
  const double scale = 1 / (double) (s->size.rows - 1);
  es_eigen *e = NULL;
  if (a == NULL && es_snapshot_values_only(s)) /* most of them are zeros */
    ES_TRY(es_snapshot_values_of_rows(s, rows, n, scale, &e));
  else if (a == NULL)
    ES_TRY(es_snapshot_pairs_of_rows(s, rows, n, scale, s->size.k, &e));
  else if (!es_snapshot_values_only(s))
    ES_TRY(es_eig_solve_warm(s->par.solver, a, s->size.k, m->spectrum, &e));
  else
    ES_TRY(es_eig_values(s->par.solver, a, &e));
  es_eig_destroy(&m->spectrum);
  m->spectrum = e;
  return ES_OK;
}
