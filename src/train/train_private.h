/* SPDX-License-Identifier: BSD-3-Clause */
/** @file train_private.h  What a training step works on (train.h), by its parts. */
#ifndef ES_TRAIN_PRIVATE_H
#define ES_TRAIN_PRIVATE_H

#include "eigenstep/train.h"
#include "gradient_reduction.h"
#include "nonfinite.h"
#include "passes.h"

/** All borrowed but the buffers of the parts. */
struct es_train {
  es_row_layout layout; /**< communicators of the batch and of its loss */
  es_passes passes;     /**< the network, and batches through it */
  es_loss *loss;
  es_precondition *precondition; /**< NULL: the gradient as it is */
  es_optim *optim;
  es_surgery *surgery; /**< NULL: none */
  struct {
    double *z, *dz; /**< [2 rows, D], in double, of the rows the loss takes here; owned */
  } rows;
  es_gradient_reduction reduction;
  es_nonfinite nonfinite;
  es_clock clock;
  struct {
    int64_t steps;
    double time; /**< t = sum of learning rates of the updates */
  } done;
  int64_t data;  /**< checksum of the data set: a checkpoint of another is refused */
  bool local_bn; /**< running averages differ between ranks */
};

#endif
