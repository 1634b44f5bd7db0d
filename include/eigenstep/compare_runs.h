/* SPDX-License-Identifier: BSD-3-Clause */
/** @file compare_runs.h  eigenstep compare: embeddings of several origins on the same
 *  points, each with each. */
#ifndef ES_COMPARE_RUNS_H
#define ES_COMPARE_RUNS_H

#include "eigenstep/param.h"
#include "eigenstep/provenance.h"

/** Section [compare]. */
typedef struct es_compare_params {
  int64_t pairs, modes, bootstrap, neighbours;
} es_compare_params;
extern const es_param es_compare_table[];

/** Collective. Compare the sources and write FOLDER/compare.h5.
 *
 *  A source is the folder of a run, of its newest checkpoint (DIR), of another
 *  (DIR@STEP), of the weights before the first step (DIR@first), of all its checkpoints
 *  (DIR@all), or what `eigenstep ntk` predicted for it (DIR@ntk); or embeddings in a file
 *  (embedding_file.h). Runs are applied to the held-out pairs of the first of them: first
 *  views, then second ones. Files have as many rows in that order, or any number where
 *  there are no runs.
 *  @param argv  sources, then overrides "section.key=value"
 *  @return ES_OK; ES_ECONFIG (fewer than two sources, other points), ES_EIO, ES_EFORMAT,
 *          ES_EMATH (a value is not finite), ES_ENOMEM: the same on all ranks */
es_status es_compare_runs(const es_job *job, int argc, char *const *argv);

#endif
