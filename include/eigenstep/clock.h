/* SPDX-License-Identifier: BSD-3-Clause */
/** @file clock.h  Wall time and named phases. */
#ifndef ES_CLOCK_H
#define ES_CLOCK_H

#include <stddef.h>

/** Seconds of a monotonic clock. */
double es_now(void);

/** Seconds that the calling thread has had a processor: what its work costs, however many
 *  others want the core. */
double es_cpu_now(void);

/** UTC date and time, ISO 8601, into buf[>= 24]. */
void es_timestamp(char *buf, size_t size);

/** Phases of a step. */
typedef enum es_phase_id {
  ES_PHASE_DATA, /**< waiting for the next batch */
  ES_PHASE_FORWARD,
  ES_PHASE_LOSS,
  ES_PHASE_BACKWARD,
  ES_PHASE_ALLREDUCE, /**< exposed gradient communication */
  ES_PHASE_OPTIM,
  ES_PHASE_PROBE,    /**< embedding the probe, and its loss */
  ES_PHASE_SNAPSHOT, /**< the spectrum of these embeddings, and writing it */
  ES_PHASE_CKPT,
  ES_PHASES
} es_phase_id;

const char *es_phase_name(es_phase_id p);

/** Seconds per phase; a plain struct owned by whoever measures. */
typedef struct es_clock {
  double seconds[ES_PHASES];
  double mark;
} es_clock;

/** Start measuring from now. */
void es_clock_mark(es_clock *c);
/** Add the time since the last mark to phase p, and mark. */
void es_clock_lap(es_clock *c, es_phase_id p);

#endif
