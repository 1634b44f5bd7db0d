/* SPDX-License-Identifier: BSD-3-Clause */
/** @file phases.h  Phase times over ranks: min, mean, max and the slowest rank. */
#ifndef ES_PHASES_H
#define ES_PHASES_H

#include "eigenstep/clock.h"
#include "eigenstep/comm.h"

typedef struct es_phase_stats {
  double min[ES_PHASES], mean[ES_PHASES], max[ES_PHASES]; /**< seconds */
  int slowest[ES_PHASES];                                 /**< rank of the maximum */
} es_phase_stats;

/** Collective. */
void es_phases_reduce(const es_comm *c, const es_clock *clock, es_phase_stats *stats);

#endif
