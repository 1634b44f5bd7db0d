/* SPDX-License-Identifier: BSD-3-Clause */
/** @file deep_mode.h  The equation of one mode of a deep linear encoder with a predictor,
 *    dw/dt = L [lambda w^p - (lambda / rho) w^3],  p = 3 - 1/L (JEPA), 2 - 1/L (MAE),
 *  of the amplitude w, for L layers. Nothing is collective, nothing fails. */
#ifndef ES_DEEP_MODE_H
#define ES_DEEP_MODE_H

#include <stdbool.h>
#include <stdint.h>

/** One mode. */
typedef struct es_deep_mode {
  bool jepa;     /**< false: MAE */
  int depth;     /**< layers L of the encoder */
  double lambda; /**< eigenvalue of Gamma */
  double rho;    /**< lambda over the second moment along the mode; <= 0: it decays */
} es_deep_mode;

/** Where w comes to rest: rho^L (JEPA) or rho^(L/(L+1)) (MAE); 0 if it decays. */
double es_deep_mode_end(const es_deep_mode *m);
/** w after a Runge-Kutta step of length h. */
double es_deep_mode_advance(const es_deep_mode *m, double h, double w);
/** Lower bound of the time from `from` to `to` > from > 0: the time without the second
 *  term. */
double es_deep_mode_least_time(const es_deep_mode *m, double from, double to);
/** Step over the fastest time scale, 1 / ((L + 1) x the largest second moment). */
double es_deep_mode_pace(bool flow);
/** The longest automatic simulation, and how much of the last predicted time it adds. */
enum { ES_DEEP_LONGEST = 5000000 };
#define ES_DEEP_TAIL 1.5

#endif
