/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_rayleigh.h  The small problem H c = gamma G c of a basis. */
#ifndef ES_THEORY_KERNEL_RAYLEIGH_H
#define ES_THEORY_KERNEL_RAYLEIGH_H

#include "eigenstep/status.h"

typedef struct es_rayleigh {
  int most;      /**< leading dimension of g and h */
  double *g, *h; /**< [most][most] V'K V and V'K A V, symmetric */
  int found;     /**< pairs found */
  double *gamma; /**< [wanted] descending */
  double *c;     /**< [wanted][s] coefficients with c'G c = I */
  double top;    /**< largest eigenvalue of G */
} es_rayleigh;

/** Not collective. The leading `wanted` pairs of the first s rows and columns, or fewer:
 *  directions in which G is below 1e-10 of its top are left out.
 *  @return ES_OK, ES_ENOMEM; ES_EMATH (G is not positive; logged) */
es_status es_rayleigh_solve(es_rayleigh *r, int s, int wanted);

/** Not collective. x [b][s] <- G^+ x, the pseudo-inverse without the same directions.
 *  @return as es_rayleigh_solve */
es_status es_rayleigh_inverse(es_rayleigh *r, int s, int b, double *x);

/** Not collective. q [count][s] <- orthonormal columns that span those of r->c; returns
 *  their number. */
int es_rayleigh_span(const es_rayleigh *r, int s, int count, double *q);

/** Not collective. G <- Q'G Q, H likewise, in their first `count` rows and columns;
 *  work [s][count]. */
void es_rayleigh_restrict(es_rayleigh *r, int s, int count, const double *q,
                          double *work);

#endif
