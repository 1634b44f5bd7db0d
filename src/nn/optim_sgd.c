/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim_sgd.c  Stochastic gradient descent in PyTorch's convention:
 *  g += wd p;  m = mu m + g;  p -= lr (nesterov ? g + mu m : m). */
#include "optim_private.h"

static es_status update(es_optim *o, double lr, es_range in) {
  es_params *const p = o->params;
  es_backend *const b = p->backend;
  const es_optim_split split = o->par.lr_1d == 1.0 ? ES_SPLIT_NONE : ES_SPLIT_KIND;
  es_optim_run r = {0};
  while (es_optim_next(o, in, split, &r)) {
    const es_sgd_args a = {.lr = es_optim_rate(o, &r, lr),
                           .scale = 1.0,
                           .momentum = o->par.momentum,
                           .weight_decay = o->par.weight_decay,
                           .nesterov = o->par.nesterov,
                           .version = p->version};
    ES_TRY(b->ops->sgd(b, r.count, &a, p->value + r.first, p->grad + r.first,
                       es_optim_moment(o, 0, &r)));
  }
  return ES_OK;
}

const es_optim_ops es_optim_sgd = {.name = "sgd",
                                   .doc = "SGD with momentum",
                                   .moments = 1,
                                   .momentum = true,
                                   .update = update};
