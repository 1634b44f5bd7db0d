/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric.c  The table of spectrum metrics. */
#include "eigenstep/metric.h"

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
