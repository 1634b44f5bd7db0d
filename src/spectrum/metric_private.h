/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_private.h  Common functions of the metrics. */
#ifndef ES_SPECTRUM_METRIC_PRIVATE_H
#define ES_SPECTRUM_METRIC_PRIVATE_H

#include <stdbool.h>
#include "eigenstep/metric.h"

/** Do the k computed eigenvalues sum to the trace within 1e-6? Otherwise metrics that sum
 *  over all d eigenvalues are not defined. */
static inline bool es_metric_complete(const es_spectrum *s) {
  double known = 0;
  if (s->k >= s->d) return true;
  for (int i = 0; i < s->k; i++) known += s->lambda[i];
  return s->trace > 0 && s->trace - known <= 1e-6 * s->trace;
}

/** exp(H(p)), p = x / sum x + eps, negative x count as 0; NaN if none is positive. */
double es_metric_entropy_rank(const double *x, int n, double eps);

/** d eps lambda_1: eigenvalues up to that are zero to round-off. k >= 1. */
double es_metric_round_off(const es_spectrum *s);

/** Least squares of ln lambda_k on -ln k with weights 1/k, of eigenvalues above
 *  round-off: slope and R^2; false if there are fewer than 3 points. */
bool es_metric_power_law(const es_spectrum *s, double *slope, double *r2);

/** Collective. Embeddings of the first 1 or 2 views, normalised to unit length:
 *  u [views, n, d], freed by the caller; rows of length 0 stay 0.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_metric_unit_rows(const es_embedding *e, int views, double **u);

/** max(x, 0): round-off can make a zero eigenvalue of a covariance slightly negative. */
static inline double es_metric_positive(double x) {
  return x > 0 ? x : 0;
}

#endif
