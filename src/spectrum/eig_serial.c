/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_serial.c  LAPACK's dsyevd on one rank: reference for the parallel solvers,
 *  and faster for small matrices. Every rank allocates 8 n^2 bytes.
 *
 *  Rank 0 solves and broadcasts, so that the result is bitwise equal on all ranks even if
 *  the LAPACK libraries of nodes differ (vectors of equal eigenvalues are only defined up
 *  to a rotation). */
#include <math.h>
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "eig_lapack.h"

/* full[n][n] symmetric -> eigenvectors by columns (jobz V), w ascending. */
static es_status dense(const es_dmat *a, const char *jobz, double *full, double *w) {
  const int n = a->n;
  double size = 0, *work = NULL;
  int isize = 0, *iwork = NULL, info = 0;
  const int query = -1;
  dsyevd_(jobz, "L", &n, full, &n, w, &size, &query, &isize, &query, &info);
  /* its own formula, as the query overflows from order 32,767 on; of values alone less */
  if (*jobz == 'V') size = fmax(size, 1 + 6.0 * n + 2.0 * n * n);
  int lwork = 0, liwork = 0;
  ES_TRY(es_eig_workspace(a, size, &lwork));
  ES_TRY(es_eig_workspace(a, isize, &liwork));
  es_status st = ES_NEW(lwork, &work);
  if (st == ES_OK) st = ES_NEW(liwork, &iwork);
  if (st == ES_OK) {
    dsyevd_(jobz, "L", &n, full, &n, w, work, &lwork, iwork, &liwork, &info);
    if (info != 0) {
      es_error("eigensolver syevd failed (LAPACK's info = %d)", info);
      st = ES_EMATH;
    }
  }
  es_free(&iwork);
  es_free(&work);
  return st;
}

/* v NULL: eigenvalues only. */
static es_status run(es_dmat *a, int k, double *w, es_dmat *v) {
  const es_comm *c = a->grid->comm;
  const int64_t n = a->n;
  double *full = NULL, *all = NULL;
  es_status st = ES_NEW(n * n, &full);
  if (st == ES_OK) st = ES_NEW(n, &all);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  es_eig_negate(a);
  ES_TRY_GOTO(es_dmat_gather(a, full), done);
  if (c->rank == 0) st = dense(a, v ? "V" : "N", full, all);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  es_comm_bcast(c, all, sizeof *all * (size_t) n, 0);
  for (int i = 0; i < k; i++) w[i] = -all[i];
  if (v) es_comm_bcast(c, full, sizeof *full * (size_t) n * (size_t) n, 0);
  for (int j = 0; v && j < v->ln; j++)
    for (int i = 0; i < v->lm; i++)
      v->a[(size_t) j * v->lld + i] = full[es_dmat_col(v, j) * n + es_dmat_row(v, i)];
done:
  es_free(&all);
  es_free(&full);
  return st;
}

static es_status solve(es_dmat *a, int k, double *w, es_dmat *v) {
  return run(a, k, w, v);
}

static es_status values(es_dmat *a, double *w) {
  return run(a, a->n, w, NULL);
}

const es_eig_ops es_eig_serial = {
    .name = "serial",
    .doc = "LAPACK dsyevd on one rank, reference for small matrices",
    .solve = solve,
    .values = values,
};
