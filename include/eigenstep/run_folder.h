/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_folder.h  The output folder of a run, from opening to its final
 *  STATUS. */
#ifndef ES_RUN_FOLDER_H
#define ES_RUN_FOLDER_H

#include "eigenstep/provenance.h"
#include "eigenstep/stop.h"
#include "eigenstep/traj.h"

typedef struct es_run_folder {
  char dir[1024];
  es_traj *traj;     /**< DIR/trajectory.h5; owned */
  char *config_text; /**< effective run.ini; owned */
  es_stop stop;      /**< requests to stop, also by a file DIR/stop; its cause is for
                           STATUS */
  int lock;          /**< rank 0: open log.txt, locked; else -1 */
  bool resumed;
  int64_t first_step; /**< the step it resumes at, 0 if it does not */
} es_run_folder;

/** Collective. Would es_run_folder_open accept this folder? To be called before long
 *  preparations. @return ES_OK, ES_ECONFIG (not empty), ES_EIO: same on all ranks */
es_status es_run_folder_check(const es_job *job, const char *dir);

/** Collective. Make the folder; run.ini, build.txt, job.txt, unused.txt, log.txt,
 *  STATUS RUNNING, trajectory.h5 with provenance. After a failure the folder says
 *  FAILED. */
es_status es_run_folder_open(const es_job *job, es_config *cfg, const char *dir,
                             es_run_folder *o);

/** Collective. Keep other programs out of the folder of a run, before anything of it is
 *  read to resume it; fills o.
 *  @return ES_OK, ES_EIO (not the folder of a run), ES_ECONFIG (another program is
 *          writing there) */
es_status es_run_folder_lock(const es_job *job, const char *dir, es_run_folder *o);
/** Collective. Keep other programs out of a folder that exists and need be no run's, by
 *  a log.txt that is made if it is missing; fills o.
 *  @return ES_OK, ES_EIO, ES_ECONFIG (another program is writing there) */
es_status es_run_folder_claim(const es_job *job, const char *dir, es_run_folder *o);
/** Not collective. Release the lock; es_run_folder_close does so, too. */
void es_run_folder_unlock(es_run_folder *o);

/** Collective. Resume at `step` in a locked folder: open trajectory.h5, rewrite run.ini,
 *  append a paragraph to build.txt and job.txt, set STATUS to RUNNING, remove a file
 *  `stop`. If the trajectory cannot be opened nothing is changed and the lock stays. */
es_status es_run_folder_resume(const es_job *job, es_config *cfg, int64_t step,
                               es_run_folder *o);

/** Not collective. Say that a run without checkpoints was stopped at a step of
 *  `steps`. */
void es_run_folder_say_stopped(const es_run_folder *o, int64_t step, int64_t steps);
/** The same of one part of it: "stopped in PART at step ...". */
void es_run_folder_say_stopped_in(const es_run_folder *o, const char *part, int64_t step,
                                  int64_t steps);

/** Collective. Close the trajectory and write the final STATUS for `result` at `step`.
 *  @return result, or the error of closing if that was the first */
es_status es_run_folder_close(const es_job *job, es_run_folder *o, es_status result,
                              int64_t step);

#endif
