/* SPDX-License-Identifier: BSD-3-Clause */
/** @file models.h  Small models for tests: parameters with short initialisers, random
 *  images, directional derivatives of L = sum(z r). */
#ifndef ES_TESTS_MODELS_H
#define ES_TESTS_MODELS_H

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/encoder.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"

typedef struct model_spec {
  const char *encoder;
  int stem;       /**< 0 = imagenet, 1 = cifar */
  int base_width; /**< 0: 64 */
  int hidden[3];  /**< ends with 0 */
  int widths[3];  /**< of the projector, ends with 0 */
  bool no_batchnorm, bias, zero_init_residual;
  es_shape input;
  es_init_params init; /**< all zero: scales of 1 */
} model_spec;

static inline es_list model_list(const int *v) {
  es_list l = {0};
  while (l.n < 3 && v[l.n] != 0) {
    l.v[l.n] = v[l.n];
    l.n++;
  }
  return l;
}

/** es_model_build from a spec. */
static inline es_status model_build(es_backend *b, const es_net_options *o,
                                    const model_spec *m, es_net **net, int *features) {
  es_encoder_params e = {.stem = m->stem,
                         .base_width = m->base_width > 0 ? m->base_width : 64,
                         .zero_init_residual = m->zero_init_residual,
                         .hidden = model_list(m->hidden)};
  snprintf(e.name, sizeof e.name, "%s", m->encoder);
  const es_projector_params p = {
      .widths = model_list(m->widths), .batchnorm = !m->no_batchnorm, .bias = m->bias};
  es_init_params init = m->init;
  if (init.scale == 0) init.scale = 1;
  if (init.scale_last == 0) init.scale_last = 1;
  if (init.bias_last == 0) init.bias_last = 1;
  const es_model_desc desc = {m->input, &e, &p, &init};
  return es_model_build(b, o, &desc, net, features);
}

/** n standard normal numbers of a test's stream. */
static inline void model_normal(uint64_t seed, uint64_t index, int64_t n, float *x) {
  es_rng r = es_rng_at(seed, ES_STREAM_TEST, index, 0);
  for (int64_t i = 0; i < n; i++) x[i] = (float) es_rng_normal(&r);
}

/** Euclidean norm. */
static inline double model_norm(int64_t n, const float *x) {
  double s = 0;
  for (int64_t i = 0; i < n; i++) s += (double) x[i] * x[i];
  return sqrt(s);
}

/** Norm of x - y over the norm of y. */
static inline double model_distance(int64_t n, const float *x, const float *y) {
  double s = 0;
  for (int64_t i = 0; i < n; i++) s += ((double) x[i] - y[i]) * ((double) x[i] - y[i]);
  return sqrt(s) / model_norm(n, y);
}

#endif
