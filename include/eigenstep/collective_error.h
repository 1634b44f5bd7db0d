/* SPDX-License-Identifier: BSD-3-Clause */
/** @file collective_error.h  How a failure on any one rank becomes one sentence and one
 *  status on
 * all.
 *
 *  Disk errors usually hit one rank. A rank writes what went wrong into its note and goes
 *  on to es_collective_error_agree, where all ranks meet: the note of the lowest
 *  failing rank is
 *  broadcast, rank 0 logs it (so that it is in log.txt and STATUS), everybody returns it.
 */
#ifndef ES_IO_COLLECTIVE_ERROR_H
#define ES_IO_COLLECTIVE_ERROR_H

#include "eigenstep/comm.h"

typedef struct es_collective_error {
  es_status status; /**< ES_OK until es_collective_error_set */
  char where[48], text[976];
} es_collective_error;

/** Take down a failure; the first one stays. Not collective. */
#define es_collective_error_set(n, st, ...)                                              \
  es_collective_error_set_(n, __func__, st, __VA_ARGS__)
void es_collective_error_set_(es_collective_error *n, const char *where, es_status st,
                              const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/** Collective. The status of the lowest failing rank, the same on all ranks; logged once.
 */
es_status es_collective_error_agree(const es_comm *c, const es_collective_error *n);

enum { ES_AGREED_MAXIMA = 4 };
/** The same, and in one reduction with it the maxima over ranks of wants[k], k <= 4. */
es_status es_collective_error_agree_max(const es_comm *c, const es_collective_error *n,
                                        int64_t *wants, int k);

#endif
