/* SPDX-License-Identifier: BSD-3-Clause */
/** @file layers.h  Numbered linear layers, as encoders and the projector name them. */
#ifndef ES_NN_LAYERS_H
#define ES_NN_LAYERS_H

#include "eigenstep/encoder.h"

/** The linear layer "<prefix>.<index>" of `width` outputs. */
typedef struct es_nn_layer {
  const char *prefix;
  int index;
  double width;
  bool bias;
} es_nn_layer;

/** Add a linear layer after value x.
 *  @return ES_ECONFIG unless width is a whole number >= 1 */
es_status es_nn_linear(es_net *net, int x, es_nn_layer l, int *y);

#endif
