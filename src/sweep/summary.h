/* SPDX-License-Identifier: BSD-3-Clause */
/** @file summary.h  The summary of a sweep: a row a run, from states and folders. Not
 *  collective. */
#ifndef ES_SWEEP_SUMMARY_H
#define ES_SWEEP_SUMMARY_H

#include "queue.h"

enum { ES_SUMMARY_MODES = 64, ES_SUMMARY_SERIES = 64 };

/** What is known of each mode, in the order of es_summary_of_mode. */
enum {
  ES_OF_STEP,
  ES_OF_TIME,
  ES_OF_PREDICTED,
  ES_OF_FORECAST,
  ES_OF_FORECAST_ERROR,
  ES_OF_GAMMA,
  ES_OF_START,
  ES_OF_MODE
};
typedef struct es_summary_text {
  const char *name, *units, *doc;
} es_summary_text;
extern const es_summary_text es_summary_of_mode[ES_OF_MODE];

/** A number a run: the last value of a series. */
typedef struct es_summary_series {
  char name[96]; /**< "loss", or NAME of /metrics/NAME */
  double *value; /**< [rows] NaN: not known */
} es_summary_series;

/** Owned. */
typedef struct es_summary {
  const es_sweep_plan *plan; /**< borrowed */
  int rows, modes;           /**< modes: that some run knows */
  es_run_view *view;         /**< [rows] */
  double *mode;              /**< [rows, ES_OF_MODE, ES_SUMMARY_MODES] */
  int n;
  es_summary_series *series; /**< [ES_SUMMARY_SERIES], n of them used */
} es_summary;

/** Number q of mode k (from 0 on) of a run. */
double es_summary_mode(const es_summary *s, int row, int q, int k);

/** Read states and trajectories of all runs; what cannot be read is left NaN.
 *  @return ES_OK, ES_ENOMEM, ES_EIO (a state) */
es_status es_summary_make(const es_queue *q, es_summary *s);
void es_summary_free(es_summary *s);

/** Write DIR/sweep.csv and DIR/sweep.h5, replacing both atomically: a program that has
 *  the old file open goes on with it. @return ES_OK, ES_EIO, ES_ENOMEM */
es_status es_summary_write(const es_queue *q);

/** The column of this name, made if it is new; NULL: there is no room or memory. */
es_summary_series *es_summary_column(es_summary *s, const char *name);
/** Columns score_start, score_forecast, score_kernel of a run whose modes are read: the
 *  median over its learned modes of |ln(time measured / time expected)|, expected by the
 *  prediction from the start, by the forecast in the run, and by the tangent kernel of
 *  the start where `eigenstep ntk` wrote the file `ntk`. None of these knows of a
 *  surgery: modes learned after the step `until` do not count; INFINITY: all do. */
void es_summary_score(const es_comm *self, const char *ntk, int row, double until,
                      es_summary *s);

#endif
