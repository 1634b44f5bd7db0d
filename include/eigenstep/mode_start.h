/* SPDX-License-Identifier: BSD-3-Clause */
/** @file mode_start.h  What is known of the modes of a linear model before it is trained:
 *  gamma_j, the mean second moment of the views along v_j, and the amplitude s_j(0). */
#ifndef ES_MODE_START_H
#define ES_MODE_START_H

#include "eigenstep/linear.h"
#include "eigenstep/loss_theory.h"

/** Modes j < n, in the order of descending gamma. */
typedef struct es_mode_start {
  int n;
  es_loss_mode *mode; /**< [n] owned */
  double *amplitude;  /**< [n] s_j(0) = R_jj >= 0 of W(0) V = Q R; owned */
} es_mode_start;

/** Entry (i, j) of W(0). */
typedef double es_start_entry(void *ctx, int i, int j);

/** Collective. The leading min(d, modes->k) modes of these pairs, for d outputs. The
 *  caller frees *s with es_mode_start_free, also after an error.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_mode_start_compute(const es_modes *modes, const es_pairs *p, int d,
                                es_start_entry *entry, void *ctx, es_mode_start *s);
void es_mode_start_free(es_mode_start *s);

#endif
