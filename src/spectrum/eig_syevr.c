/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_syevr.c  ScaLAPACK's relatively robust representations (Vömel, ACM
 *  TOMS 37, 2010): computes only the k leading pairs. */
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "eig_lapack.h"

static const int one = 1;

typedef struct result {
  int info, values, vectors;
} result;

/* v NULL: eigenvalues only. */
static result call(es_dmat *a, int k, double *w, es_dmat *v, double *work, int lwork,
                   int *iwork, int liwork) {
  result r = {0, 0, 0};
  const double unused = 0;
  const bool vectors = v != NULL;
  if (!vectors) v = a; /* a valid array that is not used */
  pdsyevr_(vectors ? "V" : "N", k < a->n ? "I" : "A", "L", &a->n, a->a, &one, &one,
           a->desc, &unused, &unused, &one, &k, &r.values, &r.vectors, w, v->a, &one,
           &one, v->desc, work, &lwork, iwork, &liwork, &r.info);
  return r;
}

/* Number of pairs to request. pdsyevr (ScaLAPACK 2.2) reserves max(18 n, rows cols + 2
   nb^2) elements for pdormtr, which needs (rows + cols + nb) nb, `cols` being the wanted
   columns on the first process: too few if cols < nb, whatever the workspace size. */
static int pairs_to_ask(const es_dmat *a, int k) {
  return a->n > a->nb && k < a->nb ? a->nb : k;
}

static es_status run(es_dmat *a, int k, double *w, es_dmat *v) {
  double *work = NULL, *all = NULL, size[3] = {0};
  int *iwork = NULL, isize[3] = {0};
  const int ask = v ? pairs_to_ask(a, k) : a->n;
  es_status st = ES_OK;
  result r = call(a, ask, w, v, size, -1, isize, -1);
  int lwork = 0, liwork = 0;
  if (r.info == 0) {
    st = es_eig_workspace(a, size[0], &lwork);
    if (st == ES_OK) st = es_eig_workspace(a, isize[0], &liwork);
    if (st == ES_OK) st = ES_NEW(a->n, &all);
    if (st == ES_OK) st = ES_NEW(lwork, &work);
    if (st == ES_OK) st = ES_NEW(liwork, &iwork);
  }
  st = es_comm_agree(a->grid->comm, st);
  if (st == ES_OK && r.info == 0) {
    es_eig_negate(a);
    r = call(a, ask, all, v, work, lwork, iwork, liwork);
    for (int i = 0; i < k; i++) w[i] = -all[i];
  }
  es_free(&iwork);
  es_free(&work);
  es_free(&all);
  ES_TRY(st);
  ES_CHECK(r.info == 0, ES_EMATH, "eigensolver syevr failed (ScaLAPACK's info = %d)",
           r.info);
  ES_CHECK(r.values >= ask && (!v || r.vectors >= ask), ES_EMATH,
           "eigensolver syevr: got %d eigenvalues and %d vectors, expected %d", r.values,
           r.vectors, ask);
  return ES_OK;
}

static es_status solve(es_dmat *a, int k, double *w, es_dmat *v) {
  return run(a, k, w, v);
}

static es_status values(es_dmat *a, double *w) {
  return run(a, a->n, w, NULL);
}

const es_eig_ops es_eig_syevr = {
    .name = "syevr",
    .doc = "ScaLAPACK pdsyevr, relatively robust representations, leading pairs only",
    .solve = solve,
    .values = values,
};
