/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig.h  Symmetric eigenproblems on distributed matrices. Variants: eig_list.h. */
#ifndef ES_EIG_H
#define ES_EIG_H

#include "eigenstep/dmat.h"

/* --- for authors of a solver
 * ------------------------------------------------------------ */
typedef struct es_eig_ops {
  const char *name, *doc;
  /** Collective. The k largest eigenpairs of symmetric A [n, n] (A is destroyed):
   *  w[k] descending, replicated; vectors in the first k columns of v [n, n] in the same
   * order. info from the library is reported as ES_EMATH. */
  es_status (*solve)(es_dmat *a, int k, double *w, es_dmat *v);
  /** Collective. All n eigenvalues without vectors (A is destroyed): w[n] descending,
   *  replicated. NULL: it has no shorter way to them than `solve`. */
  es_status (*values)(es_dmat *a, double *w);
  /** Instead of `solve` where A is only multiplied with: A is unchanged, v is [n, k].
   *  start [n, m]: columns near the wanted ones to begin with, or NULL. */
  es_status (*iterate)(const es_dmat *a, int k, const es_dmat *start, double *w,
                       es_dmat *v);
} es_eig_ops;

/* --- for users
 * -------------------------------------------------------------------------- */
/** Up to this order the errors of the eigenpairs are computed exactly. */
enum { ES_EIG_EXACT = 256 };

/** The errors are exact for n <= ES_EIG_EXACT or k <= 16. Otherwise, since computing
 *  them would cost as much as solving, they are estimated from 16 random vectors of +1
 *  and -1 that are the same in every run: the square without bias, the norm with a
 *  relative standard deviation of at most 0.18. A single wrong eigenvector, or two
 *  exchanged, show in the residual with their full size; another error escapes with a
 *  probability of at most 2^-16. */
typedef struct es_eigen {
  int n, k;        /**< order of the matrix, number of pairs */
  double *value;   /**< [k] descending, replicated; owned */
  es_dmat *vector; /**< [n, n] or [n, k], first k columns valid; sign: largest-magnitude
                        component positive; owned; NULL: eigenvalues only */
  double trace;    /**< of A */
  double residual; /**< ||A V - V diag(w)||_F / ||A||_F (0 for A = 0); without
                        vectors see es_eig_values */
  double orthogonality; /**< ||V'V - I||_F / sqrt(k); NaN without vectors */
} es_eigen;

/** All registered solvers: n names for `choices` and tests. */
size_t es_eig_list(const es_eig_ops *const **list);

/** Collective. Solve and verify. A is unchanged.
 *  @param name  "syevd", "syevr", "subspace", "serial" or "auto" (subspace for very few
 *               pairs of a large matrix, syevr for few, else syevd)
 *  @param k     1..n; 0 = all
 *  @return ES_OK; ES_ECONFIG (unknown name); ES_EARG (k > n, not square);
 *          ES_EMATH (not finite, no convergence, residual or loss of
 *          orthogonality above 1e-10: got/expected) */
es_status es_eig_solve(const char *name, const es_dmat *a, int k, es_eigen **e);

/** Collective. The same for one of a sequence of matrices that change slowly: the
 *  iterative solver begins with the vectors of the `last` one. The result is as accurate
 *  as es_eig_solve's whatever the change, only sooner there.
 *  @param last  of the matrix before, or NULL; ignored where its order differs */
es_status es_eig_solve_warm(const char *name, const es_dmat *a, int k,
                            const es_eigen *last, es_eigen **e);

/** Collective. All eigenvalues, without vectors: about a third of the work. Verified by
 *  sum w = trace A and sum w^2 = ||A||_F^2; the larger of |sum w - trace A| /
 *  (sqrt(n) ||A||_F) and |sum w^2 / ||A||_F^2 - 1|, the residual, is refused above 1e-10.
 *  Where a solver has no way without vectors, the result has them.
 *  @return as es_eig_solve */
es_status es_eig_values(const char *name, const es_dmat *a, es_eigen **e);
void es_eig_destroy(es_eigen **e);

#endif
