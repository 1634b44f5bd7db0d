/* SPDX-License-Identifier: BSD-3-Clause */
/** @file outputs.c  Combinations of outputs. The last layer's gradient is u times its
 *  input, so its kernel is the same for each u of length 1. */
#include "outputs.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/rng.h"

es_status es_ntk_outputs_parse(const char *text, int dim, es_ntk_outputs *o) {
  static const char random[] = "random:";
  char *end = NULL;
  *o = (es_ntk_outputs){.n = 1};
  if (strcmp(text, "mean") == 0) {
    o->n = dim;
    return ES_OK;
  }
  o->random = true;
  o->last_alone = strcmp(text, "last") == 0;
  if (o->last_alone) return ES_OK;
  errno = 0;
  const bool named = strncmp(text, random, sizeof random - 1) == 0;
  const long n = named ? strtol(text + sizeof random - 1, &end, 10) : 0;
  ES_CHECK(named && errno == 0 && *end == '\0' && n >= 1 && n <= 1 << 20, ES_ECONFIG,
           "ntk.outputs: got '%s', expected random:N with N >= 1, mean or last", text);
  o->n = (int) n;
  return ES_OK;
}

void es_ntk_outputs_get(const es_ntk_outputs *o, uint64_t seed, int k, int dim,
                        float *u) {
  es_rng r = es_rng_at(seed, ES_STREAM_NTK, (uint64_t) k, 0);
  double norm = 0;
  for (int i = 0; i < dim; i++) {
    u[i] = o->random ? (float) es_rng_normal(&r) : (float) (i == k);
    norm += (double) u[i] * u[i];
  }
  for (int i = 0; i < dim; i++) u[i] = (float) (u[i] / sqrt(norm));
}
