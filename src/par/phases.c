/* SPDX-License-Identifier: BSD-3-Clause */
/** @file phases.c  Statistics of phase times over ranks. */
#include "eigenstep/phases.h"

void es_phases_reduce(const es_comm *c, const es_clock *clock, es_phase_stats *stats) {
  struct {
    double seconds;
    int rank;
  } mine[ES_PHASES], worst[ES_PHASES];
  for (int p = 0; p < ES_PHASES; p++) {
    mine[p].seconds = clock->seconds[p];
    mine[p].rank = c->rank;
    stats->mean[p] = clock->seconds[p];
  }
  MPI_Allreduce(clock->seconds, stats->min, ES_PHASES, MPI_DOUBLE, MPI_MIN, c->mpi);
  MPI_Allreduce(mine, worst, ES_PHASES, MPI_DOUBLE_INT, MPI_MAXLOC, c->mpi);
  es_comm_sum_f64(c, stats->mean, ES_PHASES);
  for (int p = 0; p < ES_PHASES; p++) {
    stats->mean[p] /= c->size;
    stats->max[p] = worst[p].seconds;
    stats->slowest[p] = worst[p].rank;
  }
}
