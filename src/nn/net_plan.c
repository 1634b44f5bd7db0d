/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net_plan.c  Memory of a network: one arena of activations, one of gradients.
 *
 *  Every activation is kept until backward. A gradient lives from the first consumer that
 *  writes it (backward runs from the last node) to the node that produced the value; dead
 *  blocks are used again, the first gap that is large enough (first fit). */
#include "net_private.h"

#include "eigenstep/mem.h"

enum {
  ALIGN = 256
}; /* of every activation, in bytes: enough for any backend's vectors */

/** Blocks of the gradient arena in use, ordered by offset. */
typedef struct live_set {
  int *value; /**< whose gradient [n] */
  int n;
} live_set;

static size_t aligned(size_t bytes) {
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/** Give value v the first gap that holds it; keeps the order. */
static void take(es_net *net, live_set *live, int v) {
  const size_t need = net->value[v].bytes;
  size_t at = 0;
  int i = 0;
  for (; i < live->n; i++) {
    const es_net_value *const block = &net->value[live->value[i]];
    if (block->grad_at >= at + need) break;
    at = block->grad_at + block->bytes;
  }
  for (int j = live->n; j > i; j--) live->value[j] = live->value[j - 1];
  live->value[i] = v;
  live->n++;
  net->value[v].grad_at = at;
  if (at + need > net->grad_bytes) net->grad_bytes = at + need;
}

static void drop(live_set *live, int v) {
  int kept = 0;
  for (int i = 0; i < live->n; i++)
    if (live->value[i] != v) live->value[kept++] = live->value[i];
  live->n = kept;
}

/** A consumer writes v's gradient: true if an earlier one has, so it has to add. */
static bool claim(es_net *net, live_set *live, int v) {
  if (!net->value[v].needs_grad) return false;
  for (int i = 0; i < live->n; i++)
    if (live->value[i] == v) return true;
  take(net, live, v);
  return false;
}

static void place_gradients(es_net *net, live_set *live) {
  net->grad_bytes = 0;
  take(net, live, net->n_value - 1);
  for (int i = net->n_node - 1; i >= 0; i--) {
    es_net_node *const node = &net->node[i];
    if (!net->value[node->y].needs_grad) continue;
    node->add_dx = claim(net, live, node->x);
    if (node->residual >= 0) node->add_dresidual = claim(net, live, node->residual);
    drop(live, node->y);
  }
}

/** Without backward a value lives from its node to its last consumer; maps of one pixel
 *  stay, somebody may read them. */
static void place_passing(es_net *net, live_set *live) {
  for (int v = 0; v < net->n_value; v++) net->value[v].left = net->value[v].uses;
  net->grad_bytes = 0;
  take(net, live, 0);
  for (int i = 0; i < net->n_node; i++) {
    const int from[2] = {net->node[i].x, net->node[i].residual};
    take(net, live, net->node[i].y);
    for (int k = 0; k < 2; k++) {
      if (from[k] < 0) continue;
      es_net_value *const v = &net->value[from[k]];
      if (--v->left == 0 && (v->shape.h > 1 || v->shape.w > 1)) drop(live, from[k]);
    }
  }
  for (int v = 0; v < net->n_value; v++) net->value[v].at = net->value[v].grad_at;
  net->act_bytes = net->grad_bytes;
  net->grad_bytes = 0;
}

es_status es_net_place(es_net *net) {
  es_backend *const b = net->backend;
  net->act_bytes = 0;
  for (int v = 0; v < net->n_value; v++) {
    es_net_value *const value = &net->value[v];
    ES_CHECK(value->uses > 0 || v == net->n_value - 1, ES_EARG,
             "value %d of the network is never used, expected only the last to be", v);
    value->bytes = aligned(b->ops->act_bytes(b, value->shape, net->options.max_n));
    value->at = net->act_bytes;
    net->act_bytes += value->bytes;
  }
  live_set live = {0};
  ES_TRY(ES_NEW(net->n_value, &live.value));
  if (net->options.forward_only)
    place_passing(net, &live);
  else
    place_gradients(net, &live);
  es_free(&live.value);
  return ES_OK;
}

bool es_net_hands_moments(const es_net *net, int i) {
  if (i + 1 >= net->n_node || !net->node[i].op->gives_moments) return false;
  const es_net_node *const next = &net->node[i + 1];
  return next->desc.kind == ES_OP_BN && next->x == net->node[i].y;
}

/** Room for the moments of the widest BN. */
static es_status make_moments(es_net *net) {
  size_t widest = 0;
  for (int i = 0; i < net->n_node; i++) {
    const es_op_desc *const d = &net->node[i].desc;
    if (d->kind == ES_OP_BN && (size_t) d->in.c > widest) widest = (size_t) d->in.c;
  }
  return ES_NEW(2 * ES_BN_GROUPS * widest, &net->moments);
}

/** Let the backend choose how to compute the ops. */
static es_status tune(es_net *net) {
  es_backend *const b = net->backend;
  if (b->ops->tune == NULL) return ES_OK;
  const es_op_desc **list = NULL;
  ES_TRY(ES_NEW(net->n_node, &list));
  for (int i = 0; i < net->n_node; i++) list[i] = &net->node[i].desc;
  const es_status st = b->ops->tune(b, list, net->n_node);
  es_free(&list);
  return st;
}

/** Allocate the buffers and plan the ops. */
static es_status realise(es_net *net) {
  es_backend *const b = net->backend;
  for (int i = 0; i < net->n_node; i++) {
    net->node[i].desc.name = net->node[i].name; /* the array may have moved */
    net->node[i].desc.forward_only = net->options.forward_only;
  }
  ES_TRY(tune(net));
  ES_TRY(make_moments(net));
  if (net->options.params == NULL) ES_TRY(es_params_alloc(net->params));
  ES_TRY(b->ops->alloc(b, net->act_bytes, "activations", &net->acts));
  ES_TRY(b->ops->alloc(b, net->grad_bytes, "activation gradients", &net->grads));
  const int64_t tree = es_net_tree_size(net);
  void *room = NULL;
  if (tree > 0)
    ES_TRY(b->ops->alloc(b, (size_t) tree * sizeof(float), "gradients of shards", &room));
  net->tree = room;
  for (int i = 0; i < net->n_node; i++) {
    es_net_node *const node = &net->node[i];
    ES_TRY(es_op_plan(b, &node->desc, &node->op));
  }
  return ES_OK;
}

es_status es_net_alloc(es_net *net) {
  ES_CHECK(net->n_node > 0, ES_EARG, "got a network without ops");
  const es_net_value *const last = &net->value[net->n_value - 1];
  ES_CHECK(last->shape.h == 1 && last->shape.w == 1 && last->needs_grad, ES_EARG,
           "got an output of %d x %d x %d%s, expected D x 1 x 1 behind parameters",
           last->shape.c, last->shape.h, last->shape.w,
           last->needs_grad ? "" : " without parameters");
  ES_TRY(es_net_place(net));
  net->planned = true;
  return net->options.plan_only ? ES_OK : realise(net);
}

/** Forward operations of one image; those that are not matrix products do not count. */
static double flops(const es_op_desc *d) {
  const double outputs = (double) d->out.c * d->out.h * d->out.w;
  if (d->kind == ES_OP_CONV) return 2.0 * outputs * d->in.c * d->k * d->k;
  return d->kind == ES_OP_LINEAR ? 2.0 * outputs * d->in.c : 0.0;
}

void es_net_cost_of(const es_net *net, es_net_cost *cost) {
  const es_params *const p = net->params;
  *cost =
      (es_net_cost){.parameters = p->n,
                    .activation_bytes = (int64_t) net->act_bytes,
                    .gradient_bytes = (int64_t) net->grad_bytes,
                    .parameter_bytes = (int64_t) sizeof(float) *
                                       (2 * p->n + p->n_state + es_net_tree_size(net))};
  for (int i = 0; i < net->n_node; i++) {
    cost->flops += flops(&net->node[i].desc);
    if (net->node[i].op != NULL) cost->plan_bytes += (int64_t) net->node[i].op->bytes;
  }
}
