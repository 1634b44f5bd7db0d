/* SPDX-License-Identifier: BSD-3-Clause */
/** @file spec.h  What SWEEP.ini says: its section [sweep], axes, values for all runs. */
#ifndef ES_SWEEP_SPEC_H
#define ES_SWEEP_SPEC_H

#include "axis.h"
#include "condition.h"
#include "eigenstep/sweep.h"

enum { ES_SWEEP_AXES = 32 };

/** All zero: empty. Owned. */
typedef struct es_sweep_spec {
  es_sweep_params par;
  int axes;
  es_axis axis[ES_SWEEP_AXES]; /**< the table's first, the seeds' last */
  es_words fixed;              /**< "section.key=value" for all runs */
  es_condition skip;
  char *path;      /**< SWEEP.ini, named from any folder */
  char *text;      /**< its text */
  char *base_path; /**< of the base file as it was found; "-": the defaults */
  char *base;      /**< its text */
} es_sweep_spec;

/** Collective. Read the sweep's file, its base file and its table (rank 0 does), apply
 *  the overrides and check that all keys are parameters; values are checked by the runs.
 *  Paths in the file are relative to its folder, or else to the current one.
 *  @return ES_OK, ES_ECONFIG, ES_ENOMEM: the same on all ranks; nothing to free then */
es_status es_sweep_spec_read(const es_job *job, const es_sweep_options *o,
                             es_sweep_spec *s);
void es_sweep_spec_free(es_sweep_spec *s);

#endif
