/* SPDX-License-Identifier: BSD-3-Clause */
/** @file flow.h  The solved dynamics of Barlow Twins at a small start, mode by mode.
 *
 *  L = ||C - I||_F^2 with C = W Gamma W' and dW/dt = -4 (C - I) W Gamma. In the
 *  eigenvectors of Gamma (gamma_1 >= gamma_2 >= ...) a start W(0) V = Q R follows, as it
 *  gets smaller, the aligned solution Q diag(s_j(t)) with s_j(0) = R_jj; eigenvalue j of
 *  C is lambda_j = gamma_j s_j^2, a logistic curve. Nothing here knows where Gamma comes
 *  from: linear models and kernel machines share it.
 *
 *  Besides the flow: gradient descent (each mode's growth per step instead of e^(rate
 *  lr)), weight decay, a weight w of the off-diagonal terms other than 1, minibatches. */
#ifndef ES_FLOW_H
#define ES_FLOW_H

#include "eigenstep/status.h"

typedef struct es_flow_options {
  double lr;      /**< learning rate of gradient descent; 0: gradient flow */
  double offdiag; /**< w: weight of the off-diagonal terms of the loss */
  double decay;   /**< weight decay wd: dW/dt = ... - wd W */
  double next;    /**< gamma_(d+1), the first mode left out (0 = none), and the size of */
  double next_start; /**< its entries in W(0) V: for the error */
} es_flow_options;

typedef struct es_flow {
  es_flow_options opt;
  int d, modes;  /**< outputs; modes followed, at most d */
  double *gamma; /**< [modes] descending; owned */
  double *start; /**< [modes] s_j(0) = R_jj >= 0; owned */
  double *q;     /**< [d, modes] orthonormal columns Q, row-major; owned */
  double *r;     /**< [modes, modes] R, upper triangular, row-major; owned */
  double *tau;   /**< [modes] predicted time of lambda_j = half its final value, for the
                      method of opt; INFINITY if it never grows; owned */
  int *order;    /**< [modes] modes by rising tau; owned */
} es_flow;

/** @param w  [d, modes] row-major: W(0) in the leading `modes` eigenvectors
 *  @return ES_OK, ES_ENOMEM, ES_EARG (modes > d) */
es_status es_flow_create(int d, int modes, const double *gamma, const double *w,
                         const es_flow_options *opt, es_flow **f);
/** The same from a flow's s_j(0), start[modes]: its eigenvalues, loss and times. Without
 *  q and r (NULL), so without its weights and es_flow_error. */
es_status es_flow_from_start(int d, int modes, const double *gamma, const double *start,
                             const es_flow_options *opt, es_flow **f);
void es_flow_destroy(es_flow **f);

/** Number of modes that grow: 4 gamma_j > wd and R_jj > 0. */
int es_flow_growing(const es_flow *f);

/** Final lambda_j = 1 - wd / (4 gamma_j), 0 for a mode that does not grow. */
double es_flow_final(const es_flow *f, int j);

/** Step index of mode j: tau_j / lr, with lr > 0
 *  (k_j = ln(1 / (sqrt(gamma_j) R_jj)) / ln(1 + 4 lr gamma_j) for w = 1, wd = 0). */
double es_flow_steps(const es_flow *f, int j);

/** Eigenvalues of C at time t, lambda[d] descending, and the loss. */
void es_flow_at(const es_flow *f, double t, double *lambda, double *loss);

/** Amplitudes s_j(t) [modes], not sorted: W(t) = Q diag(s) V'. */
void es_flow_amplitudes(const es_flow *f, double t, double *s);

/** How far this start is from the limit of a small one, in orders of magnitude. A later
 *  mode k leaks into output direction j until mode j is learned, by
 *  x = (gamma_k R_jk^2 / gamma_j R_jj^2) e^(-8 (gamma_j - gamma_k) tau_j), which falls as
 *  alpha^(2 - 2 ratio of the gammas).
 *  @param time   largest relative error of a step time, ln(1 + sum x) / (8 gamma_j tau_j)
 *  @param value  largest error of an eigenvalue, sum x, at most 1 (its root: of W) */
void es_flow_error(const es_flow *f, double *time, double *value);

/* --- a single mode, and formulas ---------------------------------------------------- */
/** lambda(t) = e / (1 + (e / lambda_0 - 1) e^(-8 gamma e t)), e = 1 - wd / (4 gamma),
 *  lambda_0 = gamma s_0^2. Any sign of gamma, any t >= 0, no overflow. */
double es_flow_lambda(double gamma, double start, double decay, double t);

/** Time of lambda = e / 2: exact, ln(e / lambda_0 - 1) / (8 gamma e), 0 if it starts
 *  there; and for a small start, ln(e / lambda_0) / (8 gamma e). INFINITY: never. */
double es_flow_tau_exact(double gamma, double start, double decay);
double es_flow_tau_small(double gamma, double start, double decay);

/** Loss of a C with these eigenvalues and a flat diagonal, T = sum lambda / d:
 *  d (1 - T)^2 + w (sum lambda^2 - d T^2); with w = 1, sum (1 - lambda)^2. */
double es_flow_loss(int d, double offdiag, const double *lambda);

/** Plateau with k of d modes learned: L_k = d a / (1 + a), a = w (d / k - 1); the k
 *  eigenvalues (d / k) / (1 + a); the factor g_k = w (d / k) / (1 + a) that slows all
 *  other modes. k = 0: d, 0, 1. */
double es_flow_plateau(int d, int k, double offdiag);
double es_flow_plateau_value(int d, double k, double offdiag);
double es_flow_slowdown(int d, int k, double offdiag);

/** Minibatches of B pairs, k whitened modes: mean loss (d - k) + (k^2 + k) / B, and the
 *  eigenvalue 1 / (1 + (k + 1) / B) that minimises it (Gaussian embeddings). */
double es_flow_batch_loss(int d, int k, double pairs);
double es_flow_batch_eigenvalue(int k, double pairs);

#endif
