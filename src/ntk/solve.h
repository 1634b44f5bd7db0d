/* SPDX-License-Identifier: BSD-3-Clause */
/** @file solve.h  What a kernel machine with kernel Theta learns of the pairs: growth
 *  rates gamma_j, embeddings at the end, times.
 *
 *  Theta = Phi Phi': rows of Phi are features of the 2n samples (tangent features, up to
 *  a rotation), and the machine is a linear model of them, of which the loss's theory
 *  (eigenstep/loss_theory.h) gives growth rates and modes V: for Barlow Twins those of
 *  Gamma of the features, which are the eigenpairs of Theta^(1/2) S Theta^(1/2) / 2n with
 *  S the exchange of the views. The predicted embeddings of a sample are its features'
 *  coordinates in V. */
#ifndef ES_NTK_SOLVE_H
#define ES_NTK_SOLVE_H

#include "eigenstep/dmat.h"
#include "eigenstep/loss_theory.h"

/** What to solve; borrowed. */
typedef struct es_ntk_problem {
  const es_grid *grid;
  const es_dmat *theta; /**< [2n, 2n], by view, then by pair */
  int fit;              /**< the first so many pairs are learned from */
  const es_loss *loss;
  es_loss_setup setup;
  const double *z; /**< [2n, D] the network's embeddings, the same on all ranks */
  int modes;       /**< wanted */
  bool start;      /**< z are those of the start: predict times */
} es_ntk_problem;

/** All owned; the same on all ranks. */
typedef struct es_ntk_solution {
  const char *why;     /**< the loss's theory does not describe this training: gammas are
                          those of what the views have in common, times are not known;
                          NULL: it does */
  const char *caution; /**< in what the prediction is inaccurate; NULL: nothing known */
  int n, modes;        /**< samples; modes wanted */
  double *gamma;       /**< [modes] descending; NaN beyond the rank of Theta */
  double *predicted; /**< [modes, n] embeddings at the end; 0 for modes that never grow */
  double *tau; /**< [modes] time of half the final value, NaN: not known. NULL: no theory
                    of times */
} es_ntk_solution;

/** Collective. @return ES_OK, ES_ENOMEM, ES_EMATH (Theta has eigenvalues below 0 by more
 *  than round-off, or is 0): the same on all ranks */
es_status es_ntk_solve(const es_ntk_problem *p, es_ntk_solution *s);
void es_ntk_solution_free(es_ntk_solution *s);

#endif
