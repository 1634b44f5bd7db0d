/* SPDX-License-Identifier: BSD-3-Clause */
/** @file deep_weights.h  The weights of a deep linear encoder with its predictor, in k
 *  coordinates of the data, and their gradient. Replicated; nothing is collective. */
#ifndef ES_DEEP_WEIGHTS_H
#define ES_DEEP_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include "eigenstep/status.h"

/** Sizes and moments of the data; borrowed. */
typedef struct es_deep_model {
  bool jepa;
  int d, k, depth;
  const double *gamma;  /**< [k] the cross-correlation of the views, diagonal */
  const double *moment; /**< [k, k] their mean second moment */
} es_deep_model;

/** Work arrays for the gradient; owned. */
typedef struct es_deep_work {
  double *product; /**< [depth, d, k] W_a ... W_1, the last one E */
  double *back;    /**< [2, d, k] */
  double *residual, *embedded;
} es_deep_work;

/** Numbers in the weights: W_1 [d, k], W_2 ... W_L [d, d], then V [d, d] or [k, d]. */
size_t es_deep_size(const es_deep_model *m);

/** @return ES_OK, ES_ENOMEM */
es_status es_deep_work_create(const es_deep_model *m, es_deep_work *w);
void es_deep_work_free(es_deep_work *w);

/** The balanced start of amplitude alpha. */
void es_deep_start(const es_deep_model *m, double alpha, double *weights);
/** velocity [es_deep_size] = minus the gradient of the loss of linear_deep.h. */
void es_deep_velocity(const es_deep_model *m, const double *weights, es_deep_work *w,
                      double *velocity);
/** The loss of these weights, after es_deep_velocity; overwrites w->back. */
double es_deep_loss(const es_deep_model *m, es_deep_work *w);
/** E [d, k] of the weights that the last es_deep_velocity had. */
const double *es_deep_encoder(const es_deep_model *m, const es_deep_work *w);

#endif
