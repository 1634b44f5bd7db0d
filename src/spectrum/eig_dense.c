/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_dense.c  All pairs of a small symmetric matrix that a rank holds by
 *  dsyevd. */
#include "eig_lapack.h"
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"

es_status es_eig_dense(int n, double *a, double *w) {
  double size = 0, *work = NULL;
  int isize = 0, *iwork = NULL, info = 0;
  const int query = -1;
  dsyevd_("V", "L", &n, a, &n, w, &size, &query, &isize, &query, &info);
  const int lwork = (int) size, liwork = isize;
  es_status st = ES_NEW(lwork, &work);
  if (st == ES_OK) st = ES_NEW(liwork, &iwork);
  if (st == ES_OK) dsyevd_("V", "L", &n, a, &n, w, work, &lwork, iwork, &liwork, &info);
  es_free(&iwork);
  es_free(&work);
  return st == ES_OK && info != 0 ? ES_EMATH : st;
}
