/* SPDX-License-Identifier: BSD-3-Clause */
/** @file train.h  One training step, and the loop around it. */
#ifndef ES_TRAIN_H
#define ES_TRAIN_H

#include "eigenstep/cadence.h"
#include "eigenstep/clock.h"
#include "eigenstep/data.h"
#include "eigenstep/loss.h"
#include "eigenstep/net.h"
#include "eigenstep/optim.h"
#include "eigenstep/precondition.h"
#include "eigenstep/reduction.h"
#include "eigenstep/snapshot.h"
#include "eigenstep/stop.h"

/** Section [run]. */
typedef struct es_run_params {
  int64_t steps, seed;
  double walltime; /**< seconds, 0 = no limit */
  int64_t log_every;
  int64_t skip_max; /**< steps in a row without an update before the run ends */
} es_run_params;
extern const es_param es_run_table[];

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

/** Section [ckpt]. */
typedef struct es_ckpt_params {
  int64_t every; /**< steps, 0 = only at the end or when stopped */
  int64_t keep;
} es_ckpt_params;
extern const es_param es_ckpt_table[];

/** What a step is made of. All borrowed. */
typedef struct es_train_options {
  const es_comm *comm;
  es_net *net;
  es_net *eval_net; /**< what measurements go through: shares the parameters of net, in
                         another precision; NULL: net itself */
  es_loss *loss;
  es_optim *optim;
  int n_max;  /**< pairs of a batch on this rank, at most */
  int groups; /**< runs of images that share BN statistics: 2 = per view */
  int micro;  /**< pairs of a pass through the network, at most; 0 = n_max. BN takes its
                      statistics pass by pass. */
  bool local_bn; /**< each rank alone takes BN statistics: running averages differ */
  /** The same bits on 1, 2, 4, ... ranks: `net` is in shards, each rank has equally many
   *  pairs and evaluates the loss of all of them: `loss` is that of one rank. */
  bool deterministic;
} es_train_options;

/** What a step works on. All borrowed but the buffers. */
typedef struct es_train {
  const es_comm *comm;
  es_net *net, *eval_net;
  es_loss *loss;
  es_optim *optim;
  es_precondition *precondition; /**< NULL: the gradient as it is */
  double lr;                     /**< of the step under way */
  int groups, micro;
  bool local_bn, deterministic;
  float *x;         /**< images of a pass, with micro; owned */
  float *z, *dz;    /**< [2 n, D] of a pass, as the network gives and takes them; owned */
  double *zd, *dzd; /**< [2 n, D] in double of all pairs the loss sees here; owned */
  es_reduction *reduction; /**< owned; NULL: gradients are summed after backward */
  es_clock clock;
  int64_t step; /**< steps done */
  double time;  /**< t = sum of learning rates of the updates done */
  double norm;  /**< of the last step's gradient */
  int64_t data; /**< checksum of the data set: a checkpoint of another is refused */
  /* steps whose loss or gradient is not finite update nothing */
  int64_t skipped, in_row; /**< so far, and the last ones in a row */
  int64_t skip_max;        /**< so many in a row are passed over; the next is an error */
  float *kept;             /**< running averages before the step; owned [n_state] */
  struct {
    double loss;
    int64_t values;    /**< of z, and of dz */
    int64_t z, dz;     /**< those of this rank that are not finite */
    char samples[256]; /**< of this rank, the first few */
  } trouble;           /**< of the present step, noted before the batch goes */
} es_train;

/** Allocate the buffers. */
es_status es_train_create(const es_train_options *o, es_train **t);
void es_train_destroy(es_train **t);

/** Collective, between steps. Let the ranks of a node share parameters and the work of an
 *  update, and gradients be summed while backward goes on (reduction.h). Where that is
 *  not possible (es_params_share) all stays as it is: each rank updates everything.
 *  @return ES_OK, ES_ENOMEM: same on all ranks */
es_status es_train_share(es_train *t);

/** Collective. The first half of a step on this rank's batch: forward, loss, backward.
 *  @param lr    of the whole step
 *  @param loss  L before the update, the same on all ranks */
