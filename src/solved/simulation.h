/* SPDX-License-Identifier: BSD-3-Clause */
/** @file simulation.h  A simulation in its output folder, from opening to the final
 *  STATUS: the same for all linear models that step on their own. */
#ifndef ES_SIMULATION_H
#define ES_SIMULATION_H

#include "eigenstep/run_folder.h"

/** A model that is ready to be simulated. All functions are collective. */
typedef struct es_simulation {
  void *model;            /**< passed to the functions below */
  int64_t steps;          /**< planned */
  const int64_t *reached; /**< the last step that was recorded, kept by `simulate` */
  es_status (*declare)(void *model, es_traj *t);
  /** Make the steps and record them.
   *  @return ES_OK; ES_STOPPED on request (es_stop_at) */
  es_status (*simulate)(void *model, es_run_folder *o);
  es_status (*report)(void *model, es_traj *t);
  bool whole; /**< the report needs all steps; false: it is made after a stop, too */
} es_simulation;

/** Collective. Open the folder, declare, simulate, report, close.
 *  @param dir  output folder
 *  @return the first error, ES_STOPPED or ES_OK: the same on all ranks */
es_status es_simulation_run(const es_job *job, es_config *cfg, const char *dir,
                            const es_simulation *s);

#endif
