/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_surgery.h  Section [surgery] in a linear model: modes of W x are changed
 *  before a step, and each mode is followed along its own direction v_j of the data,
 *  which stays the same where eigenvalues change their order. */
#ifndef ES_LINEAR_SURGERY_H
#define ES_LINEAR_SURGERY_H

#include "eigenstep/linear.h"
#include "eigenstep/mode_descent.h"
#include "linear_map.h"

/** What it works on; borrowed. */
typedef struct es_linear_surgery_target {
  const es_grid *grid;
  const es_modes *modes; /**< v_j */
  const es_mode_descent *predicted;
  int n;         /**< modes that are followed */
  int64_t steps; /**< of the simulation */
  es_linear_map *map;
  double *momentum; /**< [d, m] */
} es_linear_surgery_target;

typedef struct es_linear_surgery es_linear_surgery;

/** *s is NULL where no mode is named; the functions below accept NULL and do nothing.
 *  @return ES_OK, ES_ECONFIG, ES_ENOMEM */
es_status es_linear_surgery_create(const es_surgery_params *p,
                                   const es_linear_surgery_target *target,
                                   es_linear_surgery **s);
void es_linear_surgery_destroy(es_linear_surgery **s);

/** Collective. Eigenvalues gamma_j |W v_j|^2 at `step`, which every step has.
 *  @return ES_OK, ES_ENOMEM, ES_EMATH */
es_status es_linear_surgery_follow(es_linear_surgery *s, int64_t step);
/** Step at which mode j crossed half of its final value, a removed one for the last
 *  time; NaN: not. */
double es_linear_surgery_crossing(const es_linear_surgery *s, int j);

/** Collective. If it is due before `step`: W and momentum changed, the table /surgery.
 *  c [d, d]: the followed matrix now; *done: it was due.
 *  @return ES_OK, ES_ENOMEM, ES_EMATH, ES_EIO: the same on all ranks */
es_status es_linear_surgery_apply(es_linear_surgery *s, int64_t step, double time,
                                  const double *c, es_traj *t, bool *done);
/** dL/dz of a batch, in place, once it is done. */
void es_linear_surgery_steer(const es_linear_surgery *s, const es_loss_batch *b);

#endif
