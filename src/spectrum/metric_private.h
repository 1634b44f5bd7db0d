/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_private.h  What the metrics share. */
#ifndef ES_SPECTRUM_METRIC_PRIVATE_H
#define ES_SPECTRUM_METRIC_PRIVATE_H

#include <stdbool.h>
#include "eigenstep/metric.h"

/** Do the k known eigenvalues hold the whole trace but for a part in 10^6? Metrics
 * that sum over all d of them are not defined otherwise. */
static inline bool es_metric_complete(const es_spectrum *s) {
  double known = 0;
  if (s->k >= s->d) return true;
  for (int i = 0; i < s->k; i++) known += s->lambda[i];
  return s->trace > 0 && s->trace - known <= 1e-6 * s->trace;
}

/** exp(H(p)), p = x / sum x + eps, negative x taken for 0; NaN if nothing is positive. */
double es_metric_entropy_rank(const double *x, int n, double eps);

/** Least squares of ln lambda_k on -ln k with weights 1/k: slope and R^2, false where
 *  there are fewer than 3 points. */
bool es_metric_power_law(const es_spectrum *s, double *slope, double *r2);

/** Collective. Rows of the first view (or the first two) over their lengths: u [views][n]
 *  [d], freed by the caller; rows of length 0 stay 0. */
es_status es_metric_unit_rows(const es_embedding *e, int views, double **u);

/** Round-off of a covariance can leave -1e-17 for 0. */
static inline double es_metric_positive(double x) {
  return x > 0 ? x : 0;
}

#endif
