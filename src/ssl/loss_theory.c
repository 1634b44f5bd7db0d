/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_theory.c  What is common to the theories of all losses: the training that
 *  they describe at all, and the range of the momentum rule. */
#include "eigenstep/loss_theory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eigenstep/mem.h"

/* Largest relative error of a growth rate that passes without a caution. */
#define TOLERATED 0.1

bool es_loss_has_growth_matrix(const es_loss_ops *ops) {
  return ops->theory != NULL && ops->theory->growth_matrix != NULL;
}

bool es_loss_has_flow(const es_loss_ops *ops) {
  return ops->theory != NULL && ops->theory->flow != NULL;
}

bool es_loss_is_linear_at_point(const es_loss *l, const es_loss_setup *s) {
  es_loss_linear linear = {0};
  if (es_loss_has_growth_matrix(l->ops)) l->ops->theory->linear(l->par, s, &linear);
  return linear.point;
}

bool es_loss_has_velocity(const es_loss_ops *ops) {
  return ops->theory != NULL && ops->theory->velocity != NULL;
}

static bool has_theory(const es_loss_ops *ops) {
  return es_loss_has_flow(ops) || es_loss_has_growth_matrix(ops) ||
         es_loss_has_velocity(ops);
}

bool es_loss_modes_move_alone(const es_loss *l, const es_loss_setup *s) {
  const es_loss_mode any = {.gamma = 1, .moment = 1};
  double value;
  return es_loss_has_velocity(l->ops) &&
         isfinite(l->ops->theory->velocity(l->par, s, &any, 1, &value));
}

bool es_loss_modes_need_each(const es_loss *l, const es_loss_setup *s) {
  const bool plain = s->momentum == 0 && s->precondition == 0;
  return es_loss_modes_move_alone(l, s) && !(plain && es_loss_has_flow(l->ops));
}

void es_loss_names_with_theory(char *text, size_t size) {
  const es_loss_ops *const *list;
  const size_t n = es_loss_list(&list);
  size_t left = 0, used = 0;
  for (size_t i = 0; i < n; i++) left += has_theory(list[i]);
  if (size > 0) text[0] = '\0';
  for (size_t i = 0; i < n && used < size; i++) {
    if (!has_theory(list[i])) continue;
    left--;
    used += (size_t) snprintf(text + used, size - used, "%s%s", list[i]->name,
                              left > 1    ? ", "
                              : left == 1 ? " or "
                                          : "");
  }
}

es_status es_loss_create_solved(const es_flow_options *o, const es_loss_size *size,
                                const es_comm *comm, es_loss **l) {
  const es_loss_ops *const *list;
  const size_t n = es_loss_list(&list);
  es_loss_choice which = {0};
  for (size_t i = n; i-- > 0;)
    if (es_loss_has_flow(list[i])) which.ops = list[i];
  es_status st = ES_OK;
  ES_CHECK_GOTO(which.ops != NULL, ES_EINTERNAL, agreed, "no loss has a solved flow");
  st = es_config_get_new(NULL, which.ops->name, which.ops->params, NULL, which.ops->size,
                         &which.par);
  if (st == ES_OK) which.ops->theory->solved(which.par, o);
agreed:
  st = es_comm_agree(comm, st);
  if (st == ES_OK) st = es_loss_create(&which, size, comm, l);
  es_free(&which.par);
  return st;
}

const char *es_loss_obstacle(const es_loss *l, const es_loss_setup *s) {
  const es_loss_theory *const theory = l->ops->theory;
  if (s->layers != 1) return "the projector has more than one layer";
  if (strcmp(s->optim, "sgd") != 0) return "optim.name is not sgd";
  const bool alone = es_loss_modes_move_alone(l, s);
  if (s->precondition > 0 && !alone) return "the gradient is preconditioned";
  if (!has_theory(l->ops))
    return "this loss has neither a growth matrix nor a solved flow";
  if (!alone && !es_loss_has_flow(l->ops) && !es_loss_has_growth_matrix(l->ops))
    return "with these parameters the modes do not move alone";
  return theory->obstacle != NULL ? theory->obstacle(l->par, s) : NULL;
}

/* Heavy ball on a mode whose amplitude plain descent multiplies by 1 + x a step: the
 * larger root of z^2 - (1 + mu + x) z + mu = 0. With e = z - 1 that is
 * e = x / (1 - mu + mu e / (1 + e)), below the x / (1 - mu) of the rule by
 * mu x / (1 - mu)^2 of itself to first order. */
static double momentum_error(const es_loss *l, const es_loss_setup *s, double gamma) {
  const double x = s->lr * es_loss_modes_of(l).rate / 2 * gamma, rest = 1 - s->momentum;
  return s->momentum * x / (rest * rest);
}

int es_loss_cautions(const es_loss *l, const es_loss_setup *s, double gamma,
                     const char **text) {
  const es_loss_theory *const theory = l->ops->theory;
  int n = 0;
  if (theory != NULL && theory->caution != NULL) {
    text[n] = theory->caution(l->par, s);
    n += text[n] != NULL;
  }
  if (es_loss_has_flow(l->ops) && !es_loss_modes_move_alone(l, s) &&
      momentum_error(l, s, gamma) > TOLERATED)
    text[n++] = "momentum is taken as a factor 1 / (1 - mu) on the learning rate, which "
                "holds while a mode grows by much less than 1 - mu in a step: modes are "
                "learned later than predicted";
  return n;
}
