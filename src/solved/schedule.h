/* SPDX-License-Identifier: BSD-3-Clause */
/** @file schedule.h  What a simulation with a prediction needs besides its equations: the
 *  prediction, the times to record, messages and warnings before and after. */
#ifndef ES_SCHEDULE_H
#define ES_SCHEDULE_H

#include "eigenstep/param.h"
#include "record.h"

/** A start on the modes of a model; borrowed. */
typedef struct es_theory_start {
  int d, k;            /**< outputs, modes */
  const double *gamma; /**< [k] */
  const double *w;     /**< [d, k] */
  double alpha;        /**< its size */
} es_theory_start;

/** The prediction of a start with at most d of the modes, and a watch for half of each
 *  one's final value. Not collective.
 *  @param opt  next and next_start are filled in: gamma_(d+1), alpha
 *  @return ES_OK, ES_ENOMEM */
es_status es_theory_predict(const es_theory_start *s, es_flow_options opt, es_flow **flow,
                            es_crossings **crossings);

typedef struct es_schedule {
  const char *section;  /**< "kernel", for messages */
  const es_flow *flow;  /**< its opt.lr > 0: descent, times in steps; else a flow */
  double lr;            /**< to count steps in times */
  double alpha, limit;  /**< size of the start; stability limit of lr */
  int64_t steps, rows;  /**< 0 = until all modes are learned; approximate number
                             of times to record */
  const es_list *times; /**< empty = automatic */
  double *at;           /**< out: [n] times; owned by the caller (es_free) */
  int n;                /**< out */
} es_schedule;

/** gamma [k] from sorted eigenvalues, 0 where those are zero to round-off. */
void es_theory_gamma(int k, const double *eigenvalue, double *gamma);

/** What limits the learning rate. */
typedef struct es_theory_scale {
  const double *gamma; /**< [k] descending */
  int k, d;            /**< modes; outputs */
  double offdiag;      /**< w */
} es_theory_scale;

/** Learning rate: lr, or where that is 0 a quarter of the limit without decay: the least
 *  of 1 / (16 gamma_1), 1 / (8 w (gamma_1 + gamma_2)) and 1 / (-8 gamma_k). */
double es_theory_rate(double lr, const es_theory_scale *s);
/** Rate below which descent is stable, with weight decay. */
double es_theory_limit(const es_theory_scale *s, double decay);

/** Rising positive times. */
es_status es_theory_check_times(const char *section, const es_list *times);

/** Moments of the run, the last one its end. Not collective. */
es_status es_theory_moments(es_schedule *p);

/** The step that a simulation has reached; of a flow, the row. */
int64_t es_theory_step(const es_schedule *p, const es_descent *o);

/** The last of them. */
int64_t es_theory_last(const es_schedule *p);

/** Effective time at which the run ends, after es_theory_moments. */
double es_theory_end(const es_schedule *p);

/** Length, missing modes and the plateau to expect, error of the small-start theory,
 *  a rate that must diverge. */
void es_theory_announce(const es_schedule *p);

/** Collective. After the simulation `o` with this status and so many seconds: write what
 *  was recorded, print it, free the record.
 *  @return st; ES_EMATH with the reason logged where descent diverged, or oscillates
 *          about a minimum it never reaches */
es_status es_theory_finish(const es_schedule *p, const es_descent *o, es_status st,
                           double seconds, es_record **record);

#endif
