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

/** Collective. Write set `step` under `dir` (created if missing); then remove older sets
 *  but the last `keep` (>= 1). On failure the older sets are untouched and the .tmp
 *  removed.
 *  @param config_text  effective run.ini, stored with it
 *  @param time         effective time t */
es_status es_ckpt_write(const es_comm *c, const char *dir, int64_t step, double time,
                        int keep, const char *config_text, es_state_walk walk,
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