es_status es_train_gradient(es_train *t, const es_batch *batch, double lr, double *loss);
enum { ES_VOTES = 2 };
/** Collective. The second half: sum of the ranks' gradients, update. Where L or the norm
 *  of the gradient is not finite, parameters, moments and running averages stay what they
 *  were before the step (on all ranks: the decision rests on numbers that all share), and
 *  step, rank and samples are logged.
 *  @param vote  [ES_VOTES] any numbers; become their maxima over the ranks. NULL: none
 *  @return ES_OK; ES_EMATH (more than skip_max such steps in a row) */
es_status es_train_update(es_train *t, int64_t *vote);
/** Collective. Both halves: one step. */
es_status es_train_step(es_train *t, const es_batch *batch, double lr, double *loss);

/** Collective. Embeddings of a batch, z [2n, D] double, of the pairs the loss sees on
 *  this rank: its own, n = batch->n; deterministic: those of all, in the order of ranks.
 *  Touches nothing of the model but the running averages (ES_BN_TRAIN). */
es_status es_train_embed(es_train *t, const es_batch *batch, es_bn_mode mode, int *n,
                         double *z);

/** Collective. The same of another value of the network (es_net_read), z [2n, CHW]. */
es_status es_train_features(es_train *t, const es_batch *batch, es_bn_mode mode,
                            int value, int *n, double *z);

/** Collective. After es_train_embed of the same batch, with no forward in between:
 *  parameter gradients += this rank's part of dL/dparameters, for dz as z there.
 *  @param to  is told in the last pass which gradients are final; NULL: nobody */
es_status es_train_backward(es_train *t, const es_batch *batch, const double *dz,
                            const es_net_listener *to);

/** Collective. Where running averages differ between ranks (local_bn), replace them by
 *  their mean over the ranks: what a checkpoint holds and a probe by running averages
 *  uses. Training does not read them. */
es_status es_train_sync_bn(es_train *t);

/** Persistent state (model, optimiser, step, time), for checkpoints. `train` is an
 *  es_train. */
es_status es_train_visit(void *train, es_visitor *v);
/** Of that only the shape of a view {C, H, W}, from which a network can be built again.
 * */
es_status es_train_visit_view(int64_t view[3], es_visitor *v);

/** The fixed probe set and what is measured on it. */
typedef struct es_probe es_probe;
/** Collective. `loader` (borrowed) gives the probe in batches of per_chunk pairs, and
 *  each further pass over it two views more of each sample; `views` (even) are taken.
 *  `comm` is that of `loss` and of the snapshots: in deterministic mode this rank alone,
 *  which then sees all pairs. */
es_status es_probe_create(const es_comm *comm, es_loader *loader, int64_t pairs,
                          int64_t per_chunk, int views, int dim, es_loss *loss,
                          es_bn_mode mode, es_probe **p);
void es_probe_destroy(es_probe **p);
/** Collective. Embed the probe, evaluate the loss on it, take the snapshot; adds to the
 *  phases of t->clock. */
es_status es_probe_measure(es_probe *p, es_train *t, es_snapshot *s, double *loss);

/** What reads labels off the features, see accuracy.h. */
typedef struct es_accuracy es_accuracy;

/** Options of the loop that are not in the parameter sections. */
typedef struct es_run {
  const es_run_params *par;
  const es_ckpt_params *ckpt;
  es_cadence snapshot_cadence;
  const es_sched_ops *sched;
  const es_sched_params *sched_par;
  double lr;               /**< base learning rate */
  const char *dir;         /**< output folder */
  const char *config_text; /**< effective run.ini */
  int64_t pairs;
  es_accuracy *accuracy; /**< measured with each snapshot; NULL: not */
  int ahead; /**< series of the trajectory that foretells: kept whole; -1: none */
} es_run;

/** Collective. From train->step to par->steps: steps, snapshots, log, checkpoints, stop.
 *  With a resumed trajectory (es_traj_open) it goes on where that and train's state end.
 *  @return ES_OK; ES_STOPPED after an early stop with a checkpoint; an error */
es_status es_run_loop(const es_run *r, es_train *train, es_loader *loader,
                      es_probe *probe, es_snapshot *snapshot, es_traj *traj,
                      es_stop *stop);

#endif
