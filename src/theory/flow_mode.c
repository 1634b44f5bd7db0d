/* SPDX-License-Identifier: BSD-3-Clause */
/** @file flow_mode.c  Formulas for a single mode, for plateaus and for finite batches.
 *
 *  Uses the logarithm of the initial amplitude, not its square, which could underflow. */
#include <math.h>
#include "eigenstep/flow.h"

/* e = 1 - wd / (4 gamma): the final value of a mode, if positive. */
static double end_value(double gamma, double decay) {
  return 1 - decay / (4 * gamma);
}

/* ln(e / lambda_0), for gamma, e and start > 0. */
static double log_distance(double gamma, double start, double end) {
  return log(end) - log(gamma) - 2 * log(start);
}

double es_flow_lambda(double gamma, double start, double decay, double t) {
  if (gamma == 0 || start == 0) return 0;
  const double at_start = gamma * start * start, end = end_value(gamma, decay);
  if (end == 0) return at_start / (1 + 8 * gamma * at_start * t);
  const double exponent = -8 * gamma * end * t;
  if (gamma > 0 && end > 0 && at_start < end) {
    const double y = log_distance(gamma, start, end) + log1p(-at_start / end);
    return end / (1 + exp(y + exponent));
  }
  return end / (1 + (end / at_start - 1) * exp(exponent));
}

double es_flow_tau_exact(double gamma, double start, double decay) {
  if (!(4 * gamma > decay) || gamma <= 0 || start <= 0) return INFINITY;
  const double end = end_value(gamma, decay), at_start = gamma * start * start;
  if (at_start >= end / 2) return 0;
  return (log_distance(gamma, start, end) + log1p(-at_start / end)) / (8 * gamma * end);
}

double es_flow_tau_small(double gamma, double start, double decay) {
  if (!(4 * gamma > decay) || gamma <= 0 || start <= 0) return INFINITY;
  const double end = end_value(gamma, decay);
  return fmax(log_distance(gamma, start, end), 0) / (8 * gamma * end);
}

/* Above w = 1 the outputs align with the axes: C is diagonal, and the loss is that of
   w = 1, for which any basis will do. */
static double flat_weight(double offdiag) {
  return fmin(offdiag, 1);
}

double es_flow_loss(int d, double offdiag, const double *lambda) {
  double sum = 0, off = 0;
  for (int j = 0; j < d; j++) sum += lambda[j];
  const double mean = sum / d, weight = flat_weight(offdiag);
  double on = d * (1 - mean) * (1 - mean);
  for (int j = 0; j < d; j++) off += (lambda[j] - mean) * (lambda[j] - mean);
  return on + weight * off;
}

/* a = w (d / k - 1) */
static double excess(int d, double k, double offdiag) {
  return flat_weight(offdiag) * (d / k - 1);
}

double es_flow_plateau(int d, int k, double offdiag) {
  const double a = k > 0 ? excess(d, k, offdiag) : 0;
  return k > 0 ? d * a / (1 + a) : d;
}

double es_flow_plateau_value(int d, double k, double offdiag) {
  return k > 0 ? d / k / (1 + excess(d, k, offdiag)) : 0;
}

double es_flow_slowdown(int d, int k, double offdiag) {
  return k > 0 ? flat_weight(offdiag) * es_flow_plateau_value(d, k, offdiag) : 1;
}

double es_flow_batch_loss(int d, int k, double pairs) {
  return d - k + ((double) k * k + k) / pairs;
}

double es_flow_batch_eigenvalue(int k, double pairs) {
  return 1 / (1 + (k + 1) / pairs);
}
