/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_alpha_r2.c  How well a power law describes the eigenvalues: weighted R^2
 *  of the fit behind metric_alpha.c. */
#include <math.h>
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  double slope, r2;
  return es_metric_power_law(s, &slope, &r2) ? r2 : NAN;
}

const es_metric_ops es_metric_alpha_r2 = {
    .name = "alpha_r2",
    .doc = "share of the variance of ln lambda_k that the power law of alpha explains",
    .unit = "1",
    .eval = eval,
};
