/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric.h  Metrics of one snapshot, computed from the eigenvalues or from the
 *  embeddings. Variants: metric_list.h. */
#ifndef ES_METRIC_H
#define ES_METRIC_H

#include <stddef.h>
#include <stdint.h>
#include "eigenstep/grid.h"

/** What a metric may look at. Arrays are borrowed and replicated. */
typedef struct es_spectrum {
  int k;                  /**< eigenvalues known */
  int d;                  /**< embedding width */
  int64_t samples;        /**< N, rows it is computed from */
  const double *lambda;   /**< [k] of the centred covariance, descending */
  double trace;           /**< sum of all d eigenvalues */
  const double *sigma;    /**< [k] singular values of the uncentred Z, descending; NULL if
                           not  computed */
  int64_t independent;    /**< rows of one view: those of the other repeat them */
  const double *followed; /**< [k] eigenvalues of the followed matrix, which may be
                             another: the modes that the loss learns */
  double settled;         /**< typical final value of a learned mode */
} es_spectrum;

/** The embeddings themselves, distributed over the ranks by samples; arrays are
 *  borrowed. */
typedef struct es_embedding {
  const es_grid *grid;
  int views;          /**< of each sample: 1, a pair, or more for LiDAR */
  int d;              /**< embedding width D */
  int64_t samples;    /**< N, on all ranks */
  int64_t n;          /**< on this rank */
  const int64_t *row; /**< [n] their numbers, 0 .. N-1 */
  const double *z;    /**< [views n, D], not centred: view 1 of all n, then view 2, ... */
} es_embedding;

typedef struct es_metric_ops {
  const char *name, *doc, *unit;
  /** Value of the metric; NaN where it is not defined (too few eigenvalues). */
  double (*eval)(const es_spectrum *s);
  /** Instead of it (then eval is NULL). Collective. The same value on all ranks, NaN
   *  where it is not defined (no second view). @return ES_OK, ES_EMATH, ES_ENOMEM */
  es_status (*measure)(const es_embedding *e, double *value);
  /** Costs as much as the rest of a snapshot: only where spectrum.lidar asks for it. */
  bool on_request;
  bool of_training; /**< without meaning for embeddings of unknown origin */
} es_metric_ops;

/** Not collective. Marchenko-Pastur edges: for large d and n, the sample covariance
 *  eigenvalues of n independent samples whose d true eigenvalues all equal `level` are
 *  between level (1 - sqrt(d/n))^2 (0 for d > n) and level (1 + sqrt(d/n))^2. Eigenvalues
 *  outside are not explained by sampling noise. */
double es_metric_mp_lower(double level, int d, int64_t n);
double es_metric_mp_upper(double level, int d, int64_t n);

/** Not collective. All registered metrics; returns their number. */
size_t es_metric_list(const es_metric_ops *const **list);

#endif
