/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_above_flat.c  Number of eigenvalues larger than sampling noise: above the
 *  upper Marchenko-Pastur edge of a flat spectrum of the same trace. The two views of a
 *  sample count as one. */
#include <math.h>
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  if (s->k < 1 || s->independent < 1 || !(s->trace > 0)) return NAN;
  const double edge = es_metric_mp_upper(s->trace / s->d, s->d, s->independent);
  int above = 0;
  while (above < s->k && s->lambda[above] > edge) above++;
  return above;
}

const es_metric_ops es_metric_above_flat = {
    .name = "above_flat",
    .doc = "number of eigenvalues above the Marchenko-Pastur edge of a flat spectrum",
    .unit = "1",
    .eval = eval,
};
