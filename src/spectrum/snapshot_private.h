/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_private.h  The snapshot object, shared by snapshot.c (taking one) and
 *  snapshot_setup.c (declaring what it writes). */
#ifndef ES_SNAPSHOT_PRIVATE_H
#define ES_SNAPSHOT_PRIVATE_H

#include "eigenstep/snapshot.h"

/** nn.BatchNorm1d's eps, as the batch-normalised loss uses it. */
#define ES_LOSS_BN_EPS 1e-5

struct es_snapshot {
  const es_grid *grid; /* borrowed */
  es_traj *traj;       /* borrowed */
  es_spectrum_params par;
  es_snapshot_options opt;
  int k;              /**< eigenvalues kept */
  int64_t rows_total; /**< rows behind the covariance: samples, or twice with pairs */
  bool covariance, cross;
  int covariance_series, cross_series, pca_series;
  int *metric_series;                 /**< [metrics] */
  double *metric;                     /**< [metrics] last values */
  es_eigen *of_covariance, *of_cross; /**< last spectra: the next ones start from them */
  es_eigen *axes;  /**< leading three pairs of the covariance where the spectrum has no
                       vectors; all three owned */
  double *row;     /**< [k + 3] */
  double *leading; /**< [k] eigenvalues the step detector follows */
  double *sigma;   /**< [k] */
  double *moment;  /**< [2 D] */
  double *axis;    /**< [3, D] */
  double *pca;     /**< [samples, 3] */
  es_steps *steps;
};

#endif
