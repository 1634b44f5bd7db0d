/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_growth.h  eigenstep linear with a loss that has a growth matrix but no
 *  solved flow: growth rates at a small start. */
#ifndef ES_LINEAR_GROWTH_H
#define ES_LINEAR_GROWTH_H

#include "eigenstep/config_load.h"
#include "eigenstep/descent.h"
#include "eigenstep/loss.h"

/** What is simulated. Borrowed. */
typedef struct es_linear_growth {
  const es_loss_choice *loss;
  const es_pairs *pairs; /**< centred if wanted */
  const char *dir;       /**< new output folder */
  uint64_t seed;         /**< of W(0) */
  int dim;               /**< outputs D */
  double alpha;          /**< standard deviation of the entries of W(0) */
  double lr;             /**< learning rate; 0: automatic */
  int64_t steps;         /**< 0: automatic, else at least 2 */
  int64_t rows;          /**< approximate number of times to record */
} es_linear_growth;

/** A loss that has a growth matrix? @return ES_ECONFIG: no; the message lists them */
es_status es_linear_growth_check(const es_loss_ops *loss);

/** Collective. Descend from W(0) = alpha x normal numbers with the exact gradient of the
 *  loss, as long as the start stays small, and print and write predicted beside measured
 *  growth rates.
 *  @param cfg  what run.ini will hold
 *  @return ES_OK; ES_ECONFIG (outside the range of the loss's theory); ES_EMATH
 *          (diverged) */
es_status es_linear_growth_run(const es_job *job, es_config *cfg,
                               const es_linear_growth *o);

#endif
