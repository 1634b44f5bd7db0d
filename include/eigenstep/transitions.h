/* SPDX-License-Identifier: BSD-3-Clause */
/** @file transitions.h  Transition detector: when each eigenvalue went from small to its
 *  final value, its growth rate (tau_j, gamma_j of flow.h), and a forecast of the next
 *  transition. A transition is a step of the staircase that the spectrum of a run shows;
 *  a training step is called step here.
 *
 *  Feed it every snapshot's eigenvalues; ask for the table or the forecast at any time.
 *  The exact rules are at the heads of transitions.c and transition_fit.c. */
#ifndef ES_TRANSITIONS_H
#define ES_TRANSITIONS_H

#include <stdint.h>
#include "eigenstep/status.h"
#include "eigenstep/visit.h"

typedef struct es_transitions es_transitions;

typedef struct es_transitions_options {
  int modes;       /**< how many leading eigenvalues are followed */
  double rate;     /**< from a small start lambda grows as e^(rate gamma t): 8 for Barlow
                       Twins, 4/T for NT-Xent of dot products, 2 for VICReg */
  double settled;  /**< typical final value of a learned mode: 1 for Barlow Twins */
  double alone;    /**< that of the first mode before others are learned; 0: the same */
  double momentum; /**< mu of the heavy ball; 0: plain descent */
  bool nesterov;
  double pairs; /**< of which the eigenvalues are: their sampling error; 0: none */
} es_transitions_options;

/** What a mode has done so far. */
typedef enum es_transition_state {
  ES_MODE_LEARNED,
  ES_MODE_UNSTABLE,   /**< learned, but it fell after it had first risen */
  ES_MODE_FROM_START, /**< learned, above half its final value from the first snapshot */
  ES_MODE_FELL,       /**< it rose, but is not learned now */
  ES_MODE_GROWING,    /**< not learned; its growth has a rate */
  ES_MODE_IRREGULAR,  /**< not learned; above three times its least value, but without
                           a rate */
  ES_MODE_FLAT,       /**< not learned, and it never rose */
  ES_MODE_STOPPED     /**< not learned; it rose, but rises no longer */
} es_transition_state;

/** When half of a mode's final value is reached, extrapolated from its growth. NaN where
 *  that is not known. */
typedef struct es_forecast {
  int mode; /**< 1-based; of es_transitions_next 0: all are learned */
  double step, time;
  double step_error, time_error; /**< one standard deviation, half the width of a 68 %
                                      interval: parts at the head of transition_fit.c */
  double gamma;                  /**< of the growth: (z - 1)(z - mu) / (lr z rate/2) with
                           z = e^(slope lr/2) a step, (1 + mu) z - mu in place of z with
                           nesterov */
  double gamma_error;            /**< its standard error */
} es_forecast;

/** One mode, learned or growing. */
typedef struct es_transition {
  int mode; /**< 1-based, by descending eigenvalue */
  es_transition_state state;
  /** Transition: crossing of half the final value (the median of the latest three to
   * five), interpolated, dips of one snapshot skipped; NaN if the mode is not learned, or
   * was above that from the first snapshot on. */
  double step, time;
  /** The first crossing, of two snapshots or more: another one where the state is
   * UNSTABLE, there and in FELL NaN if the mode was above from the first snapshot. */
  double step_first, time_first;
  /** Of the crossing, made at the end of the exponential window from no later value; NaN
   *  if there was no such window. */
  es_forecast forecast;
  double value; /**< latest eigenvalue */
  double half;  /**< settled / 2, above which a mode is learned */
} es_transition;

/** @return ES_OK; ES_EARG (no modes; rate or settled not above 0); ES_ENOMEM */
es_status es_transitions_create(const es_transitions_options *o, es_transitions **s);
void es_transitions_destroy(es_transitions **s);

/** Add one snapshot; lambda[modes] descending.
 *  @return ES_OK; ES_EARG (step not after the last one, time before it); ES_EMATH (not
 *          finite); ES_ENOMEM */
es_status es_transitions_add(es_transitions *s, int64_t step, double time,
                             const double *lambda);

/** Fill rows[modes]. */
void es_transitions_table(const es_transitions *s, es_transition *rows);

/** Why a row has no transition, or what is special about it, as a few words: "" for a
 *  learned mode with a forecast, "not reached within 150 steps", "never rose", ...
 *  @param steps  of the run so far */
void es_transition_note(const es_transition *row, int64_t steps, char text[64]);

/** Number of modes learned: risen above settled / 2 and not fallen to 0.8 of that. */
int es_transitions_learned(const es_transitions *s);

/** Forecast of the next mode to be learned, from all snapshots so far; NaN but for its
 *  number where it no longer grows exponentially. */
es_forecast es_transitions_next(const es_transitions *s);

#endif
