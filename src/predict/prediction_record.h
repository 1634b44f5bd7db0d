/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prediction_record.h  /theory of a training run. */
#ifndef ES_PREDICTION_RECORD_H
#define ES_PREDICTION_RECORD_H

#include "eigenstep/flow.h"
#include "eigenstep/initial_prediction.h"

/** Barlow Twins: how much faster than lr x step the flow runs; descent in its time. */
double es_prediction_speed(const es_settings *s, const es_assembly *p);
es_flow_options es_prediction_descent(const es_settings *s, const es_assembly *p);

/** Collective. /theory/{step, time, eigenvalues, loss}: the prediction at about 200
 *  moments of the run, in place of what is there. *series: the group. */
es_status es_prediction_curves(const es_comm *c, const es_settings *s,
                               const es_assembly *p, es_traj *t, const es_flow *flow,
                               int *series);
/** Collective. /theory/{gamma, tau}; /theory/start, from which curves are drawn anew. */
es_status es_prediction_write(es_traj *t, const es_prediction *f);
es_status es_prediction_write_start(es_traj *t, const es_flow *flow);

/** Collective. What the first part of a resumed run found, its curves drawn out to the
 *  end it has now; nothing where that found nothing: the features are no longer those of
 *  the start. */
es_status es_prediction_read(const es_comm *c, const es_settings *s, const es_assembly *p,
                             es_traj *t, es_prediction *f);

#endif
