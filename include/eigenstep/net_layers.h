/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net_layers.h  The layers of a network (ops with parameters) and what passes
 *  through them: an observer is told of each in forward and in backward, and reads input,
 *  output and gradient of the output there. With constant statistics of batch norm the
 *  gradients of single images follow from these.
 *
 *  Layers are numbered in the order of execution. Nothing here is collective. */
#ifndef ES_NET_LAYERS_H
#define ES_NET_LAYERS_H

#include "eigenstep/net.h"

/** A layer as it was built. */
typedef struct es_net_layer {
  const char *name; /**< "layer1.0.conv1"; borrowed from the network */
  es_op_kind kind;  /**< ES_OP_CONV, ES_OP_LINEAR or ES_OP_BN */
  es_shape in, out; /**< of an image */
  es_window window; /**< conv */
  bool bias;        /**< linear: it has one */
  bool relu;        /**< bn: its output is max(., 0) */
  double eps;       /**< bn */
  int w, b;         /**< tensors of es_net_params, -1: none */
  int mean, var;    /**< bn: tensors of the running averages; the same offsets hold in
                           es_params.frozen */
} es_net_layer;

int es_net_layers(const es_net *net);
/** @param i  0 to es_net_layers - 1 */
es_net_layer es_net_layer_of(const es_net *net, int i);

/** Who is told. Both functions may be NULL; an error ends the pass. */
typedef struct es_net_observer {
  /** After forward of layer i: es_net_layer_output may be called. */
  es_status (*forward)(void *ctx, int i);
  /** Before backward of layer i: es_net_layer_input and es_net_layer_gradient may be. */
  es_status (*backward)(void *ctx, int i);
  void *ctx;
  int last; /**< backward ends when it has told of this layer: gradients of parameters are
                 then those of later layers alone. 0: it goes on to the end */
} es_net_observer;

/** Tell `who` of all passes from now on; borrowed. NULL: nobody. */
void es_net_observe(es_net *net, const es_net_observer *who);

/** Host copies, f32, of the n images of this pass, [n, C, H, W]: of the layer's input,
 *  of its output, and of dL/doutput (bn: with its ReLU, so dL/doutput is not yet 0 where
 *  the ReLU is). @return ES_OK, or the backend's error */
es_status es_net_layer_input(es_net *net, int i, float *x);
es_status es_net_layer_output(es_net *net, int i, float *y);
es_status es_net_layer_gradient(es_net *net, int i, float *dy);

#endif
