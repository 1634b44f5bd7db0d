/* SPDX-License-Identifier: BSD-3-Clause */
/** @file saved.h  The state of kernels that are not finished, on disk: after a kill the
 *  same command goes on where it was, to the same bits.
 *
 *  FOLDER/unfinished/step_S/rank_R_of_N holds this rank's products so far for the kernel
 *  of step S, as checkpoints (ckpt.h) of the rank alone: what a rank holds depends on
 *  the number of ranks, and another number begins anew. Rows of ntk.h5 are computed again
 *  from them. The folder is locked as a run's is (run_folder.h), so that one command at a
 *  time writes there. */
#ifndef ES_NTK_SAVED_H
#define ES_NTK_SAVED_H

#include "eigenstep/row_layout.h"
#include "eigenstep/run_folder.h"
#include "tangent.h"

typedef struct es_ntk_saved {
  const es_comm *comm; /**< borrowed */
  es_row_layout alone; /**< this rank by itself; owned */
  char dir[1100];      /**< FOLDER/unfinished */
  es_run_folder lock;  /**< of it, until s is closed */
  char *text;          /**< the parameters but for run.walltime; owned */
  es_stop *stop;       /**< requests to stop; borrowed */
  double every;        /**< seconds between states, at least */
  double at, cost;     /**< es_now() of the last one, seconds that it took */
  int64_t step;        /**< of the run, whose kernel is computed */
  bool found;          /**< an earlier command has left states here */
} es_ntk_saved;

/** Collective. Before long work: may this command write to the output folder? Yes if an
 *  earlier one has left its states there and none is running, or if it is empty or not
 *  there. Nothing is made in it but a lock beside states; a file `stop` that asked the
 *  earlier one to end is removed. The caller closes s, also after a failure.
 *  @param stop  its deadline is set; its file becomes FOLDER/stop
 *  @return ES_OK; ES_ECONFIG (not empty, or a running program writes there), ES_EIO: the
 *          same on all ranks */
es_status es_ntk_saved_find(const es_job *job, const char *folder, es_stop *stop,
                            es_ntk_saved *s);
/** Collective. After es_ntk_saved_find: make and lock the output folder, if there are no
 *  states.
 *  @return as es_ntk_saved_find, or ES_ENOMEM */
es_status es_ntk_saved_open(const es_job *job, const es_config *cfg, const char *folder,
                            double every, es_ntk_saved *s);
/** Collective. Sum of the kernel of `step` <- what was saved of it, if anything was.
 *  @return ES_OK; ES_ECONFIG (of other parameters or weights), ES_EIO, ES_ENOMEM:
 *          the same on all ranks */
es_status es_ntk_saved_resume(es_ntk_saved *s, int64_t step, es_ntk_sum *sum);
/** Collective. Remove the unfinished ntk.h5 that came with states; when
 *  es_ntk_saved_resume has found that they are of the same command. */
void es_ntk_saved_clear(const es_ntk_saved *s, const char *folder);
/** Collective. After a layer: save the sum, if it is time or if the command was asked to
 *  stop. @return ES_OK, ES_EIO, ES_ENOMEM; ES_STOPPED (saved, and said) */
es_status es_ntk_saved_layer(void *saved, es_ntk_sum *sum);
/** Collective. All is done: remove the states. @return ES_OK, ES_EIO */
es_status es_ntk_saved_done(const es_ntk_saved *s);
void es_ntk_saved_close(es_ntk_saved *s);

#endif
