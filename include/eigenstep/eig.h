/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig.h  Symmetric eigenproblems on distributed matrices. Variants: eig_list.h. */
#ifndef ES_EIG_H
#define ES_EIG_H

#include "eigenstep/dmat.h"

/* --- for authors of a solver -------------------------------------------------------- */
typedef struct es_eig_ops {
  const char *name, *doc;
  /** Collective. The k largest eigenpairs of symmetric A [n, n] (overwritten): w[k]
   *  descending, replicated; vectors in the same order in the first k columns of v [n,
   *  n]. info != 0 of the library is returned as ES_EMATH. */
  es_status (*solve)(es_dmat *a, int k, double *w, es_dmat *v);
  /** Collective. All n eigenvalues without vectors (A is overwritten): w[n] descending,
   *  replicated. NULL: `solve` is used instead. */
  es_status (*values)(es_dmat *a, double *w);
  /** Iterative solvers, instead of `solve`: A is unchanged, v is [n, k].
   *  start [n, m]: start vectors, or NULL. */
  es_status (*iterate)(const es_dmat *a, int k, const es_dmat *start, double *w,
                       es_dmat *v);
} es_eig_ops;

/* --- for users ---------------------------------------------------------------------- */
/** Up to this order, errors of eigenpairs are computed exactly. */
enum { ES_EIG_EXACT = 256 };

/** Eigenpairs and their errors. The errors are exact for n <= ES_EIG_EXACT or k <= 16.
 *  Otherwise computing them would cost as much as solving; they are estimated from 16
 *  random vectors of +1 and -1, the same in every run: unbiased for the square, with a
 *  relative standard deviation of at most 0.18 for the norm. A single wrong eigenvector,
 *  or two exchanged ones, appear in the residual with their full size; any other error is
 *  missed with a probability of at most 2^-16. */
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

/** Not collective. All registered solvers; returns their number. */
size_t es_eig_list(const es_eig_ops *const **list);
/** Not collective. The solver of that name ("auto" is none); `what` is named in the
 *  error. @return ES_OK; ES_ECONFIG (unknown); ES_ENOTSUP (known, but not in this build:
 *  the error says how to add it) */
es_status es_eig_find(const char *what, const char *name, const es_eig_ops **ops);

/** Collective. Leading eigenpairs of symmetric A [n, n], verified. A is unchanged; the
 *  caller destroys *e.
 *  @param name  "syevd", "syevr", "subspace", "serial", "elpa" (in builds with it) or
 *               "auto" (subspace for k <= n/32 of a matrix with n >= 1024; serial for
 *               n <= 1024 on several nodes; syevr for k <= n/4; elpa for n >= 256; else
 *               syevd)
 *  @param k     1..n; 0 = all
 *  @return ES_OK; ES_ECONFIG (unknown name); ES_ENOTSUP (not in this build);
 *          ES_EARG (k > n, not square);
 *          ES_EMATH (not finite, no convergence, residual or loss of
 *          orthogonality above 1e-10: got/expected) */
es_status es_eig_solve(const char *name, const es_dmat *a, int k, es_eigen **e);

/** Collective. The same with a warm start, for a sequence of matrices that change slowly:
 *  the iterative solver starts from the vectors of `last`. The accuracy does not depend
 *  on the change, only the number of iterations does.
 *  @param last  result for the previous matrix, or NULL; ignored if its order differs */
es_status es_eig_solve_warm(const char *name, const es_dmat *a, int k,
                            const es_eigen *last, es_eigen **e);

/** A symmetric operator that is known by its products alone. */
typedef struct es_eig_operator {
  const es_comm *comm;
  int n; /**< order */
  /** Collective. x [b][n] <- A x for b <= 32 columns, replicated. */
  void (*apply)(void *ctx, int b, double *x);
  void *ctx;
} es_eig_operator;

/** Collective. Leading eigenpairs of an operator, by Krylov iteration; a product with all
 *  vectors verifies them: residual and orthogonality are exact, the residual relative to
 *  (sum w^2)^(1/2); trace is NaN. The caller destroys *e.
 *  @param g  grid of the vectors, e->vector [n, k]
 *  @param k  1 .. n / 16
 *  @return ES_OK; *e = NULL where the iteration does not converge; ES_ENOMEM; ES_EMATH as
 *          es_eig_solve: the same on all ranks */
es_status es_eig_leading(const es_eig_operator *a, const es_grid *g, int k, es_eigen **e);

/** Collective. All eigenvalues without vectors, about a third of the work. Verified by
 *  sum w = trace A and sum w^2 = ||A||_F^2: the residual is the larger of |sum w - trace
 *  A| / (sqrt(n) ||A||_F) and |sum w^2 / ||A||_F^2 - 1|, an error above 1e-10. A solver
 *  without `values` computes the vectors too.
 *  @return as es_eig_solve */
es_status es_eig_values(const char *name, const es_dmat *a, es_eigen **e);
/** Not collective. All eigenpairs of a small symmetric matrix: a [n][n] <- vectors, one
 *  after the other, w[n] ascending. n at most 32,766. @return ES_OK, ES_EMATH (not
 *  logged), ES_ENOMEM */
es_status es_eig_dense(int n, double *a, double *w);
/** Collective. Make the component of largest magnitude in each column positive (the first
 *  of ties). @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_eig_fix_signs(es_dmat *v);

/** Not collective. Free the eigenpairs and set *e to NULL. */
void es_eig_destroy(es_eigen **e);

#endif
