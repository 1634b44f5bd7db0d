/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_state.h  The state of a run of a sweep, in a file beside its folder:
 *  DIR/NAME.state, replaced atomically. Not collective. */
#ifndef ES_SWEEP_RUN_STATE_H
#define ES_SWEEP_RUN_STATE_H

#include <stdint.h>
#include "words.h"

/** ORPHANED is never written: it is a RUNNING one whose job gives no sign of life. */
typedef enum es_run_phase {
  ES_RUN_PENDING,
  ES_RUN_RUNNING,
  ES_RUN_DONE,
  ES_RUN_FAILED,
  ES_RUN_STOPPED,
  ES_RUN_ORPHANED,
  ES_RUN_PHASES
} es_run_phase;
const char *es_run_phase_name(es_run_phase p); /**< "PENDING" ...; never NULL */

typedef struct es_run_state {
  char id[24]; /**< of the run (plan.h) */
  es_run_phase phase;
  int64_t generation; /**< of the claim under which it was written; 0: none */
  char job[96];       /**< that wrote it */
  char host[96];      /**< of the first rank */
  int64_t ranks;
  int64_t steps;     /**< run.steps of a run that is DONE */
  double seconds;    /**< wall time in all jobs so far */
  char reason[1024]; /**< of FAILED and STOPPED; else "" */
  double written;    /**< of one that was read: when, s, by the file system's clock */
} es_run_state;

/** *found: is there one? Unknown lines are skipped.
 *  @return ES_OK; ES_EIO, ES_EFORMAT (a file that is no state) */
es_status es_run_state_read(const char *dir, const char *name, es_run_state *s,
                            bool *found);
/** Replace it atomically. @return ES_OK, ES_EIO */
es_status es_run_state_write(const char *dir, const char *name, const es_run_state *s);
/** Write it if there is none. *made: there was none. @return ES_OK, ES_EIO */
es_status es_run_state_create(const char *dir, const char *name, const es_run_state *s,
                              bool *made);
/** Names of all runs that have a state in the folder, in no order. */
es_status es_run_state_list(const char *dir, es_words *names);

#endif
