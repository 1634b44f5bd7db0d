/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim_lars.c  Layer-wise adaptive rates. For each tensor
 *
 *  g += wd p;  q = eta |p| / |g|, 1 where either norm is 0;
 *  buffer = gradient:  m = mu m + q g;     p -= lr m   (Barlow Twins, VICReg, solo-learn)
 *  buffer = step:      m = mu m + lr q g;  p -= m      (SimCLR)
 *
 *  m is the only moment: LARS has no second one. The two forms differ where lr changes
 *  from step to step. solo-learn replaces q by min(q / lr, 1) (clip) and |g| of the sum
 *  by |g| + wd |p| (denominator = parts). 1-D tensors take neither decay nor adaptation
 *  (exclude_1d): with their plain g.
 *  Y. You, I. Gitman, B. Ginsburg, "Large batch training of convolutional networks",
 *  2017 (arXiv:1708.03888). */
#include <math.h>

#include "optim_private.h"

enum { SUMS = 3 }; /* p'p, p'g, g'g of a tensor, g without decay */

typedef struct lars_params {
  double eta;
  bool exclude_1d, clip;
  int buffer;      /**< 0 = gradient, 1 = step */
  int denominator; /**< 0 = sum, 1 = parts */
} lars_params;

static const es_param table[] = {
    ES_DOUBLE(lars_params, eta, "0.001", 0, ES_INF, "1",
              "trust coefficient: q = eta |p| / |g|, for each tensor"),
    ES_BOOL(lars_params, exclude_1d, "true",
            "exclude 1-D tensors (biases, gains) from weight decay and adaptation"),
    ES_CHOICE(lars_params, buffer, "gradient", "gradient|step",
              "what the momentum buffer sums: q g (lr applied afterwards), or lr q g "
              "(SimCLR's code)"),
    ES_BOOL(lars_params, clip, "false", "min(q / lr, 1) in place of q (solo-learn)"),
    ES_CHOICE(lars_params, denominator, "sum", "sum|parts",
              "|g| is the norm of gradient + decay, or the sum of their norms "
              "(solo-learn)"),
    ES_PARAM_END};

/** q of one tensor. */
static double adaptation(const lars_params *l, double decay, double lr,
                         const double s[SUMS]) {
  const double p = sqrt(s[0]), g = sqrt(s[2]);
  const double sum = s[2] + 2 * decay * s[1] + decay * decay * s[0];
  /* rounding can leave the square of a sum that cancels below 0 */
  const double norm = l->denominator == 1 ? g + decay * p : sqrt(fmax(sum, 0.0));
  double q = p > 0 && norm > 0 ? l->eta * p / norm : 1.0;
  if (l->clip) q = q < lr ? q / lr : 1.0;
  return q;
}

static es_status gather(es_optim *o, es_range in) {
  es_params *const p = o->params;
  es_backend *const b = p->backend;
  es_optim_run r = {0};
  while (es_optim_next(o, in, ES_SPLIT_TENSOR, &r))
    ES_TRY(b->ops->gram(b, r.count, p->value + r.first, p->grad + r.first,
                        o->partial + SUMS * r.tensor));
  return ES_OK;
}

static es_status update(es_optim *o, double lr, es_range in) {
  const lars_params *const l = o->own;
  es_params *const p = o->params;
  es_backend *const b = p->backend;
  es_optim_run r = {0};
  while (es_optim_next(o, in, ES_SPLIT_TENSOR, &r)) {
    const bool plain = r.excluded && l->exclude_1d;
    const double rate = es_optim_rate(o, &r, lr);
    const double decay = plain ? 0.0 : o->par.weight_decay;
    const double q = plain ? 1.0 : adaptation(l, decay, rate, o->sum + SUMS * r.tensor);
    const es_sgd_args a = {.lr = l->buffer == 1 ? 1.0 : rate,
                           .scale = l->buffer == 1 ? rate * q : q,
                           .momentum = o->par.momentum,
                           .weight_decay = decay,
                           .nesterov = o->par.nesterov,
                           .version = p->version};
    ES_TRY(b->ops->sgd(b, r.count, &a, p->value + r.first, p->grad + r.first,
                       es_optim_moment(o, 0, &r)));
  }
  return ES_OK;
}

const es_optim_ops es_optim_lars = {.name = "lars",
                                    .doc = "layer-wise adaptive rates",
                                    .params = table,
                                    .size = sizeof(lars_params),
                                    .moments = 1,
                                    .momentum = true,
                                    .sums = SUMS,
                                    .gather = gather,
                                    .update = update};
