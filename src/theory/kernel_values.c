/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_values.c  Values of a kernel from inner products. */
#include <math.h>
#include "kernel_private.h"

/* Squared distances below this fraction of the squared lengths are recomputed from the
   difference, because of cancellation. */
#define CLOSE 1e-2

static double distance(int m, const double *x, const double *y) {
  double sum = 0;
  for (int j = 0; j < m; j++) sum += (x[j] - y[j]) * (x[j] - y[j]);
  return sum;
}

es_status es_kernel_column(const es_kernel *k, const es_point_rows *r, const double *y,
                           double yy, double *at) {
  for (int i = 0; i < r->count; i++) {
    const double xx = r->norm[i], xy = at[i];
    double d2 = xx + yy - 2 * xy;
    if (d2 < CLOSE * (xx + yy)) d2 = distance(r->m, r->x + (size_t) i * (size_t) r->m, y);
    at[i] = k->ops->value(k->par, xx, xy, yy, d2);
    ES_CHECK(
        isfinite(at[i]), ES_EMATH,
        "kernel %s: got %g for two points with x'x = %g, x'y = %g, y'y = %g, expected "
        "a finite value",
        k->ops->name, at[i], xx, xy, yy);
  }
  return ES_OK;
}
