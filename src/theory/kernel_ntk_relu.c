/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_ntk_relu.c  Neural tangent kernel of `depth` infinitely wide ReLU
 *  layers and a linear output, no biases, all layers trained (Jacot, Gabriel,
 *  Hongler, NeurIPS 2018; recursion of Arora et al., NeurIPS 2019), with weights of
 *  variance 2 and layers divided by the root of their width, not by that of the
 *  input: Sigma_0 = x'y, Sigma_l = |x| |y| kappa_1(angle_(l-1)), Theta_l = Sigma_l +
 *  Theta_(l-1) kappa_0(angle_(l-1)), k = Theta_depth. */
#include <math.h>
#include "arccos.h"
#include "eigenstep/kernel.h"

typedef struct par {
  int64_t depth;
} par;

static const es_param params[] = {
    ES_INT(par, depth, "1", 1, 1000, "layers", "hidden layers"), ES_PARAM_END};

static double value(const void *p, double xx, double xy, double yy, double d2) {
  const par *o = p;
  const double length = sqrt(xx) * sqrt(yy);
  double angle = es_arccos_angle(xx, yy, d2), k = xy;
  for (int64_t l = 0; l < o->depth; l++) {
    const double cosine = fmin(es_arccos_one(angle), 1);
    k = length * cosine + k * es_arccos_zero(angle);
    angle = acos(cosine);
  }
  return k;
}

static int layers(const void *p) {
  return (int) ((const par *) p)->depth;
}

const es_kernel_ops es_kernel_ntk_relu = {
    .name = "ntk_relu",
    .doc = "neural tangent kernel of infinitely wide ReLU layers",
    .params = params,
    .size = sizeof(par),
    .value = value,
    .layers = layers,
    .tangent = true};
