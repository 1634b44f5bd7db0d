/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_numerical_rank.c  Number of eigenvalues above d eps lambda_1, the
 *  round-off of a d x d eigenproblem (eps = 2^-52). */
#include <float.h>
#include <math.h>
#include "metric_private.h"

double es_metric_round_off(const es_spectrum *s) {
  return s->d * DBL_EPSILON * es_metric_positive(s->lambda[0]);
}

static double eval(const es_spectrum *s) {
  if (s->k < 1) return NAN;
  const double floor = es_metric_round_off(s);
  int rank = 0;
  while (rank < s->k && s->lambda[rank] > floor) rank++;
  /* If all computed ones are above, the others may be too. */
  return rank < s->k || s->k >= s->d ? rank : NAN;
}

const es_metric_ops es_metric_numerical_rank = {
    .name = "numerical_rank",
    .doc = "number of eigenvalues above d * 2^-52 * lambda_1",
    .unit = "1",
    .eval = eval,
};
