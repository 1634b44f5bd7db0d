/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prediction_record.h  /theory of a training run. */
#ifndef ES_PREDICTION_RECORD_H
#define ES_PREDICTION_RECORD_H

#include "eigenstep/flow.h"
#include "eigenstep/assembly.h"
#include "eigenstep/loss_theory.h"

/** What the loss's theory reads of this run. Borrows from s. */
es_loss_setup es_prediction_setup(const es_settings *s, const es_assembly *p);

/** Collective. /theory/{step, time, eigenvalues, loss}: the prediction at about 200
 *  times of the run; replaces what is there. *series: the group. */
es_status es_prediction_curves(const es_comm *c, const es_settings *s,
                               const es_assembly *p, es_traj *t, const es_flow *flow,
                               int *series);
/** Collective. /theory/{gamma, tau}; /theory/start, for curves of a resumed run. */
es_status es_prediction_write(es_traj *t, int modes, const double *gamma,
                              const double *tau);
es_status es_prediction_write_start(es_traj *t, const es_flow *flow);

/** What /theory says of each mode. */
typedef struct es_prediction_columns {
  int modes;
  double *gamma, *tau; /**< [modes] owned; NULL: none */
  double *start;       /**< [modes] owned; NULL: not written */
} es_prediction_columns;
/** Collective. What the first part of a resumed run wrote; modes = 0 where that is
 *  nothing. */
es_status es_prediction_read(es_traj *t, es_prediction_columns *p);

#endif
