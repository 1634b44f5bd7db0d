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

enum { ES_ESTIMATE_GFLOPS = 20 };

/** Not collective. Seconds (p->run[i].expected) that each run takes on `ranks` ranks of
 *  ES_ESTIMATE_GFLOPS, from its floating-point operations, and its memory, from the plan
 *  of its network. Opens the data sets; warnings about them are not printed.
 *  @param e  [p->n]. @return ES_OK, ES_ENOMEM */
es_status es_estimate_runs(const es_job *job, const es_sweep_spec *s, es_sweep_plan *p,
                           es_estimate *e);

/** Seconds that runs took in proportion to the expected ones, over those that are done;
 *  NaN: none is. *runs: how many they are. */
double es_estimate_scale(const es_queue *q, int *runs);

#endif
