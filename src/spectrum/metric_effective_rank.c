/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_effective_rank.c  exp(H(p)) with p = lambda / sum(lambda), H the
 *  entropy in nats (Roy and Vetterli, EUSIPCO 2007, there with singular values). */
#include <math.h>
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  double sum = 0, entropy = 0;
  for (int i = 0; i < s->k; i++) sum += es_metric_positive(s->lambda[i]);
  if (!(sum > 0) || !es_metric_complete(s)) return NAN;
  for (int i = 0; i < s->k; i++) {
    const double p = es_metric_positive(s->lambda[i]) / sum;
    if (p > 0) entropy -= p * log(p);
  }
  return exp(entropy);
}

const es_metric_ops es_metric_effective_rank = {
    .name = "effective_rank",
    .doc = "exp of the entropy of lambda_k / sum lambda",
    .unit = "1",
    .eval = eval,
};
