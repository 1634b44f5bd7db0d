/* SPDX-License-Identifier: BSD-3-Clause */
/** @file exchange.h  The part of a step in which ranks bring their gradients together. */
#ifndef ES_TRAIN_EXCHANGE_H
#define ES_TRAIN_EXCHANGE_H

#include "eigenstep/train.h"

/** Collective where BN is synchronised. Backward from t->dzd; sums begin on the way. */
es_status es_exchange_backward(es_train *t, const es_batch *b);
/** Collective. Complete the sum over ranks of the elements this rank updates, and the
 *  maxima of `vote` (NULL: none). */
es_status es_exchange_sum(es_train *t, int64_t *vote);
/** Collective. Norm of the gradient; update what falls to this rank and wait for the
 *  others' part, or skip the step where loss or norm are not finite (skip.h). */
es_status es_exchange_update(es_train *t);

#endif
