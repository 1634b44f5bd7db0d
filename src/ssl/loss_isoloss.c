/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_isoloss.c  IsoLoss (Halvagal, Laborieux, Zenke, "Implicit variance
 *  regularization in non-contrastive SSL", NeurIPS 2023): DirectPred's distance with a
 *  gradient that leaves out the predictor's factor, so that all eigenvalues converge at
 *  equal rates.
 *
 *  L: predictor.h, and dL/du = (P u - v) / 2N. In a linear model, z = W x,
 *  dW/dt = W Gamma - P W M2, with Gamma the symmetrised cross-correlation of the views
 *  and M2 their mean second moment: with views of relative noise s^2 an eigenvalue of F
 *  obeys d lambda/dt = 2 lambda (1 - (1 + s^2) p), p = lambda^exponent. */
#include <math.h>

#include "predictor.h"

static es_status check(const void *p, int64_t pairs, int dim) {
  (void) dim;
  return es_predictor_check("isoloss", p, pairs);
}

static es_status eval(es_loss *l, const es_loss_batch *b, double *value) {
  return es_predictor_eval(l, b, false, value);
}

/* --- theory ------------------------------------------------------------------------- */

static double start(const void *p, const es_loss_setup *s) {
  (void) p;
  (void) s;
  return 0;
}

/** P M2 is lambda^exponent beside Gamma: 1e-4 of it here. */
static void linear(const void *p, const es_loss_setup *s, es_loss_linear *l) {
  const es_predictor_params *const o = p;
  (void) s;
  *l = (es_loss_linear){.small = fmax(pow(1e-4 / (1 + o->eps), 1 / o->exponent), 1e-60),
                        .unit = 1};
}

/** G = Gamma, centred if the embeddings are. */
static es_status growth_matrix(const void *p, const es_loss_setup *s, const es_grid *grid,
                               const es_pairs *x, double length, es_dmat **g) {
  const double one = 1 / (double) x->total;
  const es_rates_terms plain = {.sum = one, .diff = -one},
                       centred = {.sum_centred = one, .diff_centred = -one};
  const es_predictor_params *const o = p;
  (void) s;
  (void) length;
  return es_rates_matrix(grid, x, o->center ? &centred : &plain, g);
}

static const char *obstacle(const void *p, const es_loss_setup *s) {
  const es_predictor_params *const o = p;
  return s->bias && !o->center
             ? "the last layer has a bias, which the loss depends on unless "
               "loss.isoloss.center = true"
             : NULL;
}

/** ds/dt = s (gamma - p m) with p = lambda^exponent, lambda = m s^2. */
static double velocity(const void *p, const es_loss_setup *s, const es_loss_mode *mode,
                       double amplitude, double *value) {
  (void) s;
  return es_predictor_velocity(p, mode, false, amplitude, value);
}

static const es_loss_theory theory = {.start = start,
                                      .velocity = velocity,
                                      .linear = linear,
                                      .growth_matrix = growth_matrix,
                                      .obstacle = obstacle};

const es_loss_ops es_loss_isoloss = {
    .name = "isoloss",
    .doc = "IsoLoss: DirectPred with equal rates for all eigenvalues",
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
