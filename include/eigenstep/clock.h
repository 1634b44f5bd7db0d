/* SPDX-License-Identifier: BSD-3-Clause */
/** @file clock.h  Wall time and named phases. */
#ifndef ES_CLOCK_H
#define ES_CLOCK_H

#include <stddef.h>

/** Seconds of a monotonic clock. */
double es_now(void);

/** CPU seconds of the calling thread (CLOCK_THREAD_CPUTIME_ID): independent of how many
 *  other threads compete for the core. */
double es_cpu_now(void);

/** text <- "12 s", "3 min" or "1.5 h"; "unknown" where it is not finite.
 *  @return text */
const char *es_duration(double seconds, char text[32]);

/** UTC date and time, ISO 8601, into buf[>= 24]. */
void es_timestamp(char *buf, size_t size);

/** Phases of a training step. */
typedef enum es_phase_id {
  ES_PHASE_DATA, /**< waiting for the next batch */
  ES_PHASE_FORWARD,
  ES_PHASE_LOSS,
  ES_PHASE_BACKWARD,
  ES_PHASE_ALLREDUCE, /**< exposed gradient communication */
  ES_PHASE_OPTIM,
  ES_PHASE_PROBE,    /**< embed the probe pairs and compute their loss */
  ES_PHASE_SNAPSHOT, /**< compute and write the spectrum of these embeddings */
  ES_PHASE_CKPT,
  ES_PHASES
} es_phase_id;

/** Name of a phase for log lines; never NULL. */
const char *es_phase_name(es_phase_id p);

/** Accumulated seconds per phase. */
typedef struct es_clock {
  double seconds[ES_PHASES];
  double mark;
} es_clock;

/** Start measuring from now. */
void es_clock_mark(es_clock *c);
/** Add the time since the last mark to phase p and set a new mark. */
void es_clock_lap(es_clock *c, es_phase_id p);

#endif
