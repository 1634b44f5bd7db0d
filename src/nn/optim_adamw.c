/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim_adamw.c  Adam with decoupled weight decay, in PyTorch's convention:
 *  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
 *  p = (1 - lr wd) p - lr mhat / (sqrt(vhat) + eps), hats divided by 1 - b^step.
 *  optim.momentum and nesterov have no meaning here. I. Loshchilov, F. Hutter,
 *  "Decoupled weight decay regularization", ICLR 2019. */
#include "optim_private.h"

typedef struct adamw_params {
  double beta1, beta2, eps;
  bool decay_1d;
} adamw_params;

static const es_param table[] = {
    ES_DOUBLE(adamw_params, beta1, "0.9", 0, 0.999999, "1",
              "decay factor of the running mean gradient, per step"),
    ES_DOUBLE(adamw_params, beta2, "0.999", 0, 0.99999999, "1",
              "decay factor of the running mean square gradient, per step"),
    ES_DOUBLE(adamw_params, eps, "1e-8", 1e-30, ES_INF, "1",
              "added to the root mean square gradient"),
    ES_BOOL(adamw_params, decay_1d, "true",
            "weight decay of 1-D tensors (biases, gains) too, as PyTorch does"),
    ES_PARAM_END};

static es_status update(es_optim *o, double lr, es_range in) {
  const adamw_params *const w = o->own;
  es_params *const p = o->params;
  es_backend *const b = p->backend;
  const bool alike = o->par.lr_1d == 1.0 && (w->decay_1d || o->par.weight_decay == 0.0);
  es_optim_run r = {0};
  while (es_optim_next(o, in, alike ? ES_SPLIT_NONE : ES_SPLIT_KIND, &r)) {
    const bool decays = w->decay_1d || !r.excluded;
    const es_adamw_args a = {.lr = es_optim_rate(o, &r, lr),
                             .beta1 = w->beta1,
                             .beta2 = w->beta2,
                             .eps = w->eps,
                             .weight_decay = decays ? o->par.weight_decay : 0.0,
                             .step = o->steps + 1,
                             .version = p->version};
    const es_buf moments[2] = {es_optim_moment(o, 0, &r), es_optim_moment(o, 1, &r)};
    ES_TRY(b->ops->adamw(b, r.count, &a, p->value + r.first, p->grad + r.first, moments));
  }
  return ES_OK;
}

const es_optim_ops es_optim_adamw = {.name = "adamw",
                                     .doc = "Adam with decoupled weight decay",
                                     .params = table,
                                     .size = sizeof(adamw_params),
                                     .moments = 2,
                                     .update = update};
