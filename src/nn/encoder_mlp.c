/* SPDX-License-Identifier: BSD-3-Clause */
/** @file encoder_mlp.c  Fully connected layers with ReLU: h <- relu(W h + b). */
#include "layers.h"

static es_status build(es_net *net, const es_encoder_params *p, int x, int *y) {
  ES_CHECK(p->hidden.n >= 1, ES_ECONFIG,
           "encoder.hidden: got no widths, expected at least one for the encoder mlp");
  ES_TRY(es_net_flatten(net, x, &x));
  for (int i = 0; i < p->hidden.n; i++) {
    const es_nn_layer l = {"encoder", i, p->hidden.v[i], true};
    ES_TRY(es_nn_linear(net, x, l, &x));
    ES_TRY(es_net_relu(net, x, &x));
  }
  *y = x;
  return ES_OK;
}

const es_encoder_ops es_encoder_mlp = {.name = "mlp",
                                       .doc =
                                           "linear layers of widths encoder.hidden, ReLU",
                                       .reads = "hidden",
                                       .build = build};
