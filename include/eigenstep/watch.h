/* SPDX-License-Identifier: BSD-3-Clause */
/** @file watch.h  A run as its folder shows it while it goes on, is over or was killed:
 *  from files alone (STATUS, log.txt, timesteps.txt, job.txt, the published
 *  trajectory.h5), on any machine that sees the folder. Nothing in it is changed. */
#ifndef ES_WATCH_H
#define ES_WATCH_H

#include "eigenstep/traj_read.h"

typedef enum es_watch_state {
  ES_WATCH_RUNNING,
  ES_WATCH_SILENT, /**< STATUS says running; the program is not seen from here */
  ES_WATCH_GONE,   /**< STATUS says running, but the program has ended without a word */
  ES_WATCH_ENDED   /**< STATUS says how */
} es_watch_state;

/** The last line of timesteps.txt, and what the last snapshot forecasts; NaN: not
 *  known. */
typedef struct es_watch_progress {
  double step, time, loss, learned;
  double speed, left;      /**< images a second, seconds */
  double steps;            /**< run.steps */
  double mode;             /**< that is learned next, */
  double at_step, at_time; /**< when, */
  double at_step_error;    /**< and how sure that is: one standard deviation */
} es_watch_progress;

typedef struct es_watched {
  char dir[1024];
  char status[256]; /**< first line of STATUS */
  es_watch_state state;
  double age; /**< seconds since a file of the run last changed */
  es_watch_progress now;
  es_traj_rows loss; /**< of the probe or, where that is not measured, of batches */
  es_traj_rows eigenvalues; /**< of the followed matrix; n = 0: no snapshot yet */
  es_traj_rows features;    /**< of the features' covariance; n = 0: not measured */
} es_watched;

/** Collective. Read the folder. The caller frees *w with es_watch_free.
 *  @return ES_OK; ES_EIO: it is no run; ES_ENOMEM; the same on all ranks */
es_status es_watch_read(const es_comm *c, const char *dir, es_watched *w);
void es_watch_free(es_watched *w);

/** Is there nothing more to come? */
bool es_watch_is_over(const es_watched *w);

/** Print, rank 0: state, loss and leading eigenvalues over the steps so far as
 *  sparklines, the next transition.
 *  @param blocks  with Unicode's blocks, for a terminal; false: with ASCII characters */
void es_watch_draw(const es_watched *w, bool blocks);
/** Print the same in one line without curves. */
void es_watch_print_line(const es_watched *w);

#endif
