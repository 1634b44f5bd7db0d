/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_verify.h  Errors of computed eigenpairs, exact or estimated. */
#ifndef ES_SPECTRUM_EIG_VERIFY_H
#define ES_SPECTRUM_EIG_VERIFY_H

#include "eigenstep/dmat.h"

/** Number of random vectors of an estimate: each takes one bit of a 32-bit number. */
enum { ES_EIG_SIGN_VECTORS = 16 };

/** Largest accepted residual, loss of orthogonality and trace error. */
#define ES_EIG_WORST 1e-10

typedef struct es_eig_errors {
  double residual;      /**< ||A V - V diag(w)||_F */
  double orthogonality; /**< ||V'V - I||_F */
} es_eig_errors;

/** Collective. Errors of V [n, k], w[k] as eigenpairs of A [n, n], NaN where V holds a
 *  NaN. 2 n^2 k + 2 n k^2 operations.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_eig_exact(const es_dmat *a, const es_dmat *v, const double *w,
                       es_eig_errors *out);

/** Collective. ||V'V - I||_F alone. @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_eig_orthogonality(const es_dmat *v, double *out);

/** Collective. The same errors, estimated with 2 n^2 + 6 n k operations per random
 *  vector: E |M x|^2 = ||M||_F^2 for entries of x that are +1 or -1 with equal
 *  probability (Hutchinson, Commun. Stat. Simul. Comput. 19, 1990). The relative standard
 *  deviation of the estimated norm is at most about 1 / sqrt(2 ES_EIG_SIGN_VECTORS) =
 *  0.18. One wrong column of A V - V diag(w), or several orthogonal ones, count exactly,
 *  since x_j^2 = 1. Any M other than 0 is missed by one vector with a probability of at
 *  most 1/2, by all with at most 2^-16. The vectors depend on k only: results are the
 *  same in every run. */
es_status es_eig_estimate(const es_dmat *a, const es_dmat *v, const double *w,
                          es_eig_errors *out);

#endif
