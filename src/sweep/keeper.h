/* SPDX-License-Identifier: BSD-3-Clause */
/** @file keeper.h  A thread that gives signs of life for a run in progress, however long
 *  the program computes, reports on the sweep, and asks the run to stop when the file
 *  `stop` of the sweep is there. One a group of ranks, on its first. */
#ifndef ES_SWEEP_KEEPER_H
#define ES_SWEEP_KEEPER_H

#include "claim.h"

typedef struct es_keeper es_keeper;

/** What it keeps. Borrowed until es_keeper_stop. */
typedef struct es_kept {
  const es_claim *claim;
  const char *queue, *id;
  const char *stop_file;     /**< whose appearance stops the run; NULL: nothing does */
  double beat;               /**< seconds between two signs of life */
  void (*report)(void *ctx); /**< NULL: none */
  double every;              /**< seconds between two reports */
  void *ctx;
} es_kept;

/** Not collective. If another job has taken the claim over, because this one stood still
 *  for too long, the process ends itself at once (SIGKILL, which ends the job): two jobs
 *  must not write to one folder. @return ES_OK, ES_ENOMEM */
es_status es_keeper_start(const es_kept *kept, es_keeper **k);
/** Returns when the thread has ended. */
void es_keeper_stop(es_keeper **k);

#endif
