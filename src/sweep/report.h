/* SPDX-License-Identifier: BSD-3-Clause */
/** @file report.h  The progress of a sweep on the terminal: what has ended, what is
 *  running and how far, and when all will be done. Not collective: the first rank of a
 *  job, from one thread at a time. */
#ifndef ES_SWEEP_REPORT_H
#define ES_SWEEP_REPORT_H

#include "queue.h"

/** Owned. */
typedef struct es_report {
  const es_queue *queue; /**< borrowed */
  es_run_phase *seen;    /**< [runs] when last looked at */
  double began;          /**< es_now() */
  int groups;            /**< of ranks, in this job */
} es_report;

es_status es_report_create(const es_queue *q, int groups, es_report *r);
void es_report_free(es_report *r);

/** Lines for runs that have ended since the last call, then one for the sweep and one for
 *  each that is running. ctx: an es_report. */
void es_report_progress(void *ctx);

/** How many runs are in each phase. @return ES_OK, ES_EIO, ES_EFORMAT */
es_status es_report_count(const es_queue *q, int count[ES_RUN_PHASES]);
/** The states of all runs as a table, in the order of the plan. */
es_status es_report_states(const es_queue *q);

#endif
