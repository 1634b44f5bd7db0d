/* SPDX-License-Identifier: BSD-3-Clause */
/** @file train.h  One training step, whole or in its two halves, and the state it leaves.
 *  Read src/train/step.c first. */
#ifndef ES_TRAIN_H
#define ES_TRAIN_H

#include "eigenstep/clock.h"
#include "eigenstep/data.h"
#include "eigenstep/loss.h"
#include "eigenstep/net.h"
#include "eigenstep/optim.h"
#include "eigenstep/precondition.h"
#include "eigenstep/row_layout.h"
#include "eigenstep/step_result.h"
#include "eigenstep/surgery.h"

/** Section [batch]. */
typedef struct es_batch_params {
  int64_t pairs;
  bool sync_bn;
  int bn_views;  /**< 0 = separate: statistics per view, 1 = joint: over both views */
  int64_t micro; /**< pairs of a rank in one pass through the network, 0 = all */
} es_batch_params;
extern const es_param es_batch_table[];

/** Section [parallel]. */
typedef struct es_parallel_params {
  bool deterministic;
  int64_t shards;
} es_parallel_params;
extern const es_param es_parallel_table[];

/** What a step is made of. All borrowed; what `layout` points to must outlive too. */
typedef struct es_train_options {
  es_row_layout layout; /**< replicated: `net` is in shards, each rank has equally many
                             pairs, and `loss` is on layout.loss_comm, of all pairs */
  es_net *net;
  es_loss *loss;
  es_precondition *precondition; /**< NULL: the gradient as it is */
  es_optim *optim;
  es_surgery *surgery; /**< NULL: none */
  int n_max;           /**< pairs of a batch on this rank, at most */
  int groups;          /**< runs of images that share BN statistics: 2 = per view */
  int micro; /**< pairs of a pass through the network, at most; 0 = n_max. BN takes its
                      statistics pass by pass. */
  bool local_bn; /**< BN takes statistics on each rank alone: running averages differ */
  int64_t skip_max; /**< steps in a row without an update before the run ends */
  int64_t data;     /**< checksum of the data set, part of the state */
} es_train_options;

/** A model in training. Opaque. */
typedef struct es_train es_train;

/** Allocate the buffers. @return ES_OK, ES_ENOMEM */
es_status es_train_create(const es_train_options *o, es_train **t);
/** Before net, whose backend holds some of them. */
void es_train_destroy(es_train **t);

/** What es_train_share asks of a node: parameters, gradients, counters, moments.
 *  @param want  [ES_TRAIN_SHARED]; returns how many it set */
enum { ES_TRAIN_SHARED = 5 };
int es_train_shared_memory(int64_t parameters, int moments, es_shared_request *want);

/** Collective, between steps. Let the ranks of a node share parameters and the work of an
 *  update, and sum gradients while backward runs (reduction.h). Where that is not
 *  possible (a node has not enough memory to share, the backend's memory is not the
 *  host's, or rows are replicated) nothing changes: each rank updates everything.
 *  @return ES_OK, ES_ENOMEM: same on all ranks */
es_status es_train_share(es_train *t);

/** Collective. The first half of a step: forward, loss, backward; sums over ranks may
 *  begin. The batch is not needed afterwards.
 *  @return ES_OK, or the error of all ranks; a rank that fails alone ends the program */
es_status es_train_gradient(es_train *t, const es_batch *batch, double lr,
                            es_step_result *r);
enum { ES_STEP_FLAGS = 2 };
/** Not collective, after the first half: sums over ranks that have begun advance. To be
 *  called while this rank waits, as for its next batch. */
void es_train_progress(es_train *t);
/** Collective. The second half: gradients summed over all ranks, update. Where L or the
 *  norm of the gradient is not finite, parameters, moments and running averages stay what
 *  they were before the step, on all ranks, and step, rank and samples are logged.
 *  @param r      of es_train_gradient
 *  @param flags  [ES_STEP_FLAGS] any numbers, which become their maxima over the ranks in
 *                the same wait as the gradients; NULL: none
 *  @return ES_OK; ES_EMATH (more than skip_max such steps in a row) */
es_status es_train_update(es_train *t, es_step_result *r, int64_t *flags);
/** Collective. Both halves: one step. */
es_status es_train_step(es_train *t, const es_batch *batch, double lr, es_step_result *r);

/** Collective. Embeddings of a batch by the network in training, z [2 n, D] double, of
 *  the rows that the loss takes on this rank (row_layout.h): n = es_row_layout_rows.
 *  ES_BN_TRAIN updates the running averages; nothing else of the model changes. */
es_status es_train_embed(es_train *t, const es_batch *batch, es_bn_mode mode, int *n,
                         double *z);

/** Embeddings of the last step, z [2 n, D] as es_train_embed gives them. Borrowed. */
const double *es_train_embeddings(const es_train *t);

/** Steps done, skipped ones too. */
int64_t es_train_steps(const es_train *t);
/** t = sum of the learning rates of the updates. */
double es_train_time(const es_train *t);
/** Steps without an update, as loss or gradient was not finite: in all. */
int64_t es_train_skipped(const es_train *t);
/** Does this rank update only its part, and are gradients summed while backward runs? */
bool es_train_shares(const es_train *t);
/** Seconds of the phases of steps; the caller may add others and clear it. */
es_clock *es_train_clock(es_train *t);
/** All ranks; borrowed. */
const es_comm *es_train_comm(const es_train *t);

/** Collective. Where running averages differ between ranks (local_bn), replace them by
 *  their mean over the ranks: what a checkpoint holds and a probe by running averages
 *  uses. Training does not read them. */
es_status es_train_sync_bn(es_train *t);

/** Collective, between steps. Compare the state of all ranks by hashes, but for running
 *  averages that ranks take alone (`local_bn`). One pass over the state.
 *  @return ES_OK, ES_ENOMEM, ES_EINTERNAL (rank 0 names the first part that differs and
 *          on which rank): the same on all ranks */
es_status es_train_compare(es_train *t);

/** State visitor (visit.h), for checkpoints: model, optimiser, step, time. `train` is an
 *  es_train. @return ES_ECONFIG: the checkpoint is of other data */
es_status es_train_visit(void *train, es_visitor *v);
/** Of that only the shape of an image {C, H, W}, from which a network can be built
 *  again. */
es_status es_train_visit_view(int64_t view[3], es_visitor *v);

#endif
