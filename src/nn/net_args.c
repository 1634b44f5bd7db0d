/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net_args.c  The buffers that a node reads and writes. */
#include "net_private.h"

static es_act at(const es_net *net, void *arena, int v, size_t offset, int first) {
  return es_act_at(net->backend, es_net_type(net, v), (char *) arena + offset, first);
}

es_act es_net_act(const es_net *net, int v, int first) {
  if (v < 0) return NULL;
  const es_net_value *const value = &net->value[v];
  return at(net, value->kept ? net->memory.kept : net->memory.passing, v, value->at,
            first);
}

/** Value v in backward, kept or replayed; NULL if it is neither. */
static es_act again_of(const es_net *net, int v, int first) {
  const es_net_value *const value = &net->value[v];
  if (value->kept) return es_net_act(net, v, first);
  if (value->again_at == ES_NOWHERE) return NULL;
  return at(net, net->memory.passing, v, value->again_at, first);
}

es_act es_net_grad(const es_net *net, int v, int first) {
  if (v < 0 || net->value[v].grad_at == ES_NOWHERE) return NULL;
  return at(net, net->memory.passing, v, net->value[v].grad_at, first);
}

/** Where tensor i begins in its buffer; NULL for "none". */
static es_buf part(const es_net *net, es_buf buffer, int i) {
  return i < 0 ? NULL : buffer + net->params->tensor[i].offset;
}

/** What backward does not need is NULL: it may be overwritten already. */
static void add_activations(const es_net *net, const es_net_node *node, es_net_pass pass,
                            int first, es_op_args *a) {
  switch (pass) {
  case ES_NET_FORWARD:
    a->x = es_net_act(net, node->x, first);
    a->y = es_net_act(net, node->y, first);
    a->bn.residual = es_net_act(net, node->residual, first);
    break;
  case ES_NET_REPLAY:
    a->x = again_of(net, node->x, first);
    a->y = again_of(net, node->y, first);
    break;
  case ES_NET_BACKWARD:
    if (node->needs.x) a->x = again_of(net, node->x, first);
    if (node->needs.y) a->y = again_of(net, node->y, first);
    a->dx = es_net_grad(net, node->x, first);
    a->dy = es_net_grad(net, node->y, first);
    a->bn.dresidual = es_net_grad(net, node->residual, first);
    break;
  }
}

int64_t es_net_collected(const es_net *net, const es_net_node *end) {
  int64_t at = 0;
  for (const es_net_node *node = net->node; node != end; node++)
    if (node->desc.kind == ES_OP_BN) at += 2 * (int64_t) node->desc.in.c + 1;
  return at;
}

es_op_args es_net_arguments(const es_net *net, const es_net_node *node, es_net_pass pass,
                            int first, int n) {
  const es_params *const p = net->params;
  const es_net_tensors *const t = &node->tensor;
  const es_bn_mode mode = net->state.mode;
  const es_buf statistics = mode == ES_BN_FROZEN ? p->frozen : p->state;
  es_op_args a = {.n = n,
                  .groups = net->state.groups,
                  .add_dx = node->add_dx,
                  .param = {.w = part(net, p->value, t->w),
                            .b = part(net, p->value, t->b),
                            .dw = part(net, p->grad, t->w),
                            .db = part(net, p->grad, t->b),
                            .version = p->version},
                  .bn = {.mode = mode,
                         .add_dresidual = node->add_dresidual,
                         .mean = part(net, statistics, t->mean),
                         .var = part(net, statistics, t->var)}};
  if (mode == ES_BN_COLLECT && node->desc.kind == ES_OP_BN)
    a.bn.collected = net->memory.collected + es_net_collected(net, node);
  add_activations(net, node, pass, first, &a);
  return a;
}
