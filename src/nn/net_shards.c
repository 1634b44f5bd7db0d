/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net_shards.c  Ops that sum over images, executed shard by shard. The result of a
 *  shard does not depend on the number of shards of this rank, and neither does the order
 *  in which the gradients of shards are added (tree.h). Batch norm does this itself. */
#include "eigenstep/tree.h"
#include "net_private.h"

es_status es_net_forward_shards(es_net *net, const es_net_node *node) {
  const int parts = 2 * net->options.shards, n = net->state.n / parts;
  for (int i = 0; i < parts; i++) {
    const es_op_args a = es_net_arguments(net, node, ES_NET_FORWARD, i * n, n);
    ES_TRY(node->op->forward(node->op, &a));
  }
  return ES_OK;
}

/** Gradients of shard s, both views, into dw [w, b]; those of activations to their place.
 */
static es_status back_one(es_net *net, const es_net_node *node, int s, es_buf dw) {
  const int shards = net->options.shards, n = net->state.n / (2 * shards);
  for (int view = 0; view < 2; view++) {
    es_op_args a =
        es_net_arguments(net, node, ES_NET_BACKWARD, (view * shards + s) * n, n);
    a.param.dw = dw;
    a.param.db = node->tensor.b < 0 ? NULL : dw + es_net_count(net, node->tensor.w);
    ES_TRY(node->op->backward(node->op, &a));
  }
  return ES_OK;
}

es_status es_net_backward_shards(es_net *net, const es_net_node *node) {
  es_backend *const b = net->backend;
  const size_t w = (size_t) es_net_count(net, node->tensor.w);
  const size_t bias = (size_t) es_net_count(net, node->tensor.b), all = w + bias;
  es_buf top = net->memory.tree;
  for (int s = 0; s < net->options.shards; s++, top += all) {
    ES_TRY(b->ops->zero(b, top, all * sizeof(float)));
    ES_TRY(back_one(net, node, s, top));
    for (int carry = es_tree_merges(s); carry > 0; carry--, top -= all)
      ES_TRY(b->ops->add(b, all, top, top - all));
  }
  const es_op_args a = es_net_arguments(net, node, ES_NET_BACKWARD, 0, 0);
  ES_TRY(b->ops->add(b, w, net->memory.tree, a.param.dw));
  return bias > 0 ? b->ops->add(b, bias, net->memory.tree + w, a.param.db) : ES_OK;
}
