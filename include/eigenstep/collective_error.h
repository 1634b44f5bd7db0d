/* SPDX-License-Identifier: BSD-3-Clause */
/** @file collective_error.h  Agree on the failure of any rank: one message, one status.
 *
 *  Disk errors usually affect one rank. A rank records its failure with
 *  es_collective_error_set and continues to es_collective_error_agree, which all ranks
 *  call: the record of the lowest failing rank is broadcast, logged by rank 0 (so that it
 *  reaches log.txt and STATUS) and returned by all ranks. */
#ifndef ES_IO_COLLECTIVE_ERROR_H
#define ES_IO_COLLECTIVE_ERROR_H

#include "eigenstep/comm.h"

typedef struct es_collective_error {
  es_status status; /**< ES_OK until es_collective_error_set */
  char where[48], text[976];
} es_collective_error;

/** Not collective. Record a failure, unless one is recorded already. */
#define es_collective_error_set(n, st, ...)                                              \
  es_collective_error_set_(n, __func__, st, __VA_ARGS__)
void es_collective_error_set_(es_collective_error *n, const char *where, es_status st,
                              const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/** Collective. The status of the lowest failing rank, the same on all ranks; ES_OK if
 *  none failed. The message is logged once. */
es_status es_collective_error_agree(const es_comm *c, const es_collective_error *n);

enum { ES_AGREED_MAXIMA = 4 };
/** Collective. The same; the reduction also replaces wants[k], k <= ES_AGREED_MAXIMA, by
 *  maxima over ranks. */
es_status es_collective_error_agree_max(const es_comm *c, const es_collective_error *n,
                                        int64_t *wants, int k);

#endif
