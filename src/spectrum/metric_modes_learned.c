/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_modes_learned.c  Number of eigenvalues above half of the value at which a
 *  learned mode settles (1 for Barlow Twins: Simon et al., ICML 2023), as the step
 *  detector counts them. At most the k that are known. */
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  int learned = 0;
  for (int i = 0; i < s->k; i++) learned += s->followed[i] > s->settled / 2;
  return learned;
}

const es_metric_ops es_metric_modes_learned = {
    .name = "modes_learned",
    .doc =
        "number of eigenvalues above half of where a learned one settles, of the matrix "
        "that steps are looked for in, among those computed",
    .unit = "1",
    .eval = eval,
};
