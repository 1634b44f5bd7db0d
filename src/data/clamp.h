/* SPDX-License-Identifier: BSD-3-Clause */
/** @file clamp.h  Minimum, maximum and clamp that compile to one instruction: fminf and
 *  fmaxf are calls, as they must handle NaN. */
#ifndef ES_CLAMP_H
#define ES_CLAMP_H

static inline float es_min_f32(float a, float b) {
  return a < b ? a : b;
}

static inline float es_max_f32(float a, float b) {
  return a > b ? a : b;
}

static inline float es_clamp_f32(float x, float low, float high) {
  return es_min_f32(es_max_f32(x, low), high);
}

#endif
