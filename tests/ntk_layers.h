/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ntk_layers.h  Layers whose tangent kernels unit_ntk and unit_ntk_bf16 form. */
#ifndef ES_TESTS_NTK_LAYERS_H
#define ES_TESTS_NTK_LAYERS_H

#include "ntk/tangent.h"

/** A layer and a number of samples. */
typedef struct shape_case {
  es_net_layer layer;
  int n;
} shape_case;

/** More than one run of output channels. */
#define NTK_CONV_3X3                                                                     \
  {                                                                                      \
    {.name = "3x3",                                                                      \
     .kind = ES_OP_CONV,                                                                 \
     .in = {256, 4, 4},                                                                  \
     .out = {256, 2, 2},                                                                 \
     .window = {3, 2, 1}},                                                               \
        64                                                                               \
  }

#define NTK_LINEAR                                                                       \
  {                                                                                      \
    {.name = "linear",                                                                   \
     .kind = ES_OP_LINEAR,                                                               \
     .in = {40, 1, 1},                                                                   \
     .out = {30, 1, 1},                                                                  \
     .bias = true},                                                                      \
        300                                                                              \
  }

#endif
