/* SPDX-License-Identifier: BSD-3-Clause */
/** @file descent_private.h  What the simulations share. */
#ifndef ES_THEORY_DESCENT_PRIVATE_H
#define ES_THEORY_DESCENT_PRIVATE_H

#include "eigenstep/descent.h"

/** E [d, d] = C - I, its off-diagonal entries times w: a quarter of dL/dC's part in the
 *  gradient 4 E W Gamma. */
void es_descent_error(const es_descent *o, const double *c, double *e);

/** Not finite, or on its way there. */
bool es_descent_diverged(int d, const double *c);

#endif
