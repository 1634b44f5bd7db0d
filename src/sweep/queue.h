/* SPDX-License-Identifier: BSD-3-Clause */
/** @file queue.h  What is to be done: how far each run is, and the next one to take. Not
 *  collective: one rank of a group asks. */
#ifndef ES_SWEEP_QUEUE_H
#define ES_SWEEP_QUEUE_H

#include "claim.h"
#include "plan.h"
#include "run_state.h"

/** What this process remembers of a run from look to look. */
typedef struct es_run_memory {
  es_claim_watch claim;
  bool taken; /**< once by this process, which does not retake what has failed */
} es_run_memory;

/** Which runs may be taken, and by whom. Borrowed. */
typedef struct es_queue {
  const es_sweep_plan *plan;
  char dir[1024]; /**< of claims */
  char job[96]; /**< name of this job: what it has stopped or failed it does not retake */
  double stale; /**< sweep.stale */
  bool extend;  /**< a run that is DONE with fewer steps is to be continued */
  bool retry;   /**< runs that FAILED before the job began are taken, too, once */
  int only;     /**< this run alone is taken; -1: all */
  const int *order;      /**< [plan->n] the first to take first; NULL: as in the plan */
  es_run_memory *memory; /**< [plan->n] of this process, from one thread at a time */
  double began;          /**< when the job began, s, by the file system's clock */
} es_queue;

/** How far a run is. */
typedef struct es_run_view {
  es_run_phase phase; /**< from state, claims and folder */
  es_run_state state; /**< as in its file */
  es_claim_look claim;
} es_run_view;

/** Look at all runs, and if some seem to be nobody's for so long that a look can tell.
 *  For those that look once. @return ES_OK, ES_EIO, ES_EFORMAT */
es_status es_queue_settle(const es_queue *q);

/** @return ES_OK, ES_EIO, ES_EFORMAT */
es_status es_queue_look(const es_queue *q, int run, es_run_view *v);

/** The first run that can be taken, claimed, its state RUNNING written; *run = -1: there
 *  is none.
 *  *unsure: some run seems to be nobody's, but it is too early to say. */
es_status es_queue_next(const es_queue *q, int *run, es_claim *claim, es_run_state *state,
                        bool *unsure);

#endif
