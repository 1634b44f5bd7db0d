/* SPDX-License-Identifier: BSD-3-Clause */
/** @file plan.h  The runs of a sweep: parameters, identity and name of each. */
#ifndef ES_SWEEP_PLAN_H
#define ES_SWEEP_PLAN_H

#include "spec.h"

enum { ES_SWEEP_ID = 17 }; /**< bytes of an identity, with its end */

typedef struct es_sweep_run {
  char id[ES_SWEEP_ID];
  char *name;      /**< folder within the sweep's; owned */
  es_words set;    /**< "section.key=value" beside the base file; owned */
  es_words value;  /**< of each varied key, canonical; owned */
  int64_t steps;   /**< run.steps */
  double expected; /**< seconds, or in units of unknown length; NaN: not known */
} es_sweep_run;

/** Owned. */
typedef struct es_sweep_plan {
  int n, skipped;    /**< runs; those left out by sweep.skip */
  es_sweep_run *run; /**< [n] in the order of the axes, the last one fastest */
  es_words varied;   /**< keys of the axes of several points, run.seed last */
  es_words named; /**< those of them that name a run: one of an axis, if that is enough */
  char *dir;      /**< folder of the sweep: output.dir of base file and values */
} es_sweep_plan;

/** Not collective. All runs of a sweep.
 *
 *  A run's identity is a hash of its command and of its parameters that are not the
 *  default, each in canonical form; aside from output.*, the sections of other commands,
 *  and what may change when a run is resumed (es_config_may_change) unless it is varied.
 *  @return ES_OK; ES_ECONFIG (two runs are the same: names both; none is left), ES_ENOMEM
 */
es_status es_sweep_plan_make(const es_job *job, const es_sweep_spec *s, es_sweep_plan *p);
void es_sweep_plan_free(es_sweep_plan *p);

/** Not collective. The configuration of a run, or with r = NULL of none: base file and
 *  values for all; destroyed by the caller. @return ES_OK, ES_ECONFIG, ES_ENOMEM */
es_status es_sweep_config(const es_sweep_spec *s, const es_sweep_run *r, es_config **cfg);

#endif
