/* SPDX-License-Identifier: BSD-3-Clause */
/** @file symmetric.h  Small symmetric matrices [D, D], row-major, held whole by every
 *  rank: functions of them by eigenvectors, Cholesky factors, inverses (LAPACK). Not
 *  collective; equal matrices give equal results on equal machines. */
#ifndef ES_SSL_SYMMETRIC_H
#define ES_SSL_SYMMETRIC_H

#include <stdbool.h>
#include <stddef.h>
#include "eigenstep/status.h"

/** Widest D: LAPACK counts the numbers of its workspace in int. */
enum { ES_SYMMETRIC_WIDEST = 16384 };

/** f of one eigenvalue. */
typedef double es_symmetric_map(double value, const void *ctx);

/** Numbers of workspace for the next two, about 4 D^2. */
size_t es_symmetric_work(int d);

/** C = Q diag(value) Q' (dsyevd): value [D] ascending, Q in the workspace. About 9 D^3
 *  operations.
 *  @param work  [es_symmetric_work(d)]
 *  @return ES_OK; ES_EMATH if LAPACK fails, as it may on NaN */
es_status es_symmetric_eigen(int d, const double *c, double *value, double *work);

/** result [D, D] = Q diag(f(value)) Q', after es_symmetric_eigen. */
void es_symmetric_rebuild(int d, const double *value, es_symmetric_map *f,
                          const void *ctx, double *work, double *result);

/** C = L L' in place: L in the lower triangle, what lies above is not touched.
 *  @return 0, or the order of the leading minor that is not positive */
int es_symmetric_cholesky(int d, double *c);

/** L of es_symmetric_cholesky -> the whole of (L L')^-1, in place. */
void es_symmetric_invert(int d, double *l);

/** ln det(L L'). */
double es_symmetric_log_det(int d, const double *l);

bool es_symmetric_finite(int d, const double *c);

#endif
