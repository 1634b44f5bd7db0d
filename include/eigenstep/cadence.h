/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cadence.h  When something is due: a number (every so many steps), `log2`, or
 *  a list of steps and ranges of steps. */
#ifndef ES_CADENCE_H
#define ES_CADENCE_H

#include <stdbool.h>
#include <stdint.h>
#include "eigenstep/status.h"

/** first, first + every, ... up to last, which may be INT64_MAX. */
typedef struct es_cadence_range {
  int64_t first, every, last;
} es_cadence_range;

typedef struct es_cadence {
  bool log2;                  /**< 0, 1, 2, 4, 8, ... instead of the ranges */
  int n;                      /**< 0: never */
  es_cadence_range range[64]; /**< ascending, without overlap */
} es_cadence;

/** Parse "100" (every 100 steps), "0" (never), "log2", or an ascending list of steps and
 *  ranges FIRST:EVERY or FIRST:EVERY:LAST, as in "0, 10, 100" or "0:2:20, 30:10".
 *  @param key  name of the parameter, for messages
 *  @return ES_OK; ES_ECONFIG (text is none of these): *c unchanged */
es_status es_cadence_parse(const char *text, const char *key, es_cadence *c);
/** Is the action due at this step? */
bool es_cadence_due(const es_cadence *c, int64_t step);
/** Number of due steps in 0 .. steps. */
int64_t es_cadence_count(const es_cadence *c, int64_t steps);

#endif
