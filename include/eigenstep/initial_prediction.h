/* SPDX-License-Identifier: BSD-3-Clause */
/** @file initial_prediction.h  What theory says of a training run before its first
 *  step. */
#ifndef ES_INITIAL_PREDICTION_H
#define ES_INITIAL_PREDICTION_H

#include "eigenstep/grid.h"
#include "eigenstep/traj.h"
#include "eigenstep/assembly.h"

/** Modes of the last layer on the features as they are at the start. */
typedef struct es_prediction {
  int modes;     /**< 0: no prediction */
  double *gamma; /**< [modes] descending; owned */
  double *tau;   /**< [modes] time of half the final value, NaN where not known; owned */
  int series;    /**< of its curves in the trajectory, -1: none */
} es_prediction;

/** Print what loss to expect: at a small start, on the plateaus, how far above them
 *  batches stay; nothing for losses without a theory. */
void es_prediction_print_loss(const es_settings *s, const es_assembly *p);

/** Collective. The last layer alone, on the probe's features as the network gives them
 *  now, follows the linear theory: gamma_j and, for Barlow Twins, when each mode is
 *  learned. Written to /theory and printed, or one line says why there is none. It takes
 *  one pass over the probe, for NT-Xent of cosines two, and leading eigenpairs of a
 *  matrix of the features' width. Of a resumed run it is read from /theory, its curves
 *  extended to the run's present end. */
es_status es_prediction_make(const es_comm *c, const es_grid *g, const es_settings *s,
                             const es_assembly *p, es_traj *t, es_prediction *f);
void es_prediction_free(es_prediction *f);

#endif
