/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ntk.h  eigenstep ntk: the tangent kernel of a run's network at some steps, what
 *  kernel machines predict from it, and how far the embeddings are that. */
#ifndef ES_NTK_H
#define ES_NTK_H

#include "eigenstep/param.h"
#include "eigenstep/provenance.h"

/** Section [ntk]. */
typedef struct es_ntk_params {
  int64_t pairs, further;
  es_string outputs, at;
  int bn;        /**< 0 = probe, 1 = running */
  int precision; /**< es_precision of the factors of products */
  bool keep;
  int64_t memory; /**< MiB */
  double save;    /**< seconds */
  int64_t bootstrap, neighbours;
} es_ntk_params;
extern const es_param es_ntk_table[];

/** Collective. Compute and write FOLDER/ntk.h5 for the run in `dir`.
 *  @param argv  overrides "section.key=value" of the run's parameters and of [ntk];
 *               output.dir is the folder, OUTDIR/ntk unless it is given
 *  @return ES_OK; ES_ECONFIG (parameters, more pairs than were held out, other data),
 *          ES_EIO (no run, no checkpoint, folder), ES_EMATH, ES_ENOMEM: the same on all
 *          ranks */
es_status es_ntk_run(const es_job *job, const char *dir, int argc, char *const *argv);

#endif
