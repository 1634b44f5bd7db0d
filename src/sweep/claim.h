/* SPDX-License-Identifier: BSD-3-Clause */
/** @file claim.h  Which job works on a run: claims, files that exactly one job creates.
 *
 *  Claims of a run are numbered from 1 on, QUEUE/ID.1, QUEUE/ID.2, ...; the last one
 *  counts, and none is removed while it counts. A job that takes over from a dead one
 *  creates the next number, which succeeds for one job alone.
 *
 *  A claim made under this kernel is alive while its lock is held, be its process
 *  suspended for hours, and dead when it was seen unlocked twice, two seconds apart,
 *  without a touch in between. One made elsewhere, or on a file system without locks, is
 *  alive when it is seen to be touched, and dead when that was `stale` seconds ago. Times
 *  are those that the file system gives: clocks of hosts may differ. Not collective. */
#ifndef ES_SWEEP_CLAIM_H
#define ES_SWEEP_CLAIM_H

#include <stdint.h>
#include "eigenstep/status.h"

/** Seconds in which the other processes of a job that was killed end, too. */
enum { ES_CLAIM_GRACE = 2 };

typedef enum es_claim_life {
  ES_CLAIM_NONE,   /**< there is no claim */
  ES_CLAIM_ALIVE,  /**< its job gives signs of life */
  ES_CLAIM_UNSURE, /**< it may be dead; look again later */
  ES_CLAIM_DEAD
} es_claim_life;

/** The last claim of a run. */
typedef struct es_claim_look {
  int64_t generation; /**< 0: none */
  es_claim_life life;
} es_claim_look;

/** What one observer has seen of a run's last claim. All zero: nothing yet. */
typedef struct es_claim_watch {
  int64_t generation;
  double touched;  /**< s, by the file system's clock */
  double unlocked; /**< es_now() when it was first seen without a lock; 0: never */
  bool beats;      /**< it was touched between two looks */
} es_claim_watch;

/** @param from   a generation that exists, or 0
 *  @param stale  seconds without a sign of life after which a claim is dead
 *  @param watch  of this run, kept by the caller from look to look
 *  @return ES_OK, ES_EIO */
es_status es_claim_find(const char *queue, const char *id, int64_t from, double stale,
                        es_claim_watch *watch, es_claim_look *look);

/** Seconds of the file system's own clock; NaN: nothing can be written in the folder. */
double es_claim_clock(const char *queue);

/** A claim of this process. */
typedef struct es_claim {
  char path[1024];
  int64_t generation;
  int fd; /**< open and locked; -1: none */
} es_claim;

/** Create claim `generation` of a run; c->fd = -1: another job has it.
 *  @return ES_OK, ES_EIO */
es_status es_claim_take(const char *queue, const char *id, int64_t generation,
                        es_claim *c);
/** Has no other job taken the claim over? */
bool es_claim_is_held(const es_claim *c, const char *queue, const char *id);
/** Give a sign of life. @return is the claim still this process's? false: another job has
 *  taken over, after this process was silent for too long */
bool es_claim_touch(const es_claim *c, const char *queue, const char *id);
/** Close it; `withdraw`: also remove it, as nothing was done under it. */
void es_claim_release(es_claim *c, bool withdraw);

#endif
