/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_spectrum.c  Eigenvalues, and where somebody needs them vectors, of one
 *  matrix of a snapshot. */
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
  const es_status st = es_comm_agree(s->grid->comm, ES_NEW(d, &value));
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

es_status es_snapshot_solve(const es_snapshot *s, es_matrix *m, const double *rows,
                            int64_t n, const es_dmat *a) {
  const double scale = 1 / (double) (s->size.rows - 1);
  es_eigen *e = NULL;
  if (!es_snapshot_values_only(s))
    ES_TRY(es_eig_solve_warm(s->par.solver, a, s->size.k, m->spectrum, &e));
  else if (m->ops->of_rows && s->size.rows < s->opt.dim) /* most of A's are zeros */
    ES_TRY(es_snapshot_values_of_rows(s, rows, n, scale, &e));
  else
    ES_TRY(es_eig_values(s->par.solver, a, &e));
  es_eig_destroy(&m->spectrum);
  m->spectrum = e;
  return ES_OK;
}
