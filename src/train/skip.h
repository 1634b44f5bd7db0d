/* SPDX-License-Identifier: BSD-3-Clause */
/** @file skip.h  Steps that update nothing, as their loss or gradient is not finite. */
#ifndef ES_TRAIN_SKIP_H
#define ES_TRAIN_SKIP_H

#include "eigenstep/train.h"

/** Before forward: keep what it changes. */
es_status es_skip_keep(es_train *t);
/** Behind the loss: note in t->trouble what a message would say of this batch, whose
 *  `n` pairs the loss has seen here. */
void es_skip_note(es_train *t, const es_batch *b, int n, double loss);
/** Collective. Instead of the update: put back what forward changed, say where the
 *  trouble came from. @return ES_OK; ES_EMATH (more than t->skip_max in a row) */
es_status es_skip_step(es_train *t);

#endif
