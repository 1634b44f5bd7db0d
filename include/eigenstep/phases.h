/* SPDX-License-Identifier: BSD-3-Clause */
/** @file phases.h  Statistics of phase times over ranks. */
#ifndef ES_PHASES_H
#define ES_PHASES_H

#include "eigenstep/clock.h"
#include "eigenstep/comm.h"

typedef struct es_phase_stats {
  double min[ES_PHASES], mean[ES_PHASES], max[ES_PHASES]; /**< seconds */
  int slowest[ES_PHASES];                                 /**< rank of the maximum */
} es_phase_stats;

/** Collective. Minimum, mean, maximum and slowest rank of each phase, on all ranks. */
void es_phases_reduce(const es_comm *c, const es_clock *clock, es_phase_stats *stats);

#endif
