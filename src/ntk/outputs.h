/* SPDX-License-Identifier: BSD-3-Clause */
/** @file outputs.h  The combinations u of outputs that a kernel is the mean of. */
#ifndef ES_NTK_OUTPUTS_H
#define ES_NTK_OUTPUTS_H

#include <stdbool.h>
#include <stdint.h>
#include "eigenstep/status.h"

typedef struct es_ntk_outputs {
  int n;           /**< combinations */
  bool random;     /**< unit vectors drawn at random; false: the outputs one by one */
  bool last_alone; /**< of the last layer's parameters alone */
} es_ntk_outputs;

/** From ntk.outputs, for D outputs. @return ES_OK, ES_ECONFIG */
es_status es_ntk_outputs_parse(const char *text, int dim, es_ntk_outputs *o);
/** Combination k: u [D], of length 1, the same for the same seed. */
void es_ntk_outputs_get(const es_ntk_outputs *o, uint64_t seed, int k, int dim, float *u);

#endif
