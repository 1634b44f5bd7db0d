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

/** Round-off of a covariance can leave -1e-17 for 0. */
static inline double es_metric_positive(double x) {
  return x > 0 ? x : 0;
}

#endif
