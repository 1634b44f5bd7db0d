/* SPDX-License-Identifier: BSD-3-Clause */
/** @file descent_private.h  Common functions of the simulations. */
#ifndef ES_THEORY_DESCENT_PRIVATE_H
#define ES_THEORY_DESCENT_PRIVATE_H

#include "eigenstep/descent.h"

/** E [d, d] = C - I with off-diagonal entries times w; the gradient is 4 E W Gamma. */
void es_descent_error(const es_descent *o, const double *c, double *e);

/** Has C diverged: trace not finite or above 1e150? */
bool es_descent_diverged(int d, const double *c);

#endif
