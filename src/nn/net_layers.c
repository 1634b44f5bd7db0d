/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net_layers.c  Layers of a network and their observer. */
#include "eigenstep/net_layers.h"

#include "net_private.h"

static bool is_layer(const es_net_node *node) {
  return node->tensor.w >= 0;
}

int es_net_layers(const es_net *net) {
  int n = 0;
  for (int k = 0; k < net->n_node; k++) n += is_layer(&net->node[k]);
  return n;
}

static const es_net_node *node_of(const es_net *net, int i) {
  const es_net_node *node = net->node;
  while (!is_layer(node) || i-- > 0) node++;
  return node;
}

static int index_of(const es_net *net, const es_net_node *node) {
  int i = 0;
  for (const es_net_node *k = net->node; k != node; k++) i += is_layer(k);
  return i;
}

es_net_layer es_net_layer_of(const es_net *net, int i) {
  const es_net_node *const node = node_of(net, i);
  return (es_net_layer){.name = node->name,
                        .kind = node->desc.kind,
                        .in = node->desc.in,
                        .out = node->desc.out,
                        .window = node->desc.window,
                        .bias = node->desc.kind == ES_OP_LINEAR && node->desc.bias,
                        .relu = node->desc.kind == ES_OP_BN && node->desc.bn.relu,
                        .eps = node->desc.bn.eps,
                        .w = node->tensor.w,
                        .b = node->tensor.b,
                        .mean = node->tensor.mean,
                        .var = node->tensor.var};
}

void es_net_observe(es_net *net, const es_net_observer *who) {
  net->observer = who;
}

es_status es_net_tell_forward(const es_net *net, const es_net_node *node) {
  const es_net_observer *const who = net->observer;
  if (who == NULL || who->forward == NULL || !is_layer(node)) return ES_OK;
  return who->forward(who->ctx, index_of(net, node));
}

es_status es_net_tell_backward(const es_net *net, const es_net_node *node, bool *ends) {
  const es_net_observer *const who = net->observer;
  *ends = false;
  if (who == NULL || !is_layer(node)) return ES_OK;
  const int i = index_of(net, node);
  *ends = who->last > 0 && i == who->last;
  return who->backward == NULL ? ES_OK : who->backward(who->ctx, i);
}

static es_status read_value(es_net *net, int value, es_act from, float *to) {
  es_backend *const b = net->backend;
  return b->ops->act_read(b, es_net_type(net, value), net->state.n, from, to);
}

es_status es_net_layer_input(es_net *net, int i, float *x) {
  const es_net_node *const node = node_of(net, i);
  const es_op_args a = es_net_arguments(net, node, ES_NET_BACKWARD, 0, net->state.n);
  ES_CHECK(a.x != NULL, ES_ENOTSUP, "%s: backend '%s' has no input of it in backward",
           node->name, net->backend->ops->name);
  return read_value(net, node->x, a.x, x);
}

es_status es_net_layer_output(es_net *net, int i, float *y) {
  const int value = node_of(net, i)->y;
  return read_value(net, value, es_net_act(net, value, 0), y);
}

es_status es_net_layer_gradient(es_net *net, int i, float *dy) {
  const int value = node_of(net, i)->y;
  return read_value(net, value, es_net_grad(net, value, 0), dy);
}
