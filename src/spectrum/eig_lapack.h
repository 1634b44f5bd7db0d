/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_lapack.h  Fortran prototypes of the symmetric eigensolvers (INTEGER is
 *  32 bits), and helpers of the wrappers. */
#ifndef ES_SPECTRUM_EIG_LAPACK_H
#define ES_SPECTRUM_EIG_LAPACK_H

#include <limits.h>
#include "eigenstep/dmat.h"

/** LAPACK: all eigenpairs, ascending, by divide and conquer. */
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
             double *w, double *work, const int *lwork, int *iwork, const int *liwork,
             int *info);

/** ScaLAPACK: all eigenpairs, ascending, by divide and conquer. */
void pdsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *ia,
              const int *ja, const int *desca, double *w, double *z, const int *iz,
              const int *jz, const int *descz, double *work, const int *lwork, int *iwork,
              const int *liwork, int *info);

/** ScaLAPACK: all eigenvalues (jobz N), ascending, by QR iteration of the tridiagonal
 *  form. */
void pdsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *ia,
             const int *ja, const int *desca, double *w, double *z, const int *iz,
             const int *jz, const int *descz, double *work, const int *lwork, int *info);

/** ScaLAPACK: eigenpairs il..iu (range 'I'), ascending, by relatively robust
 * representations. */
void pdsyevr_(const char *jobz, const char *range, const char *uplo, const int *n,
              double *a, const int *ia, const int *ja, const int *desca, const double *vl,
              const double *vu, const int *il, const int *iu, int *m, int *nz, double *w,
              double *z, const int *iz, const int *jz, const int *descz, double *work,
              const int *lwork, int *iwork, const int *liwork, int *info);

/** A <- -A (exact). The libraries sort ascending, so the k largest pairs of A are the
 *  first k of -A, with the same vectors in the same order. */
static inline void es_eig_negate(es_dmat *a) {
  const size_t n = (size_t) a->lld * (size_t) a->ln;
  for (size_t i = 0; i < n; i++) a->a[i] = -a->a[i];
}

/** Workspace size for a library query that returned `asked`, enlarged: the query of
 *  pdsyevd (ScaLAPACK 2.2) omits what pdormtr needs for small matrices, (rows + columns +
 *  block) block numbers. With too little workspace the vectors stay untransformed
 *  although info = 0, and with small blocks memory is overrun.
 *  @return ES_OK; ES_EARG if the size exceeds a 32-bit int */
static inline es_status es_eig_workspace(const es_dmat *a, double asked, int *size) {
  const double margin = 2.0 * (a->lm + a->ln + a->nb) * a->nb + 8.0 * a->n + 64;
  ES_CHECK(
      asked + margin <= INT_MAX, ES_EARG,
      "eigensolver: got a workspace of %.3g numbers on one rank, expected at most %d: "
      "use more ranks",
      asked + margin, INT_MAX);
  *size = (int) (asked + margin);
  return ES_OK;
}

#endif
