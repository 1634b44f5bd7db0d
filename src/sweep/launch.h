/* SPDX-License-Identifier: BSD-3-Clause */
/** @file launch.h  One run of a sweep, on a group of ranks: from its start, or from what
 *  an interrupted one has left. */
#ifndef ES_SWEEP_LAUNCH_H
#define ES_SWEEP_LAUNCH_H

#include "plan.h"
#include "run_state.h"

/** What a run belongs to. All borrowed. */
typedef struct es_launch {
  const es_job *group; /**< job with the communicator of the group */
  const es_sweep_spec *spec;
  const es_sweep_plan *plan;
  const es_sweep_options *options;
} es_launch;

/** Collective over the group. Do what `eigenstep COMMAND base.ini section.key=value ...`
 *  would, or `eigenstep resume`; a run whose folder says DONE is not made, and one to
 *  whose folder another program writes is STOPPED. Nothing of it
 *  reaches the terminal; its lines are in its own log.txt. A folder without a checkpoint
 *  is moved to DIR/aside.
 *  @param run    number in the plan
 *  @param state  of the run, claimed; on return with its new phase, reason, steps and
 *                time; the same on all ranks of the group
 *  @return ES_OK, ES_STOPPED, or the error of the run */
es_status es_launch_run(const es_launch *l, int run, es_run_state *state);

#endif
