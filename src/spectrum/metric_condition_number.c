/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_condition_number.c  lambda_1 / lambda_d: infinite for a singular
 *  covariance, NaN if lambda_d is not computed. */
#include <math.h>
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  if (s->k < s->d || s->d < 1 || !(s->lambda[0] > 0)) return NAN;
  const double last = s->lambda[s->d - 1];
  return last > 0 ? s->lambda[0] / last : INFINITY;
}

const es_metric_ops es_metric_condition_number = {
    .name = "condition_number",
    .doc = "lambda_1 / lambda_d",
    .unit = "1",
    .eval = eval,
};
