/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prediction_print.c  What is printed before the first step: the loss to expect,
 *  the prediction, and what keeps the run from showing it. */
#include <math.h>
#include <stdio.h>
#include "initial_prediction_private.h"

/* A probe that tells fewer leading eigenvalues from its noise shows no second step. */
enum { SHOWN_GAMMA = 6, LEAST_RESOLVED = 2 };

/* The loss itself, at the start and on its plateaus: what its log lines will show. */
static void print_plateaus(const es_loss *l, const es_loss_setup *s, double start) {
  const es_loss_theory *const theory = l->ops->theory;
  enum { SHOWN = 8 };
  char text[160] = "";
  double value = NAN;
  const bool known =
      theory->plateau != NULL && isfinite(theory->plateau(l->par, s, 1, &value));
  for (int k = 1, used = 0; known && k <= s->dim && k <= SHOWN; k++)
    used += snprintf(text + used, sizeof text - (size_t) used, "%s%.4g",
                     k > 1 ? ", " : "", theory->plateau(l->par, s, k, &value));
  es_info("loss to expect: %.4g at a %s start%s%s%s%s", start,
          es_loss_is_linear_at_point(l, s) ? "collapsed" : "small",
          known ? ", then " : ", less as modes are learned", text,
          known && s->dim > SHOWN ? ", ..." : "",
          known ? " with 1, 2, ... modes learned" : "");
}

void es_prediction_print_loss(const es_settings *s, const es_assembly *p) {
  const es_loss *const l = p->loss;
  const es_loss_theory *const theory = l->ops->theory;
  const es_loss_setup setup = es_settings_loss_setup(s);
  const int d = setup.dim;
  if (theory == NULL || theory->start == NULL) return;
  const double start = theory->start(l->par, &setup);
  if (!isfinite(start)) return;
  print_plateaus(l, &setup, start);
  if (theory->batch_bias != NULL && isfinite(theory->batch_bias(l->par, &setup, 1)))
    es_info("finite-batch bias of the loss: batches of %lld pairs are %.3g above the "
            "plateau of 1 mode, %.3g above that of %d",
            (long long) setup.pairs, theory->batch_bias(l->par, &setup, 1),
            theory->batch_bias(l->par, &setup, d), d);
}

int es_prediction_limits(const es_assembly *p, const es_loss_setup *s,
                         const es_prediction *f, const char **text) {
  int n = 0;
  if (f->modes == 0) return 0;
  if (!es_loss_has_flow(p->loss->ops) && !es_loss_has_velocity(p->loss->ops))
    text[n++] = "no step is predicted: the theory of this loss gives growth rates "
                "(gamma), not the values at which modes settle";
  return n + es_loss_cautions(p->loss, s, f->gamma[0], text + n);
}

void es_prediction_print_limits(const es_settings *s, const es_assembly *p,
                                const es_prediction *f) {
  const es_loss_setup setup = es_settings_loss_setup(s);
  const char *text[ES_PREDICTION_LIMITS];
  const int n = es_prediction_limits(p, &setup, f, text);
  for (int i = 0; i < n; i++) es_print("limits of the prediction: %s", text[i]);
}

static void print_gamma(const es_assembly *p, const es_loss_setup *s,
                        const es_prediction *f) {
  const char *caution[ES_LOSS_CAUTIONS];
  char text[200] = "";
  for (int j = 0, used = 0; j < f->modes && j < SHOWN_GAMMA; j++)
    used += snprintf(text + used, sizeof text - (size_t) used, "%s%.4g", j ? ", " : "",
                     f->gamma[j]);
  es_info("initial features, %d wide: gamma = %s%s", f->width, text,
          f->modes > SHOWN_GAMMA ? ", ..." : "");
  const int n = f->modes > 0 ? es_loss_cautions(p->loss, s, f->gamma[0], caution) : 0;
  for (int i = 0; i < n; i++) es_warn("prediction: %s", caution[i]);
}

static void check_lr(const es_assembly *p, const es_loss_setup *s,
                     const es_prediction *f) {
  const double stable = es_prediction_stable_lr(f, p, s);
  if (!(s->lr > stable)) return;
  es_warn(
      "optim.lr = %.3g is above %.3g, the largest stable learning rate for gamma_1 = "
      "%.4g: the first mode will oscillate or the run diverge; take optim.lr=%.3g, as "
      "optim.lr=auto does",
      s->lr, stable, f->gamma[0], es_prediction_safe_lr(stable, s->momentum));
}

static void check_steps(const es_settings *s, const es_prediction *f) {
  const bool constant = es_settings_loss_setup(s).constant_lr;
  double first = INFINITY, step = INFINITY;
  int within = 0, known = 0;
  char take[64] = "";
  for (int j = 0; j < f->modes; j++) {
    known += isfinite(f->tau[j]);
    first = fmin(first, f->tau[j]);
    step = fmin(step, f->step[j]);
    within += f->step[j] <= (double) s->run.steps;
  }
  if (known == 0 || s->run.steps == 0) return;
  if (within > 0 && !(first > 0)) {
    es_info("the start is not small: by the initial features' gamma modes have half of "
            "their final value before the first step; run.preset=theory starts smaller");
    return;
  }
  if (within > 0) {
    es_info("predicted transitions within run.steps = %lld: %d of %d, the first at step "
            "%.0f (t = %.4g)",
            (long long) s->run.steps, within, f->modes, step, first);
    return;
  }
  if (constant)
    snprintf(take, sizeof take, "run.steps=%.0f or more, ",
             ceil(1.25 * first / s->optim.lr));
  es_warn("no transition is predicted within run.steps = %lld: the first is predicted at "
          "t = %.4g%s; take %sa larger optim.lr or a larger init.scale_last",
          (long long) s->run.steps, first, constant ? "" : " of the schedule", take);
}

/* The noise is as large against eigenvalues of any size: only more pairs lower it. */
static void check_probe(const es_settings *s, const es_prediction *f) {
  const es_probe_noise *const n = &f->noise;
  const double more = exp2(ceil(2 * log2(n->noise / n->value)));
  char take[32] = "a larger one";
  if (n->resolved >= LEAST_RESOLVED || n->resolved >= f->modes || isnan(n->noise)) return;
  if (!(n->noise > 0)) {
    es_warn(
        "the features of all %lld pairs of the probe are equal: nothing can be learned "
        "of them; look at the views (eigenstep views)",
        (long long) s->spectrum.probe);
    return;
  }
  if (n->value > 0)
    snprintf(take, sizeof take, "%.0f", (double) s->spectrum.probe * more);
  es_warn("spectrum.probe = %lld is too small for the start: eigenvalue %d of C is %.2g, "
          "its sampling noise %.2g, so its growth is seen late; take %s",
          (long long) s->spectrum.probe, n->resolved + 1, n->value, n->noise, take);
}

void es_prediction_print(const es_settings *s, const es_assembly *p,
                         const es_prediction *f) {
  const es_loss_setup setup = es_settings_loss_setup(s);
  if (f->why != NULL) es_info("no prediction from the initial features: %s", f->why);
  if (f->modes == 0 || f->width == 0) return;
  print_gamma(p, &setup, f);
  check_lr(p, &setup, f);
  check_steps(s, f);
  check_probe(s, f);
}
