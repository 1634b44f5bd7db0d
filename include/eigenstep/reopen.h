/* SPDX-License-Identifier: BSD-3-Clause */
/** @file reopen.h  A training run that has ended, rebuilt from its output folder: its
 *  parameters, its network with the weights of a checkpoint, its held-out pairs; on any
 *  number of ranks and on any backend.
 *
 *  Order of calls: es_reopen -> (es_reopen_build) -> use -> es_reopen_close. Nothing is
 *  written to the folder. */
#ifndef ES_REOPEN_H
#define ES_REOPEN_H

#include "eigenstep/assembly.h"

/** Which parts of a run to build. */
typedef enum es_reopen_parts {
  ES_REOPEN_SETTINGS, /**< parameters, step and time: neither data nor network */
  ES_REOPEN_NET,      /**< also the network, for one image; needs no data */
  ES_REOPEN_PROBE,    /**< also the held-out pairs, and the network for chunks of them */
  ES_REOPEN_TRAINING  /**< all that the next training step needs, optimiser included */
} es_reopen_parts;

enum { ES_REOPEN_LATEST = -1 };

/** Which run, and where it is computed; borrowed for the call. */
typedef struct es_reopen_options {
  const char *dir; /**< output folder of `train` */
  /** Of a checkpoint that the folder has. ES_REOPEN_LATEST: the newest complete one, or,
   *  with a warning, the newest before it whose content is intact. */
  int64_t step;
  /** NULL: backend and precision of the run. Otherwise this backend, in f32. */
  const char *backend;
  int argc;          /**< "section.key=value": overrides of run.ini, ... */
  char *const *argv; /**< ... such as data.path where the images have moved */
} es_reopen_options;

/** A run. All members are owned. */
typedef struct es_reopened {
  es_config *config; /**< run.ini and overrides */
  es_settings settings;
  char checkpoint[1200]; /**< folder of the checkpoint */
  bool latest;           /**< none was named: an older one is taken where it is damaged */
  int64_t step;          /**< training steps done */
  double time;           /**< t = sum of the learning rates of its updates */
  char *text;            /**< the parameters that it holds, as INI */
  es_assembly *parts;    /**< those asked for; NULL: ES_REOPEN_SETTINGS */
} es_reopened;

/** Collective. Find the run and build the parts of it, with the checkpoint's weights.
 *
 *  NET: parts->net on parts->backend, with max_n = 1; parts->view.
 *  PROBE: data and views, and parts->probe_loader that gives parts->probe_pairs pairs in
 *  chunks of parts->probe_chunk: the records, views and chunks of the run. net and
 *  eval_net have room for a rank's share of a chunk. The ranks share the rows (the layout
 *  of parallel.deterministic is used by TRAINING alone), so what is computed agrees with
 *  the run to round-off, with batch.sync_bn = true. The data must be those of the
 *  checkpoint (checksum, shape of a view).
 *  TRAINING: as es_assembly_create, with the state of the checkpoint.
 *
 *  @return ES_OK; ES_EIO (no run, no such checkpoint: names folder and remedy),
 *          ES_ECONFIG (parameters, other data, too many ranks), ES_EFORMAT (the
 *          checkpoint has other tensors), ES_ENOMEM: the same on all ranks, logged once;
 *          *r is then NULL */
es_status es_reopen(const es_job *job, const es_reopen_options *o, es_reopen_parts parts,
                    es_reopened **r);

/** Collective. Build parts of a run that was reopened with ES_REOPEN_SETTINGS, once its
 *  parameters are known. @return as es_reopen; r is to be closed also after a failure */
es_status es_reopen_build(const es_comm *c, es_reopened *r, es_reopen_parts parts);

void es_reopen_close(es_reopened **r);

/** Not collective. dir <- the output folder of a command that looks into a run:
 *  output.dir among the overrides or, where they have none, o->dir/NAME. (The output.dir
 *  of the run's own parameters is the run.)
 *  @return ES_OK; ES_ECONFIG (too long), ES_ENOMEM */
es_status es_reopen_output(const es_reopen_options *o, const char *name,
                           char dir[ES_STRING_MAX]);

#endif
