/* SPDX-License-Identifier: BSD-3-Clause */
/** @file tune.h  The algorithm of each convolution: timed once, agreed by all ranks, kept
 *  in a file (choices.h). */
#ifndef ES_TUNE_H
#define ES_TUNE_H

#include "backend/choices.h"
#include "conv_algo.h"

/** Collective over the backend's communicator. Time the algorithms of all convolutions
 *  and linear layers of desc[n] (equal ones once) with max_n images, unless the file of
 *  the backend's options has them; every rank gets the same choice, the least mean over
 *  ranks; rank 0 writes what is new to the file. A file that cannot be read or written
 *  is a warning.
 *  @return the same status on all ranks */
es_status es_onednn_tune(es_backend *b, const es_op_desc *const *desc, int n);

/** The algorithm chosen for a pass; by fixed rules where nothing was timed.
 *  @param timed  was it? Then it has been checked (conv_verify.h) */
const es_conv_algo_ops *es_onednn_choice(const es_backend *b, const es_op_desc *d,
                                         es_pass pass, bool *timed);

/** "type, threads, shape, pass": key[ES_CHOICE_KEY]. */
void es_onednn_key(const es_backend *b, const es_op_desc *d, es_pass pass, char *key);
/** An empty table of this processor and library. @return ES_OK, ES_ENOMEM */
es_status es_onednn_choices(es_choices **c);

#endif
