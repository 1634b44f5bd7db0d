/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_descent.h  eigenstep linear with a loss that says how one mode moves
 *  alone (es_loss_theory.velocity), under descent, momentum, a preconditioned gradient or
 *  Muon: the staircase predicted mode by mode beside the simulation. */
#ifndef ES_LINEAR_DESCENT_H
#define ES_LINEAR_DESCENT_H

#include "eigenstep/config_load.h"
#include "eigenstep/descent.h"
#include "eigenstep/loss.h"
#include "eigenstep/mode_descent.h"

/** What is simulated. Borrowed. */
typedef struct es_linear_descent {
  const es_loss_choice *loss;
  const es_pairs *pairs; /**< centred if the loss centres */
  const char *dir;       /**< new output folder */
  const char *solver;    /**< of the eigenpairs of Gamma */
  uint64_t seed;         /**< of W(0) */
  int dim;               /**< outputs D */
  double alpha;          /**< standard deviation of the entries of W(0) */
  es_mode_update update; /**< and surgery */
  int64_t steps;         /**< 0: until all modes are learned */
  int64_t rows;          /**< approximate number of times to record */
} es_linear_descent;

/** Collective. Descend on all pairs from W(0) = alpha x normal numbers with the exact
 *  gradient of the loss; print and write predicted beside measured step times and
 *  eigenvalues.
 *
 *  Prediction: in the eigenvectors v_j of Gamma let W(0) V = Q R. From a small start
 *  output direction q_j follows v_j with amplitude s_j, s_j(0) = R_jj, and each amplitude
 *  obeys the same update as W with -dL/ds_j in place of -dL/dW; Muon adds lr sign(M_j).
 *  @param cfg  what run.ini will hold
 *  @return ES_OK; ES_ECONFIG (outside the range of the loss's theory); ES_EMATH
 *          (diverged): the same on all ranks */
es_status es_linear_descent_run(const es_job *job, es_config *cfg,
                                const es_linear_descent *o);

#endif
