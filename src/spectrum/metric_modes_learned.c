/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_modes_learned.c  Number of eigenvalues above 1/2, half of the value
 *  1 at which a learned mode settles (Simon et al., ICML 2023). At most the k that
 *  are known. */
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  int learned = 0;
  for (int i = 0; i < s->k; i++) learned += s->lambda[i] > 0.5;
  return learned;
}

const es_metric_ops es_metric_modes_learned = {
    .name = "modes_learned",
    .doc = "number of eigenvalues above 1/2, among those computed",
    .unit = "1",
    .eval = eval,
};
