/* SPDX-License-Identifier: BSD-3-Clause */
/** @file scalapack.h  Fortran prototypes of the ScaLAPACK and PBLAS routines used
 *  here (the libraries have no C header). INTEGER is 32 bits; hidden string lengths are
 *  omitted, as all strings are single characters. Arguments: netlib.org/scalapack. */
#ifndef ES_TENSOR_SCALAPACK_H
#define ES_TENSOR_SCALAPACK_H

/** C <- alpha op(A) op(B) + beta C. */
void pdgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k,
             const double *alpha, const double *a, const int *ia, const int *ja,
             const int *desca, const double *b, const int *ib, const int *jb,
             const int *descb, const double *beta, double *c, const int *ic,
             const int *jc, const int *descc);

/** One triangle of C <- alpha A'A + beta C (trans = 'T'). */
void pdsyrk_(const char *uplo, const char *trans, const int *n, const int *k,
             const double *alpha, const double *a, const int *ia, const int *ja,
             const int *desca, const double *beta, double *c, const int *ic,
             const int *jc, const int *descc);

/** One triangle of C <- alpha (A'B + B'A) + beta C (trans = 'T'). */
void pdsyr2k_(const char *uplo, const char *trans, const int *n, const int *k,
              const double *alpha, const double *a, const int *ia, const int *ja,
              const int *desca, const double *b, const int *ib, const int *jb,
              const int *descb, const double *beta, double *c, const int *ic,
              const int *jc, const int *descc);

/** C <- alpha A' + beta C, C is m x n. */
void pdtran_(const int *m, const int *n, const double *alpha, const double *a,
             const int *ia, const int *ja, const int *desca, const double *beta,
             double *c, const int *ic, const int *jc, const int *descc);

/** B <- A between any two block-cyclic layouts; context covers the ranks of both. */
void pdgemr2d_(const int *m, const int *n, const double *a, const int *ia, const int *ja,
               const int *desca, double *b, const int *ib, const int *jb,
               const int *descb, const int *context);

/** A = Q R: R above the diagonal, the reflectors of Q below it and in tau. */
void pdgeqrf_(const int *m, const int *n, double *a, const int *ia, const int *ja,
              const int *desca, double *tau, double *work, const int *lwork, int *info);

/** The first n columns of Q [m, n], of k reflectors of pdgeqrf, in place. */
void pdorgqr_(const int *m, const int *n, const int *k, double *a, const int *ia,
              const int *ja, const int *desca, const double *tau, double *work,
              const int *lwork, int *info);

#endif
