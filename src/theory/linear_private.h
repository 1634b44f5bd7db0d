/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_private.h  Eigenpairs of Gamma from the 2n x 2n matrix of the
 *  samples, or from products with them. */
#ifndef ES_THEORY_LINEAR_PRIVATE_H
#define ES_THEORY_LINEAR_PRIVATE_H

#include "eigenstep/linear.h"

/** Collective. Fill k, whole, gamma, vector and the errors of `out`; k as in
 *  es_modes_create. */
es_status es_modes_from_samples(const es_grid *g, const es_pairs *p, int k,
                                es_modes *out);

/** Collective. The same for k >= 1 of them; k = 0 in `out`: the iteration did not
 *  converge. */
es_status es_modes_from_products(const es_grid *g, const es_pairs *p, int k,
                                 es_modes *out);

#endif
