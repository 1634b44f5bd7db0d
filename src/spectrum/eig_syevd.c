/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_syevd.c  ScaLAPACK's divide and conquer (Tisseur and Dongarra, SIAM J. Sci.
 *  Comput. 20, 1999): the fastest solver for all pairs. Eigenvalues only: pdsyev, which
 *  uses the same tridiagonal form. */
#include <math.h>
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "eig_lapack.h"

static const int one = 1;

static int call(es_dmat *a, double *w, es_dmat *v, double *work, int lwork, int *iwork,
                int liwork) {
  int info = 0;
  pdsyevd_("V", "L", &a->n, a->a, &one, &one, a->desc, w, v->a, &one, &one, v->desc, work,
           &lwork, iwork, &liwork, &info);
  return info;
}

static es_status solve(es_dmat *a, int k, double *w, es_dmat *v) {
  double size = 0, *work = NULL, *all = NULL;
  int isize = 0, *iwork = NULL;
  es_status st = ES_OK;
  int info = call(a, w, v, &size, -1, &isize, -1);
  int lwork = 0, liwork = 0;
  if (info == 0) {
    /* its own formula, as the query overflows */
    size = fmax(size, 1 + 8.0 * a->n + 2.0 * a->lm * a->ln);
    st = es_eig_workspace(a, size, &lwork);
    if (st == ES_OK) st = es_eig_workspace(a, isize, &liwork);
    if (st == ES_OK) st = ES_NEW(a->n, &all);
    if (st == ES_OK) st = ES_NEW(lwork, &work);
    if (st == ES_OK) st = ES_NEW(liwork, &iwork);
  }
  st = es_comm_agree(a->grid->comm, st);
  if (st == ES_OK && info == 0) {
    es_eig_negate(a);
    info = call(a, all, v, work, lwork, iwork, liwork);
    for (int i = 0; i < k; i++) w[i] = -all[i];
  }
  es_free(&iwork);
  es_free(&work);
  es_free(&all);
  ES_TRY(st);
  ES_CHECK(info == 0, ES_EMATH, "eigensolver syevd failed (ScaLAPACK's info = %d)", info);
  return ES_OK;
}

static int call_values(es_dmat *a, double *w, double *work, int lwork) {
  int info = 0;
  pdsyev_("N", "L", &a->n, a->a, &one, &one, a->desc, w, a->a, &one, &one, a->desc, work,
          &lwork, &info);
  return info;
}

static es_status values(es_dmat *a, double *w) {
  double size = 0, *work = NULL;
  int info = call_values(a, w, &size, -1), lwork = 0;
  es_status st = ES_OK;
  if (info == 0) {
    st = es_eig_workspace(a, size, &lwork);
    if (st == ES_OK) st = ES_NEW(lwork, &work);
  }
  st = es_comm_agree(a->grid->comm, st);
  if (st == ES_OK && info == 0) {
    es_eig_negate(a);
    info = call_values(a, w, work, lwork);
    for (int i = 0; i < a->n; i++) w[i] = -w[i];
  }
  es_free(&work);
  ES_TRY(st);
  ES_CHECK(info == 0, ES_EMATH, "eigensolver syev failed (ScaLAPACK's info = %d)", info);
  return ES_OK;
}

const es_eig_ops es_eig_syevd = {
    .name = "syevd",
    .doc = "ScaLAPACK pdsyevd, divide and conquer, all pairs",
    .solve = solve,
    .values = values,
};
