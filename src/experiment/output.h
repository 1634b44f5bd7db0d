/* SPDX-License-Identifier: BSD-3-Clause */
/** @file output.h  The output folder of an experiment, from opening to its final
 *  STATUS. */
#ifndef ES_OUTPUT_H
#define ES_OUTPUT_H

#include "eigenstep/experiment.h"
#include "eigenstep/traj.h"

typedef struct es_output {
  char dir[1024];
  es_traj *traj;      /**< DIR/trajectory.h5; owned */
  char *config_text;  /**< effective run.ini; owned */
  const char *reason; /**< for STATUS, why it was stopped early */
  int lock;           /**< rank 0: open log.txt, locked; else -1 */
  bool resumed;
  int64_t first_step; /**< the step it resumes at, 0 if it does not */
} es_output;

/** Collective. Would es_output_open accept this folder? Asked before the long
 *  preparations. */
es_status es_output_check(const es_job *job, const char *dir);

/** Collective. Make the folder; run.ini, build.txt, job.txt, unused.txt, log.txt,
 *  STATUS RUNNING, trajectory.h5 with provenance. After a failure the folder says
 *  FAILED. */
es_status es_output_open(const es_job *job, es_config *cfg, const char *dir,
                         es_output *o);

/** Collective. Keep other programs out of the folder of a run, before anything of it is
 *  read to go on with it; fills o. @return ES_OK, ES_EIO (no folder of a run), ES_ECONFIG
 *  (another program is writing there) */
es_status es_output_lock(const es_job *job, const char *dir, es_output *o);
/** Let them in. es_output_close does it, too. */
void es_output_unlock(es_output *o);

/** Collective. Go on at `step` in a locked folder: trajectory.h5 open, run.ini anew, a
 *  paragraph more in build.txt and job.txt, STATUS RUNNING; a file `stop` is removed.
 *  Where the trajectory cannot be opened nothing is changed and the lock stays. */
es_status es_output_resume(const es_job *job, es_config *cfg, int64_t step, es_output *o);

/** Collective. Close the trajectory and write the final STATUS for `result` at `step`.
 *  @return result, or the error of closing if that was the first */
es_status es_output_close(const es_job *job, es_output *o, es_status result,
                          int64_t step);

#endif
