/* SPDX-License-Identifier: BSD-3-Clause */
/** @file sched_cosine.c  Half a cosine from 1 to `final` over the steps after warm-up:
 *  final + (1 - final) (1 + cos(pi step/steps)) / 2.
 *  I. Loshchilov, F. Hutter, "SGDR", ICLR 2017, without restarts. */
#include <math.h>

#include "eigenstep/optim.h"

static double factor(const es_sched_params *p, int64_t step, int64_t steps) {
  const double pi = 3.14159265358979323846;
  if (step >= steps) return p->final;
  const double phase = pi * (double) step / (double) steps;
  return p->final + (1.0 - p->final) * 0.5 * (1.0 + cos(phase));
}

const es_sched_ops es_sched_cosine = {
    .name = "cosine", .doc = "cosine to sched.final", .reads = "final", .factor = factor};
