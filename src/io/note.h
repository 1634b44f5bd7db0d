/* SPDX-License-Identifier: BSD-3-Clause */
/** @file note.h  How a failure on any one rank becomes one sentence and one status on
 * all.
 *
 *  Disk errors usually hit one rank. A rank writes what went wrong into its note and goes
 *  on to es_note_settle, where all ranks meet: the note of the lowest failing rank is
 *  broadcast, rank 0 logs it (so that it is in log.txt and STATUS), everybody returns it.
 */
#ifndef ES_IO_NOTE_H
#define ES_IO_NOTE_H

#include "eigenstep/comm.h"

typedef struct es_note {
  es_status status; /**< ES_OK until es_note_set */
  char where[48], text[976];
} es_note;

/** Take down a failure; the first one stays. Not collective. */
#define es_note_set(n, st, ...) es_note_set_(n, __func__, st, __VA_ARGS__)
void es_note_set_(es_note *n, const char *where, es_status st, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** Collective. The status of the lowest failing rank, the same on all ranks; logged once.
 */
es_status es_note_settle(const es_comm *c, const es_note *n);

enum { ES_NOTE_WANTS = 4 };
/** The same, and in one reduction with it the maxima over ranks of wants[k], k <= 4. */
es_status es_note_settle_max(const es_comm *c, const es_note *n, int64_t *wants, int k);

#endif
