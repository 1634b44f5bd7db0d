/* SPDX-License-Identifier: BSD-3-Clause */
/** @file change.h  Alignment of two kernels on the same points. */
#ifndef ES_NTK_CHANGE_H
#define ES_NTK_CHANGE_H

#include "eigenstep/dmat.h"

/** Collective. A <- H A H, H the projection onto vectors of mean 0; A [n, n] symmetric.
 *  @return ES_OK, ES_ENOMEM */
es_status es_ntk_center(es_dmat *a);
/** Collective. sum A B / (||A||_F ||B||_F), A and B of one grid and block size. */
double es_ntk_kernel_alignment(const es_dmat *a, const es_dmat *b);
/** Collective. Z Z' of z [n, d], the same on all ranks, centred; the caller destroys it.
 *  @return ES_OK, ES_ENOMEM */
es_status es_ntk_embedding_kernel(const es_grid *g, int n, int d, const double *z,
                                  es_dmat **k);

#endif
