/* SPDX-License-Identifier: BSD-3-Clause */
/** @file training_run.h  A training run, from its start or from a checkpoint. */
#ifndef ES_TRAINING_RUN_H
#define ES_TRAINING_RUN_H

#include "eigenstep/assembly.h"
#include "eigenstep/run_folder.h"

/** Collective. Train what was assembled from the settings of `cfg`, to their last step.
 *  optim.lr = auto becomes a number in both before the folder is written.
 *  @param resume  p has the state of a checkpoint, and o the locked folder of its run;
 *                 false: from the start, into the new folder s->output.dir
 *  @return as es_run_loop, or why it could not begin: the same on all ranks */
es_status es_training_run(const es_job *job, es_config *cfg, es_settings *s,
                          es_assembly *p, bool resume, es_run_folder *o);

#endif
