/* SPDX-License-Identifier: BSD-3-Clause */
/** @file saved.h  The state of kernels that are not finished, on disk: after a kill the
 *  same command goes on where it was, to the same bits.
 *
 *  FOLDER/unfinished/step_S/rank_R_of_N holds this rank's products so far for the kernel
 *  of step S, as checkpoints (ckpt.h) of the rank alone: what a rank holds depends on
 *  the number of ranks, and another number begins anew. Rows of ntk.h5 are computed again
 *  from them. */
#ifndef ES_NTK_SAVED_H
#define ES_NTK_SAVED_H

#include "eigenstep/provenance.h"
#include "eigenstep/row_layout.h"
#include "tangent.h"

typedef struct es_ntk_saved {
  const es_comm *comm; /**< borrowed */
  es_row_layout alone; /**< this rank by itself; owned */
  char dir[1100];      /**< FOLDER/unfinished */
  char *text;          /**< the parameters; owned */
  double every;        /**< seconds between states, at least */
  double at, cost;     /**< es_now() of the last one, seconds that it took */
  int64_t step;        /**< of the run, whose kernel is computed */
  bool found;          /**< an earlier command has left states here */
} es_ntk_saved;

/** Collective. Has an earlier command left its states in this output folder? */
bool es_ntk_saved_exists(const es_comm *c, const char *folder);
/** Collective. Make the output folder, or find it unfinished and remove its ntk.h5; the
 *  caller closes s, also after a failure.
 *  @return as es_run_files_create, or ES_ENOMEM */
es_status es_ntk_saved_open(const es_job *job, const es_config *cfg, const char *folder,
                            double every, es_ntk_saved *s);
/** Collective. Sum of the kernel of `step` <- what was saved of it, if anything was.
 *  @return ES_OK; ES_ECONFIG (of other parameters or weights), ES_EIO, ES_ENOMEM:
 *          the same on all ranks */
es_status es_ntk_saved_resume(es_ntk_saved *s, int64_t step, es_ntk_sum *sum);
/** Collective. Save the sum, if it is time. @return ES_OK, ES_EIO, ES_ENOMEM */
es_status es_ntk_saved_layer(void *saved, es_ntk_sum *sum);
/** Collective. All is done: remove the states. @return ES_OK, ES_EIO */
es_status es_ntk_saved_done(const es_ntk_saved *s);
void es_ntk_saved_close(es_ntk_saved *s);

#endif
