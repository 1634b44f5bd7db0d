/* SPDX-License-Identifier: BSD-3-Clause */
/** @file orthogonal_factor.h  The exact orthogonal factor of a matrix: U V' of its
 *  singular value decomposition, by LAPACK in double. Rank 0 computes and broadcasts, so
 *  that ranks on unlike processors hold the same bits. */
#ifndef ES_ORTHOGONAL_FACTOR_H
#define ES_ORTHOGONAL_FACTOR_H

#include "eigenstep/comm.h"

typedef struct es_orthogonal_factor es_orthogonal_factor;

/** Collective. Workspace for matrices [d, m]; the caller destroys *f.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_orthogonal_factor_create(const es_comm *c, int d, int m,
                                      es_orthogonal_factor **f);
void es_orthogonal_factor_destroy(es_orthogonal_factor **f);

/** Collective. out [d, m] = U V' of a [d, m] = U S V', row-major, replicated; about
 *  6 d m min(d, m) operations on rank 0.
 *  @return ES_OK, ES_EMATH (LAPACK failed): the same on all ranks */
es_status es_orthogonal_factor_compute(es_orthogonal_factor *f, const double *a,
                                       double *out);

#endif
