/* SPDX-License-Identifier: BSD-3-Clause */
/** @file covariances.h  Covariance of each view over the global batch and squared
 *  distance of the views: what losses without a cross-correlation are made of. Two
 *  reductions, D + D^2 numbers a view. D = embedding width. */
#ifndef ES_SSL_COVARIANCES_H
#define ES_SSL_COVARIANCES_H

#include "eigenstep/loss.h"

/** Where they lie: at the start of a loss's workspace, and in the memory of the node. */
enum { ES_COVARIANCES_MATRICES = 3 }; /* es_loss_ops.matrices */
typedef struct es_covariances {
  double *u[2];     /**< [n, D] rows less their mean, in the memory of the node */
  double *count;    /**< [1] in front of the two means */
  double *mean[2];  /**< [D] */
  double *distance; /**< [1] sum of (x - x')^2 */
  double *c[2];     /**< [D, D] of the node (es_gram_each changes them) */
  double *both;     /**< [D, D] of the node: mean of the two C */
} es_covariances;

/** Numbers of workspace. */
size_t es_covariances_work(int d);

es_covariances es_covariances_of(const es_loss *l);

/** Collective. Fill all of it from rows x of both views, C with N - ddof in
 *  its denominator.
 *  @param pairs  N
 *  @return ES_OK; ES_EARG: fewer than 2 pairs on all ranks */
es_status es_covariances_compute(const es_loss *l, int n, const double *const x[2],
                                 int ddof, double *pairs);

/** es_loss_ops.exchange: means; the distance and two triangles. */
es_loss_exchange es_covariances_exchange(const void *par, int64_t pairs, int dim);

/** es_loss_ops.matrix: the mean of the two C. */
void es_covariances_matrix(const es_loss *l, double *c);

#endif
