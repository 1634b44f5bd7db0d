/* SPDX-License-Identifier: BSD-3-Clause */
/** @file descent.h  Simulation of linear Barlow Twins, L = ||C - I||^2, C = W Gamma W':
 *  gradient descent and gradient flow in the eigenvectors of Gamma, and descent on the
 *  samples themselves, whole or in minibatches.
 *
 *  A simulation records C at given times and detects when its eigenvalues cross
 *  thresholds. */
#ifndef ES_DESCENT_H
#define ES_DESCENT_H

#include <stdbool.h>
#include "eigenstep/stop.h"

/* --- when eigenvalues are learned --------------------------------------------------- */
/** Detector of threshold crossings. */
typedef struct es_crossings es_crossings;

/** Not collective; the caller destroys *w.
 *  @param threshold  [d]: the k-th mode to be learned counts as learned when eigenvalue k
 *                    exceeds threshold[k] (half its final value)
 *  @return ES_OK, ES_ENOMEM */
es_status es_crossings_create(int d, const double *threshold, es_crossings **w);
void es_crossings_destroy(es_crossings **w);
/** Not collective. Add C [d, d] at `at` (step or time, ascending); d^3 / 6 operations
 *  unless a threshold was crossed. @return ES_OK, ES_EMATH (eigenvalues not
 *  computable) */
es_status es_crossings_update(es_crossings *w, double at, const double *c);
/** [d] crossing times, interpolated in ln(lambda / (2 threshold - lambda)); NaN where the
 *  threshold was not crossed. */
const double *es_crossings_at(const es_crossings *w);
/** Number of crossings so far. */
int es_crossings_count(const es_crossings *w);

/** Not collective. Eigenvalues of symmetric C [d, d], descending (LAPACK dsyev).
 *  @param work  [d d + 3 d] workspace; @return ES_OK, ES_EMATH (not logged) */
es_status es_dense_eigenvalues(int d, const double *c, double *work, double *lambda);

/* --- simulations -------------------------------------------------------------------- */
/** When and by whom C is recorded while a simulation runs. */
typedef struct es_descent_observer {
  int n;                   /**< number of recording points, >= 1 */
  const double *at;        /**< [n] ascending: step numbers (descent) or times (flow); the
                                simulation ends at the last */
  es_crossings *crossings; /**< updated at every step on the whole sample */
  /** Called with C [d, d] of the whole sample at each recording point. */
  es_status (*record)(void *ctx, double at, const double *c);
  void *ctx;
  es_stop *stop; /**< looked for a few times a second; NULL: not */
} es_descent_observer;

typedef struct es_descent {
  const es_comm *comm; /**< borrowed, as all pointers here */
  int d, m;            /**< rows and columns of W */
  double *w;           /**< [d, m] row-major, the same on all ranks; updated in place */
  double lr;           /**< learning rate (descent) */
  double offdiag;      /**< w: weight of the off-diagonal terms of the loss */
  double decay;        /**< weight decay */
  es_descent_observer observer;
  double reached; /**< out: last completed step (descent) or time (flow) */
} es_descent;

/** Collective. Descent in the eigenvectors of Gamma: column j of W multiplies gamma[j].
 *  W <- (1 - lr wd) W - 4 lr E W diag(gamma), E = C - I, off-diagonal entries times w.
 *  3 d^2 m operations per step; the columns are distributed over the ranks if that is
 *  faster.
 *  @param gamma  [m]
 *  @return ES_OK, ES_ENOMEM; ES_STOPPED after a request (observer.stop), at d->reached;
 *          ES_EMATH if it diverged, at d->reached (not logged: the caller knows the
 *          stability limit) */
es_status es_descent_modes(es_descent *d, const double *gamma);

/** Collective. Gradient flow in the same coordinates: Dormand-Prince 5(4) with adaptive
 *  step size; error per step and entry below tol (|entry| + largest entry of W(0)).
 *  @return as es_descent_modes */
es_status es_descent_flow(es_descent *d, const double *gamma, double tol);

/** Pairs of views, distributed over the ranks. */
typedef struct es_pairs {
  int64_t total;    /**< pairs on all ranks */
  int64_t first, n; /**< pairs first .. first + n - 1 are on this rank */
  int m;            /**< values of a view */
  double *x[2];     /**< [n, m] each; owned */
} es_pairs;
/** Not collective. Free the views on this rank. */
void es_pairs_free(es_pairs *p);

/** Collective. Descent with C and its gradient computed from the samples, W in the
 *  coordinates of the samples: 8 d m n operations per step.
 *  @param batch  pairs per step, drawn at random from (seed, step); 0 = all
 *  @return as es_descent_modes */
es_status es_descent_pairs(es_descent *d, const es_pairs *p, int64_t batch,
                           uint64_t seed);

#endif
