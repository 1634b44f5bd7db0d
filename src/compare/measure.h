/* SPDX-License-Identifier: BSD-3-Clause */
/** @file measure.h  Each source with each other. */
#ifndef ES_COMPARE_MEASURE_H
#define ES_COMPARE_MEASURE_H

#include "source.h"

/** Matrices over sources, [n, n] and with further dimensions; parts of `room`, owned, the
 *  same on all ranks. Those that are not symmetric are of row's modes in column's. */
typedef struct es_compared {
  int n, k; /**< sources; modes */
  double
      *subspace;  /**< [n, n, k] share of the first j + 1 modes, ||A'B||_F^2 / (j + 1) */
  double *error;  /**< [n, n, k] its standard error, by bootstrap */
  double *angles; /**< [n, n, k] principal angles of the first k modes, ascending */
  double *modes;  /**< [n, n, k, k] |cosine| of row's mode and column's */
  double *cka, *cka_unbiased, *neighbours, *svcca; /**< [n, n] */
  double *room;
} es_compared;

/** How. */
typedef struct es_compare_how {
  int modes; /**< at most; reduced to what all sources can have */
  int draws, neighbours;
} es_compare_how;

/** Collective. The pairs of sources are shared among the ranks.
 *  @return ES_OK, ES_ENOMEM, ES_EMATH, ES_STOPPED: the same on all ranks */
es_status es_compare_measure(const es_comm *c, const es_compare_set *set,
                             const es_compare_how *how, es_compared *m);
void es_compared_free(es_compared *m);

#endif
