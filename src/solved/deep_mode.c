/* SPDX-License-Identifier: BSD-3-Clause */
/** @file deep_mode.c  The equation of one mode, its end and its steps. */
#include "deep_mode.h"

#include <math.h>

static double power(const es_deep_mode *m) {
  return (m->jepa ? 3 : 2) - 1.0 / m->depth;
}

static double speed(const es_deep_mode *m, double w) {
  const double loss = m->lambda / m->rho * w * w * w;
  return m->depth * (m->lambda * pow(w, power(m)) - loss);
}

double es_deep_mode_end(const es_deep_mode *m) {
  const double depth = m->depth;
  return m->rho > 0 ? pow(m->rho, m->jepa ? depth : depth / (depth + 1)) : 0;
}

double es_deep_mode_advance(const es_deep_mode *m, double h, double w) {
  const double a = speed(m, w), b = speed(m, w + h / 2 * a);
  const double c = speed(m, w + h / 2 * b), e = speed(m, w + h * c);
  return w + h / 6 * (a + 2 * b + 2 * c + e);
}

double es_deep_mode_least_time(const es_deep_mode *m, double from, double to) {
  const double p = power(m), rate = m->depth * m->lambda;
  if (p == 1) return log(to / from) / rate;
  return (pow(from, 1 - p) - pow(to, 1 - p)) / ((p - 1) * rate);
}

double es_deep_mode_pace(bool flow) {
  return flow ? 0.1 : 0.005;
}
