/* SPDX-License-Identifier: BSD-3-Clause */
/** @file batch_maker.h  Batches of pairs, made by several threads. */
#ifndef ES_BATCH_MAKER_H
#define ES_BATCH_MAKER_H

#include "eigenstep/data.h"

/** What makes a batch. */
typedef struct es_batch_maker {
  es_loader_options o;
  const es_dataset *ds;         /* borrowed */
  const es_augment *a;          /* borrowed */
  int64_t first, n;             /**< this rank's pairs of each batch */
  size_t values;                /**< of a view */
  int threads;                  /**< as many as o.threads, pairs and memory allow */
  struct es_batch_share *share; /* owned [threads] */
} es_batch_maker;

/** Not collective. Threads and their scratch for m, of which all else is there. The
 *  caller closes it, also after an error. @return ES_OK, ES_ENOMEM */
es_status es_batch_maker_open(es_batch_maker *m);
void es_batch_maker_close(es_batch_maker *m);
/** Room for this rank's part of a batch; the caller frees it, also after an error.
 *  @return ES_OK, ES_ENOMEM */
es_status es_batch_room(const es_batch_maker *m, es_batch *b);
void es_batch_free(es_batch *b);
/** Record and epoch of position p of the endless stream. */
void es_batch_locate(const es_loader_options *o, uint64_t p, uint64_t *epoch,
                     int64_t *id);
/** The batch of `step`, by the calling thread and threads - 1 others, which end before it
 *  returns; the same bits by any number. What the others fail to make the calling thread
 *  tries again, and reports the error of the first that fails then. */
es_status es_batch_fill(const es_batch_maker *m, int64_t step, es_batch *b);

#endif
