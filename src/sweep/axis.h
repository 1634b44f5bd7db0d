/* SPDX-License-Identifier: BSD-3-Clause */
/** @file axis.h  An axis of a sweep: parameters that move together, and the values they
 *  take. Not collective.
 *
 *      optim.lr = 1e-3, 3e-3                        two points
 *      projector.widths = (64), (64, 64)            values with commas
 *      optim.lr, optim.name = (1, sgd), (2, lars)   two parameters, two points
 *
 *  Errors are ES_ECONFIG with one sentence that names `origin`, or ES_ENOMEM. */
#ifndef ES_SWEEP_AXIS_H
#define ES_SWEEP_AXIS_H

#include "words.h"

/** All zero: no keys, no points. Owned. */
typedef struct es_axis {
  es_words key;   /**< "section.key" */
  es_words value; /**< [points, keys] */
  int points;
} es_axis;

/** From both sides of a line of SWEEP.ini. */
es_status es_axis_parse(const char *keys, const char *values, const char *origin,
                        es_axis *a);
/** run.seed, from "1:5" (1 to 5) or "1, 4, 7:9". */
es_status es_axis_seeds(const char *text, const char *origin, es_axis *a);
/** From a table: a line of keys, then a line a point; a tab between two values. Lines
 *  that are empty or begin with '#' are skipped. */
es_status es_axis_table(const char *text, const char *origin, es_axis *a);
void es_axis_free(es_axis *a);

#endif
