/* SPDX-License-Identifier: BSD-3-Clause */
/** @file stop.h  Signals, wall-time limit and stop file: one collective decision per
 *  step. */
#ifndef ES_STOP_H
#define ES_STOP_H

#include "eigenstep/comm.h"

typedef enum es_stop_cause {
  ES_STOP_NONE = 0,
  ES_STOP_CHECKPOINT = 1, /**< SIGUSR2, ckpt.minutes: write a checkpoint and continue */
  ES_STOP_FILE = 2,       /**< a file `stop` in the output folder, or the sweep's */
  ES_STOP_WALLTIME = 3,
  ES_STOP_SIGNAL = 4, /**< SIGUSR1, SIGTERM, SIGINT, SIGHUP, SIGXCPU */
  ES_STOP_GONE = 5    /**< the folder of the stop file does not exist any more */
} es_stop_cause;

/** Not collective. Install the signal handlers, which only set a flag; the second SIGINT
 *  ends the program at once. */
void es_stop_install(void);

/** Not collective, from any thread. From now on every es_stop of this process has this
 *  cause, as after a signal, until the process ends: it begins no other work. */
void es_stop_request(es_stop_cause cause);

typedef struct es_stop {
  double deadline; /**< es_now() by which to stop; 0 = none */
  char file[1100]; /**< path checked by rank 0 every `every` calls; "" = none */
  int every;
  int64_t calls;
  es_stop_cause cause;  /**< why the loop ended early, set by the loop */
  int64_t next, stride; /**< of es_stop_at: calls until it looks; between two looks */
  double asked;         /**< es_now() at the last look */
} es_stop;

/** Not collective. The cause on this rank, to be reduced over ranks by MAX. Clears a
 *  pending ES_STOP_CHECKPOINT. */
es_stop_cause es_stop_poll(es_stop *s, const es_comm *comm);

/** Collective. The largest cause over all ranks; act only on this value. */
es_stop_cause es_stop_agree(es_stop *s, const es_comm *comm);

/** Not collective. Before each loop that calls es_stop_at: it learns how often to look
 *  from the steps of this loop alone. @param s  may be NULL */
void es_stop_begin(es_stop *s);

/** Collective, for loops of short steps, called at each of them, also after a failure of
 *  this rank alone: looks for a request a few times a second, as rank 0's clock says,
 *  whatever a step takes, as long as the steps of one loop are of similar length. A
 *  request for a checkpoint is none here.
 *  @param s     NULL: nothing stops this loop: ES_OK at once, whatever `mine` is, which
 *               the caller then has to agree on itself
 *  @param mine  status of this rank so far
 *  @return the same on all ranks: ES_OK, also when it did not look; ES_STOPPED, with
 *          s->cause set; the worst status of all ranks (es_comm_agree) */
es_status es_stop_at(es_stop *s, const es_comm *comm, es_status mine);

/** Not collective, for loops in which ranks do not meet: the cause on this rank, looked
 *  for a few times a second; es_stop_share makes it known to all. */
es_stop_cause es_stop_alone(es_stop *s, const es_comm *comm);
/** Collective. s->cause becomes that of any rank. */
void es_stop_share(es_stop *s, const es_comm *comm);

/** Collective. Between long pieces of work of which nothing is kept: is there a request
 *  to stop? Says so.
 *  @param s     NULL: signals are the only requests; else s->cause is set
 *  @param next  what would come next, for the log
 *  @return ES_OK, ES_STOPPED: the same on all ranks */
es_status es_stop_between(es_stop *s, const es_comm *comm, const char *next);

/** Description of a cause, as written to STATUS. Never NULL. */
const char *es_stop_name(es_stop_cause c);

#endif
