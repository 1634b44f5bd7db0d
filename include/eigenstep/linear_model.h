/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_model.h  Section [linear], and the end of its runs. */
#ifndef ES_LINEAR_MODEL_H
#define ES_LINEAR_MODEL_H

#include "eigenstep/flow.h"
#include "eigenstep/linear.h"
#include "eigenstep/provenance.h"
#include "eigenstep/shape.h"
#include "eigenstep/traj.h"

enum { ES_LINEAR_GD, ES_LINEAR_FLOW, ES_LINEAR_DIRECT };

typedef struct es_linear_params {
  int64_t dim, sample, steps, rows, batch, modes;
  double alpha, lr, offdiag, weight_decay, tol;
  es_list times;
  bool center;
  int method;
  es_string solver;
} es_linear_params;
extern const es_param es_linear_table[];

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

/** Collective. Write /embeddings/train (of the views, and behind them of their partners)
 *  and /weights (the prediction: their limit), measured beside predicted; print how
 *  alike they are. Nothing if no mode can grow. */
es_status es_linear_compare(const es_linear_end *end, es_traj *traj);

/** Print what eigenstep linear would take on `ranks` ranks with views of this shape. */
void es_linear_print_cost(const es_linear_params *p, es_shape view, int ranks);

/** Collective. eigenstep linear, whose configuration this is. */
es_status es_linear_model_run(const es_job *job, es_config *cfg);

#endif
