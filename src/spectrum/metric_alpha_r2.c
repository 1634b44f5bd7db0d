/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_alpha_r2.c  Goodness of the power-law fit of metric_alpha.c: weighted
 *  R^2. */
#include <math.h>
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  double slope, r2;
  return es_metric_power_law(s, &slope, &r2) ? r2 : NAN;
}

const es_metric_ops es_metric_alpha_r2 = {
    .name = "alpha_r2",
    .doc = "weighted R^2 of the power-law fit of alpha",
    .unit = "1",
    .eval = eval,
};
