/* SPDX-License-Identifier: BSD-3-Clause */
/** @file symmetric.h  Symmetric matrices [D, D], row-major, held once a node (gram.h):
 *  functions of them by eigenvectors, Cholesky factors, inverses (LAPACK).
 *
 *  Rank 0 of those that decide alike computes, and sends the result with its status: on
 *  unlike processors LAPACK rounds differently, and ranks that each decide by a result of
 *  their own part. Matrices are those of g. */
#ifndef ES_SSL_SYMMETRIC_H
#define ES_SSL_SYMMETRIC_H

#include "gram.h"

/** Widest D: LAPACK counts the numbers of its workspace in int. */
enum { ES_SYMMETRIC_WIDEST = 16384 };

/** f of one eigenvalue, and what else it depends on. */
typedef struct es_symmetric_map {
  double (*of)(double value, const void *ctx);
  const void *ctx;
} es_symmetric_map;

/** Operations of a decomposition and a matrix from it, of a Cholesky factor, and of an
 *  inverse with it, over D^3, as they take time: what eigenvectors take is not all
 *  products. */
#define ES_SYMMETRIC_DECOMPOSE 25.0
#define ES_SYMMETRIC_FACTORISE (2.0 / 3)
#define ES_SYMMETRIC_INVERT 2.0

/** es_gram_size.work that the next two need, about 4 D^2 numbers. */
size_t es_symmetric_work(int d);

/** Collective. C = Q diag(value) Q' (dsyevd): value [D] ascending, the same bits on all
 *  ranks; Q in the workspace of rank 0. About 9 D^3 operations on rank 0, which alone
 *  reads c.
 *  @return ES_OK; ES_EMATH if LAPACK fails, as it may on NaN: the same on all ranks */
es_status es_symmetric_eigen(const es_gram *g, const double *c, double *value);

/** Collective. result = Q diag(f(value)) Q', after es_symmetric_eigen. */
void es_symmetric_rebuild(const es_gram *g, const double *value, es_symmetric_map f,
                          double *result);

/** Collective. C + shift I = L L', in place: L in the lower triangle, what lies above is
 *  not to be read.
 *  @return 0, or the order of the leading minor that is not positive: the same on all
 *          ranks, and C is undefined */
int es_symmetric_cholesky(const es_gram *g, double shift, double *c);

/** Collective. C -> (C + shift I)^-1 in place and *log_det = ln det (C + shift I), by its
 *  Cholesky factor. @return as es_symmetric_cholesky */
int es_symmetric_invert(const es_gram *g, double shift, double *c, double *log_det);

/** Collective. Rank 0's answer: are all numbers finite? */
bool es_symmetric_finite(const es_gram *g, const double *c);

#endif
