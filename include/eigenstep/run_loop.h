/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_loop.h  The training loop: steps, snapshots, progress, checkpoints, stop. */
#ifndef ES_RUN_LOOP_H
#define ES_RUN_LOOP_H

#include "eigenstep/accuracy.h"
#include "eigenstep/cadence.h"
#include "eigenstep/optim.h"
#include "eigenstep/probe.h"
#include "eigenstep/stop.h"
#include "eigenstep/train.h"

enum { ES_PRESET_STANDARD, ES_PRESET_THEORY };

/** Section [run]. */
typedef struct es_run_params {
  int preset;
  int64_t steps, seed;
  double walltime; /**< seconds, 0 = no limit */
  int64_t log_every;
  int64_t skip_max; /**< steps in a row without an update before the run ends */
} es_run_params;
extern const es_param es_run_table[];

/** Section [ckpt]. */
typedef struct es_ckpt_params {
  int64_t every;  /**< steps, 0 = none by steps */
  double minutes; /**< by rank 0's clock, 0 = none by time */
  int64_t keep;
} es_ckpt_params;
extern const es_param es_ckpt_table[];

/** What the loop is to do. All borrowed. */
typedef struct es_run {
  const es_run_params *par;
  const es_ckpt_params *ckpt;
  es_cadence snapshot_cadence, accuracy_cadence;
  es_cadence keep_cadence; /**< of es_probe_measure's keep */
  const es_sched_ops *sched;
  const es_sched_params *sched_par;
  double lr;               /**< base learning rate */
  const char *dir;         /**< output folder */
  const char *config_text; /**< effective run.ini */
  int64_t pairs;           /**< of the global batch */
  int prediction_series;   /**< series of the trajectory with predicted curves, which a
                                resumed run keeps whole; -1: none */
} es_run;

/** What it works on. All borrowed. */
typedef struct es_run_parts {
  es_train *train;
  es_loader *loader; /**< of training batches */
  es_probe *probe;
  es_snapshot *snapshot;
  es_accuracy *accuracy; /**< NULL: not measured */
  es_traj *traj;
  es_stop *stop;
} es_run_parts;

/** Collective. From the steps that train has done to par->steps. After a stop, a
 *  checkpoint is written first; a resumed trajectory (es_traj_resumed) continues at the
 *  step of train's checkpoint. src/train/README.md says what a killed run leaves.
 *  @return ES_OK; ES_STOPPED after an early stop with a checkpoint (stop->cause says
 *          why); an error: the same on all ranks */
es_status es_run_loop(const es_run *r, const es_run_parts *p);

#endif
