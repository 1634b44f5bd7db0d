/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_arccos.c  The arc-cosine kernel of `depth` infinitely wide ReLU layers
 *  with weights of variance 2 / fan-in (2 in the first): |x| |y| cos(angle after the
 *  layers), Cho and Saul, NIPS 2009. It is the kernel of a wide network whose last layer
 *  is initialised small: the gradients of all other layers are then small as well, and
 *  the network is a linear model of its last features. */
#include <math.h>
#include "arccos.h"
#include "eigenstep/kernel.h"

typedef struct par {
  int64_t depth;
} par;

static const es_param params[] = {
    ES_INT(par, depth, "1", 1, 1000, "layers", "hidden layers"), ES_PARAM_END};

double es_arccos_angle(double xx, double yy, double d2) {
  const double length = sqrt(xx) * sqrt(yy), difference = sqrt(xx) - sqrt(yy);
  if (length == 0) return M_PI_2;
  const double chord = (d2 - difference * difference) / (4 * length);
  return 2 * asin(sqrt(fmin(fmax(chord, 0), 1)));
}

double es_arccos_zero(double angle) {
  return (M_PI - angle) / M_PI;
}

double es_arccos_one(double angle) {
  return (sin(angle) + (M_PI - angle) * cos(angle)) / M_PI;
}

static double value(const void *p, double xx, double xy, double yy, double d2) {
  const par *o = p;
  double angle = es_arccos_angle(xx, yy, d2), cosine = 1;
  (void) xy;
  for (int64_t l = 0; l < o->depth; l++) {
    cosine = fmin(es_arccos_one(angle), 1);
    angle = acos(cosine);
  }
  return sqrt(xx) * sqrt(yy) * cosine;
}

static int layers(const void *p) {
  return (int) ((const par *) p)->depth;
}

const es_kernel_ops es_kernel_arccos = {
    .name = "arccos",
    .doc = "last features of infinitely wide ReLU layers (arc-cosine)",
    .params = params,
    .size = sizeof(par),
    .value = value,
    .layers = layers};
