/* SPDX-License-Identifier: BSD-3-Clause */
/** @file mode_descent.h  Amplitudes of the modes of a linear model, each alone: the
 *  update of the training applied to one number. Nothing here is collective. */
#ifndef ES_MODE_DESCENT_H
#define ES_MODE_DESCENT_H

#include "eigenstep/descent.h"
#include "eigenstep/loss_theory.h"
#include "eigenstep/mode_start.h"
#include "eigenstep/surgery.h"

/** How W is updated. The gradient comes from the loss, preconditioned if eps > 0, plus
 *  decay W. */
typedef struct es_mode_update {
  double lr;                        /**< 0: automatic */
  bool nesterov;                    /**< W += lr (gradient + mu M) */
  double momentum;                  /**< heavy ball: M = mu M - dL/dW; W += lr M */
  double eps;                       /**< of the preconditioned gradient; 0: plain */
  double decay;                     /**< weight decay */
  bool orthogonal;                  /**< Muon: W += lr x the orthogonal factor of M */
  const es_surgery_params *surgery; /**< modes changed before a step, counted from the
                                         largest eigenvalue then; NULL: none */
} es_mode_update;

typedef struct es_mode_descent es_mode_descent;

/** The caller destroys *p. update->lr = 0: a rate at which no mode overshoots, half of
 *  what the fastest change of any velocity allows, for Muon a two hundredth of the first
 *  amplitude that is reached.
 *  @return ES_OK, ES_ENOMEM; ES_ECONFIG: this loss does not say how a mode moves alone,
 *          or the step of the surgery is more than 4e8 / n */
es_status es_mode_descent_create(const es_loss *loss, const es_loss_setup *setup,
                                 const es_mode_update *update, const es_mode_start *start,
                                 es_mode_descent **p);
void es_mode_descent_destroy(es_mode_descent **p);

/** The learning rate. */
double es_mode_descent_rate(const es_mode_descent *p);
/** [n] eigenvalues of the followed matrix at which the modes come to rest; 0: never
 *  learned. */
const double *es_mode_descent_final(const es_mode_descent *p);

/** One step of all modes at learning rate lr. */
void es_mode_descent_step(es_mode_descent *p, double lr);
/** Back to step 0. */
void es_mode_descent_rewind(es_mode_descent *p);

/** [n] eigenvalues now. */
const double *es_mode_descent_value(const es_mode_descent *p);
/** Eigenvalue of mode j at an amplitude s. */
double es_mode_descent_value_at(const es_mode_descent *p, int j, double s);
/** Does surgery remove mode j, so that it is learned again? */
bool es_mode_descent_is_removed(const es_mode_descent *p, int j);
/** Does it freeze mode j? */
bool es_mode_descent_is_frozen(const es_mode_descent *p, int j);

/** Learning rate of a step. */
typedef double es_step_rate(const void *ctx, int64_t step);

/** Steps until half of each final value, of removed modes for the last time, [n],
 *  interpolated as crossings are; NaN beyond `most` steps. Rewinds.
 *  @param rate  NULL: es_mode_descent_rate in all steps
 *  @return ES_OK, ES_ENOMEM */
es_status es_mode_descent_steps(es_mode_descent *p, es_step_rate *rate, const void *ctx,
                                int64_t most, double *step);

#endif
