/* SPDX-License-Identifier: BSD-3-Clause */
/** @file predictor.h  Losses with a predictor in closed form: a matrix P made of the
 *  running correlation of the embeddings, in place of a trained one (Tian, Chen, Ganguli,
 *  "Understanding self-supervised learning dynamics without contrastive pairs",
 *  ICML 2021). D = embedding width.
 *
 *  F <- keep F + (1 - keep) C with C = (1/2N) sum (u u' + v v') over the N pairs of all
 *  ranks, F = C at first; F = Q diag(s) Q'; P = Q diag(p) Q' with
 *  p_j = s_j^exponent + eps max_i s_i^exponent. u, v: embeddings of the views, less the
 *  batch mean of each if `center`. F changes in evaluations that want a gradient; others
 *  take the correlation of their own pairs. */
#ifndef ES_SSL_PREDICTOR_H
#define ES_SSL_PREDICTOR_H

#include "eigenstep/loss_theory.h"

/** Section of each loss that has one. */
typedef struct es_predictor_params {
  double exponent, eps, keep;
  bool center;
} es_predictor_params;

extern const es_param es_predictor_table[];

/** es_loss_ops.check of `loss`. */
es_status es_predictor_check(const char *loss, const es_predictor_params *o,
                             int64_t pairs);

/** es_loss_ops.workspace, .visit: the running correlation, "loss/correlation" [D, D] and
 *  "loss/evaluations". */
size_t es_predictor_workspace(const void *par, int n_max, int64_t all, int dim);
es_status es_predictor_visit(es_loss *l, es_visitor *v);

/** es_loss_ops.matrices. */
enum { ES_PREDICTOR_MATRICES = 3 };

/** es_loss_ops.exchange: means, L, one triangle of the node; F's eigenvalues, and to each
 *  node P. */
es_loss_exchange es_predictor_exchange(const void *par, int64_t pairs, int dim);

/** es_loss_ops.modes: the covariance of the embeddings, rate 2, settled at 1. */
void es_predictor_modes(const void *par, int dim, es_loss_modes *m);

/** Collective. L = (1/4N) sum_i (|P u_i - v_i|^2 + |P v_i - u_i|^2), and as gradient
 *    through_predictor:  dL/du_i = P (P u_i - v_i) / 2N, the slope of L where the second
 *                        view of each term and P are held fixed;
 *    else:               dL/du_i = (P u_i - v_i) / 2N.
 *  Two reductions: the means, C with L.
 *  @return ES_OK; ES_EARG: fewer than 2 pairs on all ranks; ES_EMATH: LAPACK failed */
es_status es_predictor_eval(es_loss *l, const es_loss_batch *b, bool through_predictor,
                            double *value);

/** es_loss_theory.velocity: p^b s (gamma - p m) with p = lambda^exponent, lambda = m s^2
 *  and b = 1 through the predictor, else 0. NaN with eps > 0, which ties the modes. */
double es_predictor_velocity(const es_predictor_params *o, const es_loss_mode *mode,
                             bool through_predictor, double amplitude, double *value);

#endif
