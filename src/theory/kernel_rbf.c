/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_rbf.c  k(x, y) = exp(-|x - y|^2 / (2 width^2)). */
#include <math.h>
#include "eigenstep/kernel.h"

typedef struct par {
  double width;
} par;

static const es_param params[] = {
    ES_DOUBLE(par, width, "0", 0, 1e150, "1",
              "length scale; 0 = root mean square distance between the training points"),
    ES_PARAM_END};

static es_status prepare(void *p, int m, double rms_distance) {
  par *o = p;
  (void) m;
  if (o->width == 0) o->width = rms_distance;
  ES_CHECK(o->width > 0, ES_ECONFIG,
           "kernel.rbf.width: got 0 (automatic), but all points are equal; expected a "
           "width above 0");
  return ES_OK;
}

static double value(const void *p, double xx, double xy, double yy, double d2) {
  const par *o = p;
  (void) xx;
  (void) xy;
  (void) yy;
  return exp(-0.5 * d2 / (o->width * o->width));
}

const es_kernel_ops es_kernel_rbf = {.name = "rbf",
                                     .doc = "exp(-|x - y|^2 / (2 width^2))",
                                     .params = params,
                                     .size = sizeof(par),
                                     .prepare = prepare,
                                     .value = value};
