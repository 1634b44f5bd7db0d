/* SPDX-License-Identifier: BSD-3-Clause */
/** @file training_run.h  A training run, from its start or from a checkpoint. */
#ifndef ES_TRAINING_RUN_H
#define ES_TRAINING_RUN_H

#include "eigenstep/run_folder.h"
#include "eigenstep/settings.h"

/** Collective. Train as the settings of `cfg` say.
 *  @param checkpoint  folder of a complete checkpoint of the same run, to go on from,
 *                     with its folder locked in o; NULL: from the start, into the empty
 *                     folder s->output.dir
 *  @return as es_run_loop, or why it could not begin: the same on all ranks */
es_status es_training_run(const es_job *job, es_config *cfg, const es_settings *s,
                          const char *checkpoint, es_run_folder *o);

#endif
