/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_modes_learned.c  Number of eigenvalues above half the value of a learned
 *  mode (1 for Barlow Twins: Simon et al., ICML 2023), in this snapshot alone: a mode
 *  that dips below that is not counted, unlike by the transition detector. At most the k
 *  computed ones. */
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  int learned = 0;
  for (int i = 0; i < s->k; i++) learned += s->followed[i] > s->settled / 2;
  return learned;
}

const es_metric_ops es_metric_modes_learned = {
    .name = "modes_learned",
    .doc =
        "number of computed eigenvalues above half the value of a learned mode, of the "
        "followed matrix",
    .unit = "1",
    .eval = eval,
    .of_training = true,
};
