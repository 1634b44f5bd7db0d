/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_linear.c  k(x, y) = scale x'y + offset: a linear model, with a bias. */
#include "eigenstep/kernel.h"

typedef struct par {
  double scale, offset;
} par;

static const es_param params[] = {
    ES_DOUBLE(par, scale, "1", 1e-300, ES_INF, "1", "factor of x'y"),
    ES_DOUBLE(par, offset, "0", 0, ES_INF, "1", "variance of the bias"), ES_PARAM_END};

static double value(const void *p, double xx, double xy, double yy, double d2) {
  const par *o = p;
  (void) xx;
  (void) yy;
  (void) d2;
  return o->scale * xy + o->offset;
}

const es_kernel_ops es_kernel_linear = {.name = "linear",
                                        .doc = "scale x'y + offset",
                                        .params = params,
                                        .size = sizeof(par),
                                        .value = value};
