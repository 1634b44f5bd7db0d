/* SPDX-License-Identifier: BSD-3-Clause */
/** @file svd.c  LAPACK's dgesvd. */
#include "svd.h"

#include "eigenstep/mem.h"

void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a,
             const int *lda, double *s, double *u, const int *ldu, double *vt,
             const int *ldvt, double *work, const int *lwork, int *info);

es_status es_svd(bool vectors, int m, int n, double *a, double *s) {
  const int least = m < n ? m : n, most = m < n ? n : m, one = 1;
  const int lwork = 5 * (3 * least + most);
  double *work = NULL, unused;
  int info = 0;
  ES_TRY(ES_NEW(lwork, &work));
  dgesvd_(vectors ? "O" : "N", "N", &m, &n, a, &m, s, &unused, &one, &unused, &one, work,
          &lwork, &info);
  es_free(&work);
  ES_CHECK(info == 0, ES_EMATH,
           "singular values of the embeddings failed (LAPACK's info = %d)", info);
  return ES_OK;
}
