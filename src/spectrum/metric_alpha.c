/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_alpha.c  Exponent of the eigenvalues' power law, lambda_k ~
 *  k^-alpha (alpha-ReQ: Agrawal, Mondal, Ghosh, Richards, NeurIPS 2022): weighted
 *  least squares of ln lambda_k on -ln k, weights 1/k, k = 11..100 or up to the numerical
 *  rank: what lies below is round-off, whose decay is no property of the data. */
#include <math.h>
#include "metric_private.h"

#define FIRST 11
#define LAST 100

bool es_metric_power_law(const es_spectrum *s, double *slope, double *r2) {
  const int last = s->k < LAST ? s->k : LAST;
  double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0, wyy = 0;
  int used = 0;
  for (int k = FIRST; k <= last && s->lambda[k - 1] > es_metric_round_off(s);
       k++, used++) {
    const double x = -log(k), y = log(s->lambda[k - 1]), weight = 1.0 / k;
    w += weight;
    wx += weight * x;
    wy += weight * y;
    wxx += weight * x * x;
    wxy += weight * x * y;
    wyy += weight * y * y;
  }
  if (used < 3) return false;
  const double xy = w * wxy - wx * wy, xx = w * wxx - wx * wx, yy = w * wyy - wy * wy;
  *slope = xy / xx;
  *r2 = yy > 0 ? xy / xx * xy / yy : NAN; /* flat spectrum: R^2 is not defined */
  return true;
}

static double eval(const es_spectrum *s) {
  double slope, r2;
  return es_metric_power_law(s, &slope, &r2) ? slope : NAN;
}

const es_metric_ops es_metric_alpha = {
    .name = "alpha",
    .doc = "decay exponent: slope of ln lambda_k on -ln k, k = 11..100, weights 1/k",
    .unit = "1",
    .eval = eval,
};
