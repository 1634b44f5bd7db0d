/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ckpt_private.h  The parts of checkpointing: items in a file, checkpoints in a
 *  folder. */
#ifndef ES_CKPT_PRIVATE_H
#define ES_CKPT_PRIVATE_H

#include "eigenstep/ckpt.h"
#include "eigenstep/h5.h"

/** Collective. Save every item of the state to, or load it from, /state of f. A failure
 *  of the traversal on some ranks stops all of them. */
es_status es_ckpt_save_items(es_h5 *f, const es_comm *c, es_state_walk walk, void *state);
es_status es_ckpt_load_items(es_h5 *f, const es_comm *c, es_state_walk walk, void *state);

/** The functions below are called on rank 0 only; they return errno values, 0 on
 *  success. */

/** Step of the newest complete checkpoint under `dir` that is below `bound`; -1: none,
 *  with errno 0, or errno says why the folder cannot be read. */
int64_t es_ckpt_newest(const char *dir, int64_t bound);

/** Path of the complete checkpoint of this step: step_N, or step_N.old where a kill left
 *  only that. */
void es_ckpt_complete_path(char path[1200], const char *dir, int64_t step);

/** Create an empty DIR/step_N.tmp, replacing an existing one. */
int es_ckpt_begin(const char *dir, int64_t step, char tmp[1200]);

/** Add DONE to step_N.tmp, make it step_N, and point the link `latest` to it. */
int es_ckpt_commit(const char *dir, int64_t step);

/** Remove all checkpoints up to `step` except the newest `keep`, and incomplete ones. */
int es_ckpt_prune(const char *dir, int64_t step, int keep);

/** Path of checkpoint `step`: "DIR/step_00000120" followed by `suffix`. */
void es_ckpt_path(char path[1200], const char *dir, int64_t step, const char *suffix);

#endif
