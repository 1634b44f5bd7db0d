/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cadence.h  When something is due: a number (every so many steps), `log2`, or
 *  a list. */
#ifndef ES_CADENCE_H
#define ES_CADENCE_H

#include <stdbool.h>
#include <stdint.h>
#include "eigenstep/status.h"

typedef struct es_cadence {
  int64_t every; /**< > 0: its multiples; 0: never (but a list); -1: 0, 1, 2, 4, 8, ... */
  int n;
  int64_t list[64]; /**< with every = 0: exactly these steps */
} es_cadence;

/** "100", "0" (never), "log2" or "0, 10, 100". `key` names the parameter in messages. */
es_status es_cadence_parse(const char *text, const char *key, es_cadence *c);
bool es_cadence_due(const es_cadence *c, int64_t step);
/** How many of the steps 0..steps are due. */
int64_t es_cadence_count(const es_cadence *c, int64_t steps);

#endif
