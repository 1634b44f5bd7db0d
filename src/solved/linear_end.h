/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_end.h  Where a linear model ended against its prediction. */
#ifndef ES_LINEAR_END_H
#define ES_LINEAR_END_H

#include "eigenstep/flow.h"
#include "eigenstep/linear.h"
#include "eigenstep/traj.h"

/** The end of a simulation; borrowed. */
typedef struct es_linear_end {
  const es_comm *comm;
  const es_pairs *pairs;
  const es_modes *modes;
  const es_flow *flow; /**< the prediction */
  const double *w;     /**< [d, k] in the eigenvectors of Gamma; direct: [d, m] */
  bool direct;
  double lr, time;
} es_linear_end;

/** Collective. Write /embeddings/train (of the first views, then of the second ones)
 *  and /weights (the prediction: their limit), measured and predicted; print their
 *  errors. Nothing if no mode can grow. */
es_status es_linear_compare(const es_linear_end *end, es_traj *traj);

#endif
