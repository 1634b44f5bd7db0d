/* SPDX-License-Identifier: BSD-3-Clause */
/** @file steps.h  Step detector: when each eigenvalue rose, and how fast (theory.md's
 *  tau_j, gamma_j).
 *
 *  Feed it every snapshot's eigenvalues; ask for the table at any time. */
#ifndef ES_STEPS_H
#define ES_STEPS_H

#include <stdint.h>
#include "eigenstep/status.h"
#include "eigenstep/visit.h"

typedef struct es_steps es_steps;

/** One learned (or rising) mode. */
typedef struct es_step_row {
  int mode; /**< 1-based, by descending eigenvalue */
  /** Crossing of half the final (= latest) value, interpolated; NaN if the mode has not
   * risen, or was above that from the first snapshot on. */
  double step, time;
  /** Forecast of the time of scale / 2, made at the end of its exponential window from
   * nothing later: t + ln(scale/l - 1) / (8 gamma); NaN if there was none. */
  double time_predicted;
  double gamma; /**< slope of ln lambda / 8 in that window; NaN if not fitted */
  double value; /**< latest eigenvalue */
} es_step_row;

/** @param modes  how many leading eigenvalues are followed */
es_status es_steps_create(int modes, es_steps **s);
void es_steps_destroy(es_steps **s);

/** Add one snapshot; lambda[modes] descending.
 *  @return ES_OK; ES_EARG (step not after the last one, time before it); ES_EMATH (not
 *          finite); ES_ENOMEM */
es_status es_steps_add(es_steps *s, int64_t step, double time, const double *lambda);

/** Fill rows[modes]. A mode has risen when its latest value exceeds scale / 2, `scale`
 *  being where a learned mode settles (1 for Barlow Twins). Its window: values above 3
 *  times the least before its rise and below scale / 10. The exact rule is at the head
 *  of steps.c. */
void es_steps_table(const es_steps *s, double scale, es_step_row *rows);

/** Number of modes whose latest eigenvalue exceeds scale / 2. */
int es_steps_learned(const es_steps *s, double scale);

#endif
