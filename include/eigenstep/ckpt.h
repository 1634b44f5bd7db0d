/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ckpt.h  Atomic checkpoint sets: DIR/step_N/state.h5 with a DONE marker,
 *  DIR/latest.
 *
 *  Written to step_N.tmp, closed, synced, agreed on by all ranks, then renamed; a set
 *  without DONE does not exist. The content comes from state visitors, so it is the
 *  same at any rank count. */
#ifndef ES_CKPT_H
#define ES_CKPT_H

#include "eigenstep/comm.h"
#include "eigenstep/visit.h"

/** Walks all persistent state with the given visitor. */
typedef es_status (*es_state_walk)(void *state, es_visitor *v);

/** What is stored beside the state. All pointers are borrowed for the call. */
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

/** Collective. Newest complete set under `dir`: its path and step. ES_EIO if there is
 *  none. */
es_status es_ckpt_latest(const es_comm *c, const char *dir, char path[1200],
                         int64_t *step);

/** Collective. Read a set into the state: every item must be there with its type and
 *  shape (ES_EFORMAT: got/expected). `time` may be NULL. config_text (may be NULL) is
 *  freed with es_free. */
es_status es_ckpt_read(const es_comm *c, const char *path, es_state_walk walk,
                       void *state, double *time, char **config_text);

#endif
