/* SPDX-License-Identifier: BSD-3-Clause */
/** @file probe.h  What is measured on the held-out pairs: their loss and a snapshot of
 *  the spectrum of their embeddings. */
#ifndef ES_PROBE_H
#define ES_PROBE_H

#include "eigenstep/clock.h"
#include "eigenstep/loss.h"
#include "eigenstep/probe_data.h"
#include "eigenstep/snapshot.h"

typedef struct es_probe es_probe;

/** All borrowed. */
typedef struct es_probe_options {
  es_row_layout layout; /**< loss and snapshots are on layout.loss_comm */
  es_probe_data *data;  /**< the pairs, of 2 views each, with that layout */
  es_loss *loss;        /**< of all of them; sized for this rank's rows */
  es_bn_mode mode;
  int views; /**< of each sample that snapshots want (es_snapshot_views), even */
  es_snapshot *snapshot;    /**< of the embeddings */
  int value;                /**< of the network: the features; where of_features */
  es_snapshot *of_features; /**< NULL: not measured */
} es_probe_options;

/** @return ES_OK, ES_ENOMEM */
es_status es_probe_create(const es_probe_options *o, es_probe **p);
void es_probe_destroy(es_probe **p);

/** Collective. Embed the probe: *e borrows from p until the next call.
 *  @return as es_probe_data_read */
es_status es_probe_embed(es_probe *p, es_embedding *e);

/** When it is measured. */
typedef struct es_probe_time {
  int64_t step;
  double time;
} es_probe_time;

/** Collective. Embed the probe, evaluate the loss on it, take the snapshots, of the
 *  features in the same forward passes. Adds to the phases `probe` and `snapshot` of the
 *  clock.
 *  @param keep  what spectrum.keep names is stored too (es_snapshot_keep)
 *  @param loss  of the probe, the same on all ranks
 *  @return ES_OK, or as es_probe_data_read, es_loss_eval or es_snapshot_take: the same on
 *          all ranks */
es_status es_probe_measure(es_probe *p, es_probe_time at, es_clock *clock, bool keep,
                           double *loss);

/** Is it a series of what is kept? */
bool es_probe_owns_kept(const es_probe *p, int id);
/** Collective. es_snapshot_replay, es_snapshot_write_transitions of all its snapshots. */
es_status es_probe_replay(es_probe *p);
es_status es_probe_write_transitions(es_probe *p);

#endif
