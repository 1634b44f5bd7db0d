/* SPDX-License-Identifier: BSD-3-Clause */
/** @file estimate.h  What the runs of a sweep take, before they are made. */
#ifndef ES_SWEEP_ESTIMATE_H
#define ES_SWEEP_ESTIMATE_H

#include "queue.h"

/** Of one run. */
typedef struct es_estimate {
  double bytes;  /**< memory of a rank, at least; NaN: not known */
  char why[256]; /**< it cannot run: the sentence; else "" */
} es_estimate;

/** Not collective. Work of a rank (p->run[i].expected), 1e9 floating-point operations, of
 *  each run on `ranks` ranks, and its memory, from the plan of its network. Opens the
 *  data sets; warnings about them are not printed.
 *  @param e  [p->n]. @return ES_OK, ES_ENOMEM */
es_status es_estimate_runs(const es_job *job, const es_sweep_spec *s, es_sweep_plan *p,
                           es_estimate *e);

/** Not collective. 1e9 operations a second that a rank has here: of a step of the sweep's
 *  first run that can be made, measured in a moment, or of a product of matrices for a
 *  solved model; NaN: it cannot be measured. */
double es_estimate_rate(const es_job *job, const es_sweep_spec *s,
                        const es_sweep_plan *p);

/** Seconds that runs took for 1e9 operations of a rank, over those that are done; NaN:
 *  none is. *runs: how many they are. */
double es_estimate_scale(const es_queue *q, int *runs);

#endif
