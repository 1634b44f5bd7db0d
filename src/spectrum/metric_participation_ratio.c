/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_participation_ratio.c  (sum lambda)^2 / sum lambda^2: k for k equal
 *  eigenvalues; dominated by the large ones, unlike the entropy. */
#include <math.h>
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  double squares = 0;
  for (int i = 0; i < s->k; i++) squares += s->lambda[i] * s->lambda[i];
  if (!(squares > 0) || !es_metric_complete(s)) return NAN;
  return s->trace / squares * s->trace;
}

const es_metric_ops es_metric_participation_ratio = {
    .name = "participation_ratio",
    .doc = "(sum lambda)^2 / sum lambda^2",
    .unit = "1",
    .eval = eval,
};
