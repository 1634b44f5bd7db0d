/* SPDX-License-Identifier: BSD-3-Clause */
/** @file flow.h  Closed-form dynamics of Barlow Twins from a small initialisation, mode
 *  by mode.
 *
 *  L = ||C - I||_F^2 with C = W Gamma W' and dW/dt = -4 (C - I) W Gamma. In the
 *  eigenvectors of Gamma (gamma_1 >= gamma_2 >= ...) let W(0) V = Q R. In the limit of a
 *  small W(0) the solution is aligned, Q diag(s_j(t)) with s_j(0) = R_jj; eigenvalue j of
 *  C is lambda_j = gamma_j s_j^2, a logistic curve (Simon et al., ICML 2023, section 4).
 *  Independent of the origin of Gamma: linear models and kernel machines use it.
 *
 *  Extensions: gradient descent (growth per step instead of e^(rate lr)), weight decay,
 *  an off-diagonal weight w != 1, minibatches. Above w = 1 times are those of w = 1,
 *  which a mode can only be late for: what is learned first turns into the axis of an
 *  output. Nothing here is collective. */
#ifndef ES_FLOW_H
#define ES_FLOW_H

#include "eigenstep/status.h"

typedef struct es_flow_options {
  double lr;      /**< learning rate of gradient descent; 0: gradient flow */
  double offdiag; /**< w: weight of the off-diagonal terms of the loss */
  double decay;   /**< weight decay wd: dW/dt = ... - wd W */
  double next;    /**< gamma_(d+1) of the first mode not followed (0 = none), used by */
  double next_start; /**< es_flow_error, and the size of its entries in W(0) V */
} es_flow_options;

typedef struct es_flow {
  es_flow_options opt;
  int d, modes;  /**< outputs; number of modes followed, <= d */
  double *gamma; /**< [modes] descending; owned */
  double *start; /**< [modes] s_j(0) = R_jj >= 0; owned */
  double *q;     /**< [d, modes] orthonormal columns Q, row-major; owned */
  double *r;     /**< [modes, modes] R, upper triangular, row-major; owned */
  double *tau; /**< [modes] predicted time at which lambda_j is half its final value, for
                      the method of opt; INFINITY if never; owned */
  int *order;  /**< [modes] modes sorted by ascending tau; owned */
} es_flow;

/** Prediction from an initialisation; the caller destroys *f.
 *  @param gamma  [modes] descending
 *  @param w      [d, modes] row-major: W(0) in the leading `modes` eigenvectors
 *  @return ES_OK, ES_ENOMEM, ES_EARG (modes > d) */
es_status es_flow_create(int d, int modes, const double *gamma, const double *w,
                         const es_flow_options *opt, es_flow **f);
/** The same from stored amplitudes s_j(0), start[modes]: gives eigenvalues, loss and
 *  times. q and r are NULL, so weights and es_flow_error are not available. */
es_status es_flow_from_start(int d, int modes, const double *gamma, const double *start,
                             const es_flow_options *opt, es_flow **f);
/** Free the prediction and set *f to NULL. */
void es_flow_destroy(es_flow **f);

/** Number of modes that grow: 4 gamma_j > wd and R_jj > 0. */
int es_flow_growing(const es_flow *f);

/** Final lambda_j = 1 - wd / (4 gamma_j), 0 for a mode that does not grow. */
double es_flow_final(const es_flow *f, int j);

/** Predicted step of mode j: tau_j / lr, for lr > 0
 *  (k_j = ln(1 / (sqrt(gamma_j) R_jj)) / ln(1 + 4 lr gamma_j) for w = 1, wd = 0). */
double es_flow_steps(const es_flow *f, int j);

/** Eigenvalues of C at time t, lambda[d] descending, and the loss. */
void es_flow_at(const es_flow *f, double t, double *lambda, double *loss);

/** Amplitudes s_j(t) [modes], not sorted: W(t) = Q diag(s) V'. */
void es_flow_amplitudes(const es_flow *f, double t, double *s);

/** Error estimate of the small-initialisation limit (order of magnitude). Until mode j is
 *  learned, a later mode k contributes to output direction j by
 *  x = (gamma_k R_jk^2 / gamma_j R_jj^2) e^(-8 (gamma_j - gamma_k) tau_j), which falls as
 *  alpha^(2 - 2 ratio of the gammas).
 *  @param time   largest relative error of a step time, ln(1 + sum x) / (8 gamma_j tau_j)
 *  @param value  largest error of an eigenvalue, sum x, at most 1; its square root is
 *                that of W */
void es_flow_error(const es_flow *f, double *time, double *value);

/* --- formulas ----------------------------------------------------------------------- */
/** lambda(t) = e / (1 + (e / lambda_0 - 1) e^(-8 gamma e t)), e = 1 - wd / (4 gamma),
 *  lambda_0 = gamma s_0^2. Any sign of gamma, t >= 0; does not overflow. */
double es_flow_lambda(double gamma, double start, double decay, double t);

/** Time at which lambda = e / 2: exact, ln(e / lambda_0 - 1) / (8 gamma e), 0 if lambda_0
 *  is larger; in the limit of a small lambda_0, ln(e / lambda_0) / (8 gamma e). INFINITY
 *  if never. */
double es_flow_tau_exact(double gamma, double start, double decay);
double es_flow_tau_small(double gamma, double start, double decay);

/** Loss of a C with these eigenvalues. w <= 1: with a constant diagonal T = sum lambda /
 *  d, which is the least loss, d (1 - T)^2 + w (sum lambda^2 - d T^2); w >= 1: diagonal,
 *  sum (1 - lambda)^2. */
double es_flow_loss(int d, double offdiag, const double *lambda);

/** Plateau with k of d modes learned, a = w (d / k - 1): loss d a / (1 + a); value of the
 *  k learned eigenvalues (d / k) / (1 + a); factor g_k = w (d / k) / (1 + a) of the
 *  growth rates of all other modes. For k = 0: d, 0, 1. Above w = 1 k outputs learn a
 *  mode each and the others none: loss d - k, value 1, factor 1, as for w = 1. */
double es_flow_plateau(int d, int k, double offdiag);
double es_flow_plateau_value(int d, double k, double offdiag);
double es_flow_slowdown(int d, int k, double offdiag);

/** Finite-batch bias for minibatches of B pairs and k learned modes (Gaussian
 *  embeddings): mean loss (d - k) + (k^2 + k) / B at lambda = 1, and the eigenvalue 1 /
 *  (1 + (k + 1) / B) that minimises the mean loss. */
double es_flow_batch_loss(int d, int k, double pairs);
double es_flow_batch_eigenvalue(int k, double pairs);

#endif
