/* SPDX-License-Identifier: BSD-3-Clause */
/** @file step_result.h  What a training step returns. */
#ifndef ES_STEP_RESULT_H
#define ES_STEP_RESULT_H

#include <stdbool.h>
#include <stdint.h>

/** Embeddings and their gradients on this rank, for a message. */
typedef struct es_step_values {
  int64_t total;         /**< values of z, and of dL/dz */
  int64_t bad_z, bad_dz; /**< of them not finite */
  char samples[256];     /**< record numbers of this rank's pairs, the first few */
} es_step_values;

/** Result of a step: the first half begins it, the second completes it. */
typedef struct es_step_result {
  double lr;   /**< learning rate of the step */
  double loss; /**< L before the update, the same on all ranks */
  es_step_values values;
  /* of the second half */
  double norm;  /**< of the gradient, the same on all ranks */
  bool updated; /**< false: loss or norm is not finite */
} es_step_result;

#endif
