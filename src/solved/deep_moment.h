/* SPDX-License-Identifier: BSD-3-Clause */
/** @file deep_moment.h  The second moment of the views in the eigenvectors of Gamma. */
#ifndef ES_DEEP_MOMENT_H
#define ES_DEEP_MOMENT_H

#include "eigenstep/linear.h"

/** Collective. moment [k, k] <- V' M2 V, replicated, with V the k eigenvectors of Gamma
 *  and M2 = (1/2N) sum (x x' + x'' x''') over all pairs.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_deep_moment_compute(const es_comm *c, const es_modes *modes,
                                 const es_pairs *p, double *moment);

#endif
