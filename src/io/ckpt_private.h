/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ckpt_private.h  The parts of a checkpoint: items in a file, sets in a folder. */
#ifndef ES_CKPT_PRIVATE_H
#define ES_CKPT_PRIVATE_H

#include "eigenstep/ckpt.h"
#include "eigenstep/h5.h"

/** Collective. Walk the state and save every item into, or load it from, /state of f.
 *  A failure of the walk on some ranks only stops all of them. */
es_status es_ckpt_save_items(es_h5 *f, const es_comm *c, es_state_walk walk, void *state);
es_status es_ckpt_load_items(es_h5 *f, const es_comm *c, es_state_walk walk, void *state);

/** The rest is rank 0's alone; results are errno values, 0 for success. */

/** Newest complete set under `dir`: its step, or -1. */
int64_t es_ckpt_newest(const char *dir);

/** Make DIR/step_N.tmp, empty, whatever was there before. */
int es_ckpt_begin(const char *dir, int64_t step, char tmp[1200]);

/** Step_N.tmp becomes step_N with DONE, and `latest` points to it. */
int es_ckpt_commit(const char *dir, int64_t step);

/** Remove all sets up to `step` but the last `keep`, and what incomplete sets left. */
int es_ckpt_prune(const char *dir, int64_t step, int keep);

/** Path of set `step`: "DIR/step_00000120" and `suffix`. */
void es_ckpt_path(char path[1200], const char *dir, int64_t step, const char *suffix);

#endif
