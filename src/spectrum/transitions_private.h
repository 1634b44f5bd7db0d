/* SPDX-License-Identifier: BSD-3-Clause */
/** @file transitions_private.h  What the files of the transition detector share.
 *  transitions.c keeps the values and finds transitions; transition_fit.c fits the
 *  exponential phase of a mode and forecasts. */
#ifndef ES_TRANSITIONS_PRIVATE_H
#define ES_TRANSITIONS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include "eigenstep/transitions.h"

/** A value above this times the least is above its noise. */
#define ES_FLOOR_FACTOR 3.0

struct es_transitions {
  es_transitions_options opt;
  int count, capacity;
  double *step, *time; /**< [capacity] owned */
  double *lambda;      /**< [capacity][modes] owned */
};

/** One mode's history. Borrowed. */
typedef struct es_curve {
  const es_transitions *s;
  int mode; /**< from 0 on */
} es_curve;

static inline double es_curve_at(es_curve c, int i) {
  return c.s->lambda[(size_t) i * (size_t) c.s->opt.modes + (size_t) c.mode];
}

/** The exponential phase of a mode and the line through it. */
typedef struct es_phase {
  int first, last;       /**< snapshots; none if last < first */
  double end;            /**< e, the final value that is expected */
  double least;          /**< value up to its last snapshot */
  double slope, error;   /**< of the logit on time; NaN: no rate */
  double variance;       /**< of a logit of weight 1, about the line */
  double middle, spread; /**< weighted mean of the times; sum of squares about it */
} es_phase;

/** The phase before snapshot `from`. */
es_phase es_curve_phase(es_curve c, int from);

/** The forecast of half of p->end, from the value at snapshot i, with its interval.
 *  @param p  with a slope */
es_forecast es_curve_forecast(es_curve c, const es_phase *p, int i);

/** Is the mode learned at snapshot i? */
bool es_curve_learned(es_curve c, int i);

/** Last snapshot at or below `level`, but for lone dips; -1 if there is none. */
int es_curve_last_below(es_curve c, double level);
/** Step and time at which the value passes `level` between snapshots i and i + 1. */
void es_curve_crossing(es_curve c, int i, double level, double *step, double *time);

#endif
