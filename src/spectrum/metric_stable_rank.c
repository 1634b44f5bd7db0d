/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_stable_rank.c  sum lambda / lambda_1 = ||Z||_F^2 / ||Z||_2^2 of the
 *  centred embeddings Z. The sum is the trace, so the leading eigenvalue is enough. */
#include <math.h>
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  return s->k > 0 && s->lambda[0] > 0 ? s->trace / s->lambda[0] : NAN;
}

const es_metric_ops es_metric_stable_rank = {
    .name = "stable_rank",
    .doc = "sum lambda / lambda_1",
    .unit = "1",
    .eval = eval,
};
