/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_loop_private.h  What the training loop records of itself (run_report.c):
 *  series of the trajectory, progress lines (also in timesteps.txt), seconds by phase;
 *  and what it does to modes between steps (run_operation.c). */
#ifndef ES_RUN_LOOP_PRIVATE_H
#define ES_RUN_LOOP_PRIVATE_H

#include "eigenstep/run_loop.h"
#include "eigenstep/table.h"

typedef struct es_run_report {
  const es_run *run; /* borrowed, as the next */
  const es_run_parts *parts;
  es_table *table; /**< owned; NULL but on rank 0 */
  struct {
    int loss, probe, gradient, timing;
    int restart; /**< of a resumed run; else -1 */
  } series;
  double begun; /**< es_now() at the start of the run; of a resumed one as if it had never
                     stopped */
  struct {
    double start;  /**< es_now() at the last progress line */
    int64_t steps; /**< since then, as the next two */
    double paused; /**< seconds of snapshots and checkpoints */
    double waited; /**< seconds of waiting for data */
  } window;
  double rate;     /**< views per second, last window */
  int64_t awaited; /**< steps up to the first progress line; 0: it is there */
  int depth;       /**< activities under way before the loop's (eigenstep/progress.h) */
} es_run_report;

/** Collective. Declare the series and open the table. What it borrows must outlive. */
es_status es_run_report_open(const es_run *run, const es_run_parts *parts,
                             es_run_report *r);
/** Collective, also after an es_run_report_open that failed. */
es_status es_run_report_close(es_run_report *r);

/** Collective. Of a resumed run: drop the rows of steps to come from all series, continue
 *  the clock, record the restart. */
es_status es_run_report_resume(es_run_report *r);
/** The first window begins; until its line is there an activity says how far it is
 *  (eigenstep/progress.h). */
void es_run_report_begin(es_run_report *r);

/** Rows of /loss and /gradient: of the step that began at `step` and `time`. */
es_status es_run_report_step(es_run_report *r, int64_t step, double time,
                             const es_step_result *result);
/** A row of /probe_loss. */
es_status es_run_report_probe(es_run_report *r, double loss);
/** Collective. A progress line and a row of /timing for the steps since the last; with
 *  -v where their time went. */
es_status es_run_report_progress(es_run_report *r, const es_step_result *result);

/** Collective, between steps. If the surgery is due now: the modes of the probe's
 *  embeddings, weights and momentum of the last layer changed on all ranks alike, the
 *  table /surgery. A snapshot of this step has the state before.
 *  @return ES_OK, or as es_probe_embed, es_snapshot_directions, es_surgery_record: the
 *          same on all ranks */
es_status es_run_operation(const es_run_parts *p);
/** Collective. After a resume from before the surgery: as es_surgery_resume. */
es_status es_run_operation_resume(const es_run_parts *p);

#endif
