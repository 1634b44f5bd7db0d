/* SPDX-License-Identifier: BSD-3-Clause */
/** @file symmetric.h  Small symmetric matrices [D, D], row-major, held whole by every
 *  rank: functions of them by eigenvectors, Cholesky factors, inverses (LAPACK).
 *
 *  Rank 0 computes and broadcasts the result with its status: on unlike processors LAPACK
 *  rounds differently, and ranks that each decide by a result of their own part. */
#ifndef ES_SSL_SYMMETRIC_H
#define ES_SSL_SYMMETRIC_H

#include <stdbool.h>
#include <stddef.h>
#include "eigenstep/comm.h"

/** Widest D: LAPACK counts the numbers of its workspace in int. */
enum { ES_SYMMETRIC_WIDEST = 16384 };

/** f of one eigenvalue, and what else it depends on. */
typedef struct es_symmetric_map {
  double (*of)(double value, const void *ctx);
  const void *ctx;
} es_symmetric_map;

/** Collective. Sum over ranks of x: `before` numbers, then `count` symmetric matrices
 *  [D, D]. Of those the upper triangles travel, and on several
 *  ranks the results are symmetric; on one rank x stays as it is. */
void es_symmetric_sum(const es_comm *comm, int before, int count, int d, double *x);

/** Numbers of workspace for the next two, about 4 D^2. */
size_t es_symmetric_work(int d);

/** Collective. C = Q diag(value) Q' (dsyevd): value [D] ascending, the same bits on all
 *  ranks; Q in the workspace of rank 0. About 9 D^3 operations on rank 0.
 *  @param work  [es_symmetric_work(d)]
 *  @return ES_OK; ES_EMATH if LAPACK fails, as it may on NaN: the same on all ranks */
es_status es_symmetric_eigen(const es_comm *comm, int d, const double *c, double *value,
                             double *work);

/** Collective. result [D, D] = Q diag(f(value)) Q', after es_symmetric_eigen; the same
 *  bits on all ranks. */
void es_symmetric_rebuild(const es_comm *comm, int d, const double *value,
                          es_symmetric_map f, double *work, double *result);

/** Collective. C = L L' in place, the same bits on all ranks: L in the lower triangle,
 *  what lies above is not to be read.
 *  @return 0, or the order of the leading minor that is not positive: the same on all
 *          ranks, and C is undefined */
int es_symmetric_cholesky(const es_comm *comm, int d, double *c);

/** Collective. C -> C^-1 in place and *log_det = ln det C, by C = L L'; the same bits on
 *  all ranks. @return as es_symmetric_cholesky */
int es_symmetric_invert(const es_comm *comm, int d, double *c, double *log_det);

/** Collective. Rank 0's answer: are all numbers finite? */
bool es_symmetric_finite(const es_comm *comm, int d, const double *c);

#endif
