/* SPDX-License-Identifier: BSD-3-Clause */
/** @file sched_constant.c  The base learning rate at every step after warm-up. */
#include "eigenstep/optim.h"

static double factor(const es_sched_params *p, int64_t step, int64_t steps) {
  (void) p;
  (void) step;
  (void) steps;
  return 1.0;
}

const es_sched_ops es_sched_constant = {
    .name = "constant", .doc = "constant", .factor = factor};
