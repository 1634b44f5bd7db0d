/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric.h  Numbers computed from one spectrum snapshot. Variants:
 *  metric_list.h. */
#ifndef ES_METRIC_H
#define ES_METRIC_H

#include <stddef.h>
#include <stdint.h>
#include "eigenstep/status.h"

/** What a metric may look at. Arrays are borrowed and replicated. */
typedef struct es_spectrum {
  int k;                /**< eigenvalues known */
  int d;                /**< embedding width */
  int64_t samples;      /**< N, rows behind it */
  const double *lambda; /**< [k] of the centred covariance, descending */
  double trace;         /**< sum of all d eigenvalues */
  const double *sigma;  /**< [k] singular values of the uncentred Z, descending; NULL if
                           not  computed */
} es_spectrum;

typedef struct es_metric_ops {
  const char *name, *doc, *unit;
  /** Value of the metric; NaN where it is not defined (too few eigenvalues). */
  double (*eval)(const es_spectrum *s);
} es_metric_ops;

size_t es_metric_list(const es_metric_ops *const **list);

#endif
