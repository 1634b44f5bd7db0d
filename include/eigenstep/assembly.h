/* SPDX-License-Identifier: BSD-3-Clause */
/** @file assembly.h  Data -> views -> network -> loss -> optimiser, assembled from
 *  settings. Created in this order, freed in reverse; every member is owned. */
#ifndef ES_ASSEMBLY_H
#define ES_ASSEMBLY_H

#include "eigenstep/probe.h"
#include "eigenstep/probe_data.h"
#include "eigenstep/settings.h"

/** Records and views for training. */
typedef struct es_assembly_input {
  es_dataset *data;     /**< training records */
  es_dataset *held_out; /**< the test split; NULL: the probe is taken from `data` */
  es_augment *augment;
  es_shape view;   /**< of one view */
  int64_t *record; /**< owned: those of `data` that are not held out; NULL: all */
  es_loader *loader;
} es_assembly_input;

/** The network, where it is computed, and how it is measured. */
typedef struct es_assembly_model {
  es_backend *backend;
  es_precision precision, eval_precision; /**< of activations of net and eval_net */
  es_net *net;
  es_net *eval_net; /**< for measurements: net, or another network with its parameters
                         in eval_precision */
  int features;     /**< value of the network: the encoder's output */
} es_assembly_model;

/** The held-out pairs. */
typedef struct es_assembly_probe {
  es_loader *loader;
  int64_t chunk; /**< pairs of a forward pass, over all ranks */
  int64_t pairs;
  int64_t *record;     /**< [pairs] owned: their numbers; NULL: from the first one of
                            `held_out` on, or those after `data` where it is endless */
  es_loss *loss;       /**< with room for all of them */
  es_probe_data *data; /**< the pairs through eval_net */
} es_assembly_probe;

typedef struct es_assembly {
  es_row_layout layout; /**< which pairs loss, snapshots and predictions take on this
                             rank */
  es_assembly_input input;
  es_assembly_model model;
  es_assembly_probe probe;
  es_loss *loss;
  es_precondition *precondition; /**< NULL: off */
  es_surgery *surgery;           /**< NULL: none */
  es_optim *optim;
  const es_sched_ops *sched;
  es_train *train;
} es_assembly;

/** Refuse what can be refused before any data or memory: names and values of loss,
 *  optimiser, schedule and snapshots. */
es_status es_assembly_check(const es_settings *s);

/** Collective. Everything up to the optimiser, ready for the first step.
 *  @return the same status on all ranks */
es_status es_assembly_create(const es_comm *c, const es_settings *s, es_assembly **p);
/** Collective. Backend, net and eval_net alone: a network for views of this shape, one at
 *  a time, without initial values. @return the same status on all ranks */
es_status es_assembly_create_net(const es_comm *c, const es_settings *s, es_shape view,
                                 es_assembly **p);
/** Collective. Data, views, held-out pairs and a network for chunks of them, without
 *  initial values; the ranks share the rows also where parallel.deterministic is set.
 *  @return the same status on all ranks */
es_status es_assembly_create_probe(const es_comm *c, const es_settings *s,
                                   es_assembly **p);
void es_assembly_destroy(es_assembly **p);

/** The probe of a run, and the snapshots that are taken of it. */
typedef struct es_measures {
  es_snapshot *snapshot, *features; /**< of embeddings; of features, NULL: not wanted */
  es_probe *probe;
} es_measures;
/** Collective. Make them, appending to `t`; all but *m is borrowed.
 *  @param m  zeroed; closed also after a failure */
es_status es_assembly_measure(const es_assembly *p, const es_settings *s,
                              const es_grid *g, es_traj *t, es_measures *m);
void es_measures_close(es_measures *m);

/** Collective. The backend, and in which precision it trains and measures, into a zeroed
 *  assembly. */
es_status es_assembly_open_backend(const es_comm *c, const es_settings *s,
                                   es_assembly *p);
/** Collective. The same for sizes only (es_backend_options): a device is not needed. */
es_status es_assembly_describe_backend(const es_comm *c, const es_settings *s,
                                       es_assembly *p);

/** Collective. Data set and views alone (dry runs), into a zeroed assembly of the
 *  caller. */
es_status es_assembly_open_data(const es_comm *c, const es_settings *s, es_assembly *p);

/** Refuse batches and probes larger than what the opened data hold for them. */
es_status es_assembly_check_data(const es_settings *s, const es_assembly *p);

/** Do batches of training hold records and recipes, of which the backend makes the views?
 *  As augment.device says; after the backend and the data are opened. */
bool es_assembly_has_recipes(const es_settings *s, const es_assembly *p);

/** The part of the data that the probe is taken from: held_out, or data. */
const es_dataset *es_assembly_probe_set(const es_assembly *p);
/** Records to train on: all but the probe, where that comes from the same part. */
int64_t es_assembly_training_records(const es_assembly *p);

/** Collective. A loader that gives n held-out pairs in one batch, the first ones with the
 *  views of the probe: no more than the probe where it is a part of the training set, or
 *  all of an endless or a test set. Needs the opened data; the caller destroys it.
 *  @return ES_OK, ES_ECONFIG (too many, fewer than ranks), ES_ENOMEM: the same on all
 *          ranks */
es_status es_assembly_open_pairs(const es_comm *c, const es_settings *s,
                                 const es_assembly *p, int64_t n, es_loader **l);

/** Pairs of a probe's forward pass: those of a training batch, or the nearest divisor of
 *  the probe that is a multiple of `unit` and gives every rank at least one. */
int64_t es_probe_chunk(int64_t probe, int64_t pairs, int ranks, int64_t unit);
/** Pairs of the probe that are measured on so many ranks: whole forward passes. */
int64_t es_probe_pairs(const es_settings *s, int ranks);

#endif
