/* SPDX-License-Identifier: BSD-3-Clause */
/** @file record.h  What a simulation with a prediction writes: /loss, /spectrum,
 *  /theory, /steps, and the table of measured beside predicted steps. Shared by the
 *  models that have an exact theory. */
#ifndef ES_RECORD_H
#define ES_RECORD_H

#include "eigenstep/descent.h"
#include "eigenstep/flow.h"
#include "eigenstep/traj.h"

typedef struct es_record es_record;

/** What was found, for the summary. */
typedef struct es_record_summary {
  int learned, expected;    /**< modes; expected: with a predicted time within the run */
  double median, separated; /**< relative error of step times: median; the worst of modes
                                 whose gamma is separated from both neighbours by a ratio
                                 of at most 0.75, 0 where it is within one step (NaN if
                                 there is none) */
  double between; /**< largest |lambda - predicted| of a mode while its predicted
                                 value is outside 0.02 .. 0.98 */
  double loss;    /**< the last */
} es_record_summary;

/** Collective. Declare the groups. All borrowed.
 *  @param flow  the prediction; if its opt.lr > 0, times are given in steps
 *  @param dir   folder of timesteps.txt
 *  @param end   last of the `at` of es_record_see, for es_progress_at */
es_status es_record_create(const es_comm *c, es_traj *t, const es_flow *flow,
                           const char *dir, double end, es_record **r);
void es_record_destroy(es_record **r);

/** Collective. Record one time: for es_descent_observer.record, ctx = es_record. */
es_status es_record_see(void *record, double at, const double *c);

/** Collective. Close timesteps.txt, write /theory and /steps from the rows recorded, and
 *  print the table of modes. */
es_status es_record_finish(es_record *r, const es_crossings *crossings,
                           es_record_summary *s);

/** A number of a printed table. */
typedef char es_record_cell[32];
/** Not collective. x in a printf format for one double, "-" where it is not finite.
 *  Returns `out`. */
const char *es_record_show(const char *format, double x, es_record_cell out);
/** Warn that no mode was learned in the `reached` of `steps` steps; with the remedy, if
 *  the simulation was not stopped before. */
void es_record_warn_none(int64_t reached, int64_t steps);

/** Print the summary of d outputs simulated in so many seconds. */
void es_record_print(const es_record_summary *s, int d, double seconds);

/** Moments from 0 to `end`: about half of `rows` evenly, half evenly in their logarithm
 *  from `first` on; whole numbers if asked for. at: [rows + 2]. Returns how many. */
int es_record_schedule(double first, double end, int rows, bool whole, double *at);

#endif
