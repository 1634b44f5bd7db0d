/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prediction_lr.c  Learning rates from gamma_1 of the initial features. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "initial_prediction_private.h"

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

es_status es_prediction_choose_lr(const es_prediction *f, const es_assembly *p,
                                  es_settings *s, es_config *cfg) {
  const es_loss_setup setup = es_settings_loss_setup(s);
  const double stable = es_prediction_stable_lr(f, p, &setup);
  char text[64];
  if (!isnan(s->optim.lr)) return ES_OK;
  ES_CHECK(f->why == NULL, ES_ECONFIG,
           "optim.lr: got auto, which needs a prediction from the initial features, but "
           "%s; expected a number",
           f->why);
  ES_CHECK(
      isfinite(stable), ES_ECONFIG,
      "optim.lr: got auto with loss.name = %s, whose largest stable learning rate is "
      "not known for these features; expected a number",
      s->loss.name);
  snprintf(text, sizeof text, "optim.lr=%.3g",
           es_prediction_safe_lr(stable, s->optim.momentum));
  ES_TRY(es_config_set(cfg, text));
  s->optim.lr = strtod(text + sizeof "optim.lr=" - 1, NULL);
  es_info("optim.lr = auto: %.4g, a quarter of the largest stable learning rate%s for "
          "gamma_1 = %.4g; stored in run.ini",
          s->optim.lr,
          s->optim.momentum > 0 ? " times (1 - momentum) / (1 + momentum)" : "",
          f->gamma[0]);
  return ES_OK;
}
