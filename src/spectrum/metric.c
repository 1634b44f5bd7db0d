/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric.c  The table of spectrum metrics and their common functions. Marchenko
 *  and Pastur, Math. USSR Sb. 1 (1967). */
#include "metric_private.h"

#include <math.h>

#define ES_METRIC(n) extern const es_metric_ops es_metric_##n;
#include "metric_list.h"
#undef ES_METRIC

static const es_metric_ops *const metrics[] = {
#define ES_METRIC(n) &es_metric_##n,
#include "metric_list.h"
#undef ES_METRIC
};

size_t es_metric_list(const es_metric_ops *const **list) {
  *list = metrics;
  return sizeof metrics / sizeof *metrics;
}

double es_metric_mp_lower(double level, int d, int64_t n) {
  const double ratio = sqrt((double) d / (double) n);
  return ratio < 1 ? level * (1 - ratio) * (1 - ratio) : 0;
}

double es_metric_mp_upper(double level, int d, int64_t n) {
  const double ratio = sqrt((double) d / (double) n);
  return level * (1 + ratio) * (1 + ratio);
}

double es_metric_entropy_rank(const double *x, int n, double eps) {
  double sum = 0, entropy = 0;
  for (int i = 0; i < n; i++) sum += es_metric_positive(x[i]);
  if (!(sum > 0)) return NAN;
  for (int i = 0; i < n; i++) {
    const double p = es_metric_positive(x[i]) / sum + eps;
    if (p > 0) entropy -= p * log(p);
  }
  return exp(entropy);
}
