/* SPDX-License-Identifier: BSD-3-Clause */
/** @file encoder_linear.c  f(x) = W x, or a product of matrices: the model of the linear
 * theory. With encoder.hidden = none the features are the pixels, and the projector's
 * single layer is W. */
#include "layers.h"

static es_status build(es_net *net, const es_encoder_params *p, int x, int *y) {
  ES_TRY(es_net_flatten(net, x, &x));
  for (int i = 0; i < p->hidden.n; i++) {
    const es_nn_layer l = {"encoder", i, p->hidden.v[i], false};
    ES_TRY(es_nn_linear(net, x, l, &x));
  }
  *y = x;
  return ES_OK;
}

const es_encoder_ops es_encoder_linear = {.name = "linear",
                                          .doc = "linear layers of widths encoder.hidden "
                                                 "without bias",
                                          .reads = "hidden",
                                          .build = build};
