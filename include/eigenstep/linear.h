/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear.h  Linear models f(x) = W x on pairs of views: the eigenpairs of
 *  Gamma = (1/2n) sum_i (x_i x_i'^T + x_i' x_i^T), symmetric, in general indefinite. */
#ifndef ES_LINEAR_H
#define ES_LINEAR_H

#include "eigenstep/descent.h"
#include "eigenstep/eig.h"

typedef struct es_modes {
  int m, k;                       /**< values of a view; eigenpairs */
  bool whole;                     /**< all non-zero eigenvalues are included */
  bool samples;                   /**< computed from the 2n x 2n matrix of the samples */
  bool products;                  /**< from products with the samples alone */
  double *gamma;                  /**< [k] descending, replicated; owned */
  es_dmat *vector;                /**< [m, >= k] first k columns: V; owned */
  double residual, orthogonality; /**< as in es_eigen */
} es_modes;

/** Collective. Eigenpairs of Gamma, which is never gathered on a rank; the caller
 *  destroys *modes.
 *
 *  From the m x m matrix (pdsyr2k, block-cyclic) or, if 2n < m or solver = "samples",
 *  from the samples: with Y the 2n x m matrix of all views, K = Y Y' and S the exchange
 *  of the views, K^(1/2) S K^(1/2) / 2n has the same non-zero eigenvalues, and V = Y'
 *  K^(-1/2) B. Directions in which K is below 1e-14 of its largest eigenvalue are
 *  omitted.
 *
 *  solver = "products": no matrix is formed; Gamma V = (X'(X~ V) + X~'(X V)) / 2n by
 *  Krylov iteration, 8 n m operations a vector. "auto" takes it for few pairs of many
 *  (see es_linear_solver_of), and one of the others if it does not converge.
 *  @param p       pairs, centred by the caller if needed; borrowed for the call
 *  @param k       number of leading eigenpairs; 0 = all
 *  @param solver  "auto", "samples", "products", or a solver of eig.h for the m x m
 *  matrix
 *  @return ES_OK, ES_ECONFIG (unknown solver), ES_EMATH, ES_ENOMEM */
es_status es_modes_create(const es_grid *g, const es_pairs *p, int k, const char *solver,
                          es_modes **modes);
/** Not collective. Free the modes and set *modes to NULL. */
void es_modes_destroy(es_modes **modes);

/** Collective. Coordinates in the modes: out [d, k] = W V, replicated, row-major; W [d,
 *  m] is given by f(ctx, i, j). @return ES_OK, ES_ENOMEM */
es_status es_modes_project(const es_modes *modes, int d,
                           double (*f)(void *ctx, int i, int j), void *ctx, double *out);

/** Collective. Inverse of es_modes_project within the span of V: out [d, m] = w V',
 *  replicated, row-major; w [d, k], the same on all ranks. @return ES_OK, ES_ENOMEM */
es_status es_modes_expand(const es_modes *modes, int d, const double *w, double *out);

/** Collective. Subtract from each view its mean over all pairs.
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (not finite): the same on all ranks */
es_status es_pairs_center(const es_comm *c, es_pairs *p);

/** What Gamma's eigenpairs come from. */
typedef enum es_linear_way {
  ES_LINEAR_MATRIX,  /**< the m x m matrix */
  ES_LINEAR_SAMPLES, /**< the 2n x 2n matrix of the samples */
  ES_LINEAR_PRODUCTS /**< products with the samples */
} es_linear_way;
/** Not collective. What es_modes_create takes for this solver and k pairs (0: all).
 *  "auto": products for k <= min(m, 2n) / 32 of at least 1024, else samples if 2n < m. */
es_linear_way es_linear_solver_of(const char *solver, int64_t m, int64_t n, int64_t k);
/** What takes memory: the way, eigenpairs, outputs. */
typedef struct es_linear_size {
  es_linear_way way;
  int64_t k, d;
} es_linear_size;
/** Not collective. Largest number of bytes on a rank (views, matrices, workspace), for
 *  dry runs. */
int64_t es_linear_bytes(int64_t m, int64_t n, const es_linear_size *s, int ranks);

#endif
