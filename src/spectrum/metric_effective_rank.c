/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_effective_rank.c  exp(H(p)) with p = lambda / sum(lambda), H the
 *  entropy in nats (Roy and Vetterli, EUSIPCO 2007, there with singular values). */
#include <math.h>
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  return es_metric_complete(s) ? es_metric_entropy_rank(s->lambda, s->k, 0) : NAN;
}

const es_metric_ops es_metric_effective_rank = {
    .name = "effective_rank",
    .doc = "exp of the entropy of lambda_k / sum lambda",
    .unit = "1",
    .eval = eval,
};
