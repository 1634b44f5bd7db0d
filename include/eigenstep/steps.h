/* SPDX-License-Identifier: BSD-3-Clause */
/** @file steps.h  Step detector: when each eigenvalue rose, how fast (theory.md's tau_j,
 *  gamma_j), and when the next one will.
 *
 *  Feed it every snapshot's eigenvalues; ask for the table or the forecast at any time.
 *  The exact rules are at the head of steps.c. */
#ifndef ES_STEPS_H
#define ES_STEPS_H

#include <stdint.h>
#include "eigenstep/status.h"
#include "eigenstep/visit.h"

typedef struct es_steps es_steps;

typedef struct es_steps_options {
  int modes;      /**< how many leading eigenvalues are followed */
  double rate;    /**< from a small start lambda grows as e^(rate gamma t): 8 for Barlow
                       Twins, 4/T for NT-Xent of dot products, 2 for VICReg */
  double settled; /**< about where a learned mode settles: 1 for Barlow Twins */
  double alone;   /**< the first one before the others come; 0: there, too */
} es_steps_options;

/** One learned (or rising) mode. */
typedef struct es_step_row {
  int mode; /**< 1-based, by descending eigenvalue */
  /** Crossing of half the final value (the median of the latest three to five),
   * interpolated, dips of one snapshot aside; NaN if the mode has not risen, or was above
   * that from the first snapshot on. */
  double step, time;
  /** Forecast of that crossing, made at the end of the exponential window from nothing
   * later; NaN if there was none. */
  double step_predicted, time_predicted;
  double gamma;       /**< growth rate in that window / rate; NaN if not fitted */
  double gamma_error; /**< its standard error */
  double value;       /**< latest eigenvalue */
} es_step_row;

/** The next mode to rise, from all snapshots so far. */
typedef struct es_forecast {
  int mode;          /**< 1-based, 0 if all have risen */
  double step, time; /**< of half of its final value; NaN: not to be foretold yet */
  double gamma, gamma_error;
} es_forecast;

/** @return ES_OK; ES_EARG (no modes; rate or settled not above 0); ES_ENOMEM */
es_status es_steps_create(const es_steps_options *o, es_steps **s);
void es_steps_destroy(es_steps **s);

/** Add one snapshot; lambda[modes] descending.
 *  @return ES_OK; ES_EARG (step not after the last one, time before it); ES_EMATH (not
 *          finite); ES_ENOMEM */
es_status es_steps_add(es_steps *s, int64_t step, double time, const double *lambda);

/** Fill rows[modes]. */
void es_steps_table(const es_steps *s, es_step_row *rows);

/** Number of modes whose latest eigenvalue exceeds settled / 2. */
int es_steps_learned(const es_steps *s);

es_forecast es_steps_next(const es_steps *s);

#endif
