/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_private.h  The snapshot object, shared by snapshot.c (taking one),
 *  snapshot_setup.c (declaring what it writes) and snapshot_steps.c (steps, forecast). */
#ifndef ES_SNAPSHOT_PRIVATE_H
#define ES_SNAPSHOT_PRIVATE_H

#include "eigenstep/metric.h"
#include "eigenstep/snapshot.h"

/** nn.BatchNorm1d's eps, as the batch-normalised loss uses it. */
#define ES_LOSS_BN_EPS 1e-5

/** From ES_WIDE on vectors cost more than everything else: where all eigenvalues are
 *  kept, only the ES_AXES leading ones have vectors. Otherwise the invariance of up to
 *  ES_INVARIANT modes is recorded. */
enum { ES_WIDE = 1024, ES_AXES = 3, ES_INVARIANT = 64 };

struct es_snapshot {
  const es_grid *grid; /* borrowed */
  es_traj *traj;       /* borrowed */
  es_spectrum_params par;
  es_snapshot_options opt;
  int k;              /**< eigenvalues kept */
  int views;          /**< of each sample, as es_snapshot_take gets them */
  int shown;          /**< views of the covariance: 1, or 2 with pairs */
  int64_t rows_total; /**< rows behind the covariance: shown x samples */
  int invariant;      /**< modes whose invariance is recorded; 0 without pairs */
  bool covariance, cross, unit;
  int covariance_series, cross_series, unit_series, pca_series, forecast_series;
  int *metric_series;                           /**< [metrics] -1: not wanted */
  double *metric;                               /**< [metrics] last values */
  es_eigen *of_covariance, *of_cross, *of_unit; /**< last spectra: the next ones start
                                                     from them; owned */
  es_eigen *axes;  /**< leading pairs of the covariance where the spectrum has no
                           vectors; owned */
  double *row;     /**< [k + 3 + invariant] */
  double *leading; /**< [k] eigenvalues the step detector follows */
  double *sigma;   /**< [k] */
  double *moment;  /**< [2 D] */
  double *axis;    /**< [3, D] */
  double *pca;     /**< [samples, 3] */
  double *shared;  /**< [2, invariant] */
  es_steps *steps;
};

/** Declare /forecast; append to the step detector and to /forecast. */
es_status es_snapshot_declare_forecast(es_snapshot *s);
es_status es_snapshot_follow(es_snapshot *s, int64_t step, double time);

#endif
