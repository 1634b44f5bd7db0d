/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prediction_lr.c  Learning rates from gamma_1 of the initial features. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "initial_prediction_private.h"

#define USUAL 1e-3 /* the default of optim.lr */

double es_prediction_stable_lr(const es_prediction *f, const es_assembly *p,
                               const es_loss_setup *s) {
  if (f->modes == 0 || !(f->gamma[0] > 0) || !es_loss_has_flow(p->loss->ops)) return NAN;
  return p->loss->ops->theory->stable_lr(p->loss->par, s, f->gamma[0]);
}

/* Features sharpen while they are trained and gamma grows: a quarter leaves room.
 * Momentum mu makes descent 1 / (1 - mu) times as fast and, at the limit, 1 + mu times as
 * stable. */
double es_prediction_safe_lr(double stable, double momentum) {
  return stable / 4 * (1 - momentum) / (1 + momentum);
}

/* Four times the learning rate at which the amplitude of the first mode grows by a
 * quarter in a step from a small start: what barlow's stable one is. */
static double growing_lr(const es_prediction *f, const es_assembly *p) {
  if (f->modes == 0 || !(f->gamma[0] > 0)) return NAN;
  return 2 / (es_loss_modes_of(p->loss).rate * f->gamma[0]);
}

/* Into the parameters of the run. */
static es_status store(double lr, es_settings *s, es_config *cfg) {
  char text[64];
  snprintf(text, sizeof text, "optim.lr=%.3g", lr);
  ES_TRY(es_config_set(cfg, text));
  s->optim.lr = strtod(text + sizeof "optim.lr=" - 1, NULL);
  return ES_OK;
}

/* The preset's choice for a loss with nothing to choose it by. */
static es_status take_usual(const char *why, es_settings *s, es_config *cfg) {
  ES_TRY(store(USUAL, s, cfg));
  es_warn("run.preset = theory: no learning rate is known with loss.name = %s (%s), and "
          "optim.lr = %g is taken; if modes are not learned one by one, try others, or a "
          "file of inputs/ with this loss",
          s->loss.name, why, s->optim.lr);
  return ES_OK;
}

es_status es_prediction_choose_lr(const es_prediction *f, const es_assembly *p,
                                  es_settings *s, es_config *cfg) {
  const es_loss_setup setup = es_settings_loss_setup(s);
  const bool flow = es_loss_has_flow(p->loss->ops);
  const double stable = flow ? es_prediction_stable_lr(f, p, &setup) : growing_lr(f, p);
  if (!isnan(s->optim.lr)) return ES_OK;
  if (s->run.preset == ES_PRESET_THEORY && !flow && !isfinite(stable))
    return take_usual(f->why != NULL ? f->why : "no growth rate", s, cfg);
  ES_CHECK(f->why == NULL, ES_ECONFIG,
           "optim.lr: got auto, which needs a prediction from the initial features, but "
           "%s; expected a number",
           f->why);
  ES_CHECK(
      isfinite(stable), ES_ECONFIG,
      "optim.lr: got auto with loss.name = %s, whose largest stable learning rate is "
      "not known for these features; expected a number",
      s->loss.name);
  ES_TRY(store(es_prediction_safe_lr(stable, s->optim.momentum), s, cfg));
  es_info(
      "optim.lr = auto: %.4g, %s%s for gamma_1 = %.4g; stored in run.ini", s->optim.lr,
      flow ? "a quarter of the largest stable learning rate"
           : "with which the first mode's amplitude grows by a quarter in a step",
      s->optim.momentum > 0 ? " times (1 - momentum) / (1 + momentum)" : "", f->gamma[0]);
  return ES_OK;
}
