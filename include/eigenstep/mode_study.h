/* SPDX-License-Identifier: BSD-3-Clause */
/** @file mode_study.h  eigenstep modes: what the modes of a run are about. */
#ifndef ES_MODE_STUDY_H
#define ES_MODE_STUDY_H

#include "eigenstep/param.h"
#include "eigenstep/provenance.h"

/** Section [modes]. */
typedef struct es_mode_study_params {
  int64_t pairs, count;
  es_string at;
  int of; /**< 0 = embedding, 1 = features */
  int bn; /**< 0 = probe, 1 = running */
  int64_t permutations;
  es_string accuracy; /**< a classifier of accuracy_list.h, or none */
  int64_t draws;
  bool augment;
} es_mode_study_params;
extern const es_param es_mode_study_table[];

/** Collective. Study the modes of the run in `dir` and write FOLDER/modes.h5.
 *  @param argv  overrides "section.key=value" of the run's parameters and of [modes];
 *               output.dir is the folder, OUTDIR/modes unless it is given
 *  @return ES_OK; ES_ECONFIG (parameters, more pairs than were held out, other data),
 *          ES_EIO (no run, no checkpoint, folder), ES_EMATH (not finite), ES_ENOMEM: the
 *          same on all ranks */
es_status es_mode_study_run(const es_job *job, const char *dir, int argc,
                            char *const *argv);

#endif
