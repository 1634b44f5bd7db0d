/* SPDX-License-Identifier: BSD-3-Clause */
/** @file descent.h  Simulation of linear Barlow Twins, L = ||C - I||^2, C = W Gamma W':
 *  gradient descent and gradient flow in the eigenvectors of Gamma, and descent on the
 *  samples themselves, whole or in minibatches.
 *
 *  While it runs, a simulation shows C at chosen moments and watches when eigenvalues
 *  cross their thresholds. */
#ifndef ES_DESCENT_H
#define ES_DESCENT_H

#include <stdbool.h>
#include "eigenstep/comm.h"

/* --- when eigenvalues are learned --------------------------------------------------- */
typedef struct es_crossings es_crossings;

/** @param threshold  [d]: eigenvalue k counts as learned above threshold[k], in the order
 *                    in which they rise (half the final value of the k-th to rise) */
es_status es_crossings_create(int d, const double *threshold, es_crossings **w);
void es_crossings_destroy(es_crossings **w);
/** C [d, d] at moment `at` (steps or time, rising); d^3 / 6 operations unless a threshold
 *  was crossed. @return ES_EMATH if the eigenvalues cannot be computed */
es_status es_crossings_update(es_crossings *w, double at, const double *c);
/** [d] moments of crossing, interpolated in ln(lambda / (2 threshold - lambda)); NaN
 *  where there was none. */
const double *es_crossings_at(const es_crossings *w);
/** Number of crossings so far. */
int es_crossings_count(const es_crossings *w);

/** Eigenvalues of symmetric C [d, d], descending. work: [d d + 3 d]. */
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
} es_descent_observer;

typedef struct es_descent {
  const es_comm *comm; /**< borrowed, as all pointers here */
  int d, m;            /**< rows and columns of W */
  double *w;           /**< [d, m] row-major, the same on all ranks; moved in place */
  double lr;           /**< learning rate (descent) */
  double offdiag;      /**< w of the loss */
  double decay;        /**< weight decay */
  es_descent_observer observer;
  double reached; /**< out: last completed step (descent) or time (flow) */
} es_descent;

/** Collective. Descent in the eigenvectors of Gamma: column j of W multiplies gamma[j].
 *  W <- (1 - lr wd) W - 4 lr E W diag(gamma), E = C - I, off-diagonal entries times w.
 *  3 d^2 m operations a step; long rows are shared among the ranks.
 *  @param gamma  [m]
 *  @return ES_OK; ES_EMATH when it has diverged (d->ended says where): not logged, as the
 *          caller knows why */
es_status es_descent_modes(es_descent *d, const double *gamma);

/** Collective. Gradient flow, the same columns: Dormand and Prince's pair 5(4) with a
 *  step such that the error of each entry stays below tol (|entry| + largest of W(0)).
 *  @return as above */
es_status es_descent_flow(es_descent *d, const double *gamma, double tol);

/** The two views of the pairs on this rank. */
typedef struct es_pairs {
  int64_t total;    /**< pairs on all ranks */
  int64_t first, n; /**< this rank's */
  int m;            /**< values of a view */
  double *x[2];     /**< [n, m] each; owned */
} es_pairs;
void es_pairs_free(es_pairs *p);

/** Collective. Descent with C and its gradient from the samples, W in their own
 *  coordinates: 8 d m n operations a step.
 *  @param batch  pairs in a step, drawn anew each time from (seed, step); 0 = all
 *  @return as above */
es_status es_descent_pairs(es_descent *d, const es_pairs *p, int64_t batch,
                           uint64_t seed);

#endif
