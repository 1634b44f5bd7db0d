/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_directpred.c  DirectPred (Tian, Chen, Ganguli, ICML 2021) without a second
 *  network: each view, through a predictor P in closed form, is to hit the other view,
 *  which is held fixed (stop-gradient). Squared distance of the embeddings as they are;
 *  the authors divide both by their length and, in their best runs, take the target from
 *  a moving average of the network.
 *
 *  L and its gradient: predictor.h, through the predictor. In a linear model, z = W x,
 *  dW/dt = P (W Gamma - P W M2) with Gamma the symmetrised cross-correlation of the views
 *  and M2 their mean second moment: with views of relative noise s^2 an eigenvalue of F
 *  obeys d lambda/dt = 2 p lambda (1 - (1 + s^2) p), p = lambda^exponent. From a small
 *  start it grows by a power of time, not exponentially: there is no growth matrix. */
#include "predictor.h"

static es_status check(const void *p, int64_t pairs, int dim) {
  (void) dim;
  return es_predictor_check("directpred", p, pairs);
}

static es_status eval(es_loss *l, const es_loss_batch *b, double *value) {
  return es_predictor_eval(l, b, true, value);
}

/* --- theory ------------------------------------------------------------------------- */

static double start(const void *p, const es_loss_setup *s) {
  (void) p;
  (void) s;
  return 0;
}

/** ds/dt = p s (gamma - p m) with p = lambda^exponent, lambda = m s^2. */
static double velocity(const void *p, const es_loss_setup *s, const es_loss_mode *mode,
                       double amplitude, double *value) {
  (void) s;
  return es_predictor_velocity(p, mode, true, amplitude, value);
}

static const char *caution(const void *p, const es_loss_setup *s) {
  (void) p;
  (void) s;
  return "eigenvalues wait by a power of the start, so that all of the start matters: "
         "with "
         "several modes each is learned earlier than alone";
}

static const es_loss_theory theory = {
    .start = start, .velocity = velocity, .caution = caution};

const es_loss_ops es_loss_directpred = {
    .name = "directpred",
    .doc = "DirectPred: predictor from the running correlation, stop-gradient",
    .params = es_predictor_table,
    .size = sizeof(es_predictor_params),
    .check = check,
    .workspace = es_predictor_workspace,
    .matrices = ES_PREDICTOR_MATRICES,
    .eigen = true,
    .exchange = es_predictor_exchange,
    .eval = eval,
    .stop_gradient = true,
    .visit = es_predictor_visit,
    .modes = es_predictor_modes,
    .theory = &theory};
