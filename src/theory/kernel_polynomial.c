/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_polynomial.c  k(x, y) = (scale x'y + offset)^degree. */
#include "eigenstep/kernel.h"

typedef struct par {
  int64_t degree;
  double scale, offset;
} par;

static const es_param params[] = {
    ES_INT(par, degree, "2", 1, 100, "1", "degree"),
    ES_DOUBLE(par, scale, "0", 0, ES_INF, "1",
              "factor of x'y; 0 = 1 / (number of values of a view)"),
    ES_DOUBLE(par, offset, "1", 0, ES_INF, "1", "constant term"), ES_PARAM_END};

static es_status prepare(void *p, int m, double rms_distance) {
  par *o = p;
  (void) rms_distance;
  if (o->scale == 0) o->scale = 1.0 / m;
  return ES_OK;
}

static double value(const void *p, double xx, double xy, double yy, double d2) {
  const par *o = p;
  const double base = o->scale * xy + o->offset;
  double k = 1;
  (void) xx;
  (void) yy;
  (void) d2;
  for (int64_t i = 0; i < o->degree; i++) k *= base;
  return k;
}

const es_kernel_ops es_kernel_polynomial = {.name = "polynomial",
                                            .doc = "(scale x'y + offset)^degree",
                                            .params = params,
                                            .size = sizeof(par),
                                            .prepare = prepare,
                                            .value = value};
