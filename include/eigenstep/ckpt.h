/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ckpt.h  Atomic checkpoints: DIR/step_N/state.h5 with a DONE marker, and the link
 *  DIR/latest.
 *
 *  A checkpoint is written to step_N.tmp, closed and synced; after all ranks have agreed
 *  it is renamed, or exchanged atomically with an older checkpoint of the same step:
 *  after the first one, a complete checkpoint exists at any instant. A folder without
 *  DONE is ignored. The content comes from state visitors and is the same for any number
 *  of ranks. */
#ifndef ES_CKPT_H
#define ES_CKPT_H

#include "eigenstep/comm.h"
#include "eigenstep/visit.h"

/** Traverse all persistent state with the visitor. */
typedef es_status (*es_state_walk)(void *state, es_visitor *v);

/** A checkpoint to write: place and metadata. All pointers are borrowed for the call. */
typedef struct es_ckpt_set {
  const char *dir;         /**< folder of all checkpoints of the run */
  int64_t step;            /**< training steps done, 0 <= step < 10^15 */
  double time;             /**< effective time t = sum of the learning rates */
  int keep;                /**< number of newest checkpoints to keep, >= 1 */
  const char *config_text; /**< effective run.ini, stored in the file */
} es_ckpt_set;

/** Collective. Write checkpoint set->dir/step_N (the folder is created if missing), then
 *  remove all but the newest set->keep checkpoints. After a failure the older checkpoints
 *  are untouched and the temporary folder is removed.
 *  @return ES_OK, ES_EARG (step, keep, length of dir), ES_EIO, ES_ENOMEM, ES_EINTERNAL
 *          (ranks hold different values): the same on all ranks */
es_status es_ckpt_write(const es_comm *c, const es_ckpt_set *set, es_state_walk walk,
                        void *state);

/** Not collective. The steps of the newest complete checkpoints under `dir`, ascending,
 *  at most `most` of them in step[]; returns how many, or -1 with errno set where the
 *  folder is there and cannot be read. */
int es_ckpt_list(const char *dir, int most, int64_t *step);

/** Not collective. How many complete checkpoints are under `dir`, or -1 as above. */
int es_ckpt_count(const char *dir);

/** Collective. Path and step of the newest complete checkpoint under `dir`.
 *  @return ES_OK, ES_EIO (there is none): the same on all ranks */
es_status es_ckpt_latest(const es_comm *c, const char *dir, char path[1200],
                         int64_t *step);

/** Collective. The same among the checkpoints whose step is below `bound`, for callers
 *  that found a newer one damaged. */
es_status es_ckpt_before(const es_comm *c, const char *dir, int64_t bound,
                         char path[1200], int64_t *step);
/** Collective. Find the complete checkpoint of a step under `dir`: its path.
 *  @return ES_OK, ES_EIO (there is none: names the newest): the same on all ranks */
es_status es_ckpt_find(const es_comm *c, const char *dir, int64_t step, char path[1200]);

/** Collective. Read the checkpoint folder `path` into the state: every item must exist
 *  with its type and shape. A failure may leave the state partly loaded.
 *  @param time         out, may be NULL: effective time
 *  @param config_text  out, may be NULL: run.ini of the run; the caller frees it
 *  @return ES_OK, ES_EIO (damaged: cannot be read, is no HDF5 file, or an item does not
 *          match its hash), ES_EFORMAT (missing item, other type or shape), ES_ENOMEM:
 *          the same on all ranks */
es_status es_ckpt_read(const es_comm *c, const char *path, es_state_walk walk,
                       void *state, double *time, char **config_text);

#endif
