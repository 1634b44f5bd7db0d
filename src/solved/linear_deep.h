/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_deep.h  eigenstep linear with linear.model = jepa or mae: a deep linear
 *  encoder that predicts the other view, in its embeddings or as it is, beside the
 *  equation of one mode (Littwin, Saremi, Advani, Thilak, Nakkiran, Huang, Susskind, "How
 *  JEPA avoids noisy features", NeurIPS 2024). */
#ifndef ES_LINEAR_DEEP_H
#define ES_LINEAR_DEEP_H

#include "eigenstep/config_load.h"
#include "eigenstep/descent.h"

/** What is simulated. Borrowed. */
typedef struct es_linear_deep {
  const es_pairs *pairs; /**< centred if wanted */
  const char *dir;       /**< new output folder */
  const char *solver;    /**< of the eigenpairs of Gamma */
  bool jepa;             /**< the target is the embedding of the other view, held fixed;
                              false: the other view itself (MAE) */
  bool flow;             /**< gradient flow, by Runge-Kutta steps; false: descent */
  int dim, depth;        /**< modes d; layers L of the encoder */
  double alpha;          /**< amplitude of each mode at the start */
  double lr;             /**< 0: automatic */
  int64_t modes;         /**< eigenpairs of Gamma the weights live in, >= dim; 0: all */
  int64_t steps;         /**< 0: until all modes are learned */
  int64_t rows;          /**< approximate number of times to record */
} es_linear_deep;

/** Collective. L = (1/4N) sum over pairs and both directions of |V E x - target|^2 with
 *  E = W_L ... W_1; the target is E x', held fixed, and V [d, d], or x' and V [m, d].
 *  Balanced start: with the leading eigenvectors V_d of Gamma W_1 = a V_d', W_2 ... W_L
 *  = a I and V = a I or a V_d, a = alpha^(1/L), so that E has the singular values alpha.
 *
 *  Prediction, exact where Gamma and the second moment M2 of the views have the same
 *  eigenvectors v_j: with lambda = v_j' Gamma v_j and rho = lambda / v_j' M2 v_j the
 *  amplitude w of mode j in E obeys dw/dt = L [lambda w^(3 - 1/L) - (lambda/rho) w^3] for
 *  JEPA, with the exponent 2 - 1/L for MAE, and ends at rho^L or rho^(L/(L+1)).
 *  Prints and writes predicted beside measured times of half the end, ends and
 *  eigenvalues of E E'.
 *  @param cfg  what run.ini will hold
 *  @return ES_OK; ES_ECONFIG (no mode grows, or only after too many steps); ES_EMATH
 *          (diverged); ES_ENOMEM; ES_EIO; ES_STOPPED: the same on all ranks */
es_status es_linear_deep_run(const es_job *job, es_config *cfg, const es_linear_deep *o);

#endif
