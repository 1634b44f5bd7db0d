/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim_sgd.c  Stochastic gradient descent in PyTorch's convention:
 *  g += wd p;  m = mu m + g;  p -= lr (nesterov ? g + mu m : m). */
#include "eigenstep/optim.h"

static es_status update(es_optim *o, double lr, es_range r) {
  es_params *const p = o->params;
  es_backend *const b = p->backend;
  const es_sgd_args a = {.lr = lr,
                         .momentum = o->par.momentum,
                         .weight_decay = o->par.weight_decay,
                         .nesterov = o->par.nesterov};
  return b->ops->sgd(b, (size_t) r.count, &a, p->value + r.first, p->grad + r.first,
                     o->moment[0] + r.first);
}

const es_optim_ops es_optim_sgd = {
    .name = "sgd", .doc = "SGD with momentum", .moments = 1, .update = update};
