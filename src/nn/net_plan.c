/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net_plan.c  Memory of a network: one arena of what is kept from forward to
 *  backward, one of temporary blocks.
 *
 *  Kept from forward to backward are the activations that backward reads and that no op
 *  can replay cheaply (es_op_needs), and all maps of one pixel, which es_net_read may
 *  ask for. The others are temporary: forward keeps one from its node to its last
 *  consumer, and if backward reads it, it is replayed before the first op that does and
 *  kept to the last. A gradient lives from the first consumer that writes it (backward
 *  runs from the last node) to the node that produced the value. Forward's temporary
 *  activations are free when backward begins, so both passes share the second arena. */
#include "net_private.h"

#include "arena.h"
#include "eigenstep/mem.h"
#include "eigenstep/tree.h"

enum {
  ALIGN = 256
}; /* of every activation, in bytes: enough for any backend's vectors */

static size_t aligned(size_t bytes) {
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/** Does backward run this node? */
static bool has_backward(const es_net *net, const es_net_node *node) {
  return !net->options.forward_only && net->value[node->y].needs_grad;
}

/** Who reads what in backward. */
static void count_reads(es_net *net) {
  for (int i = 0; i < net->n_node; i++) {
    es_net_node *const node = &net->node[i];
    node->needs = es_op_needs_of(net->backend, &node->desc);
    if (!has_backward(net, node)) continue;
    if (node->needs.x) net->value[node->x].reads++;
    if (node->needs.y) net->value[node->y].reads++;
  }
}

/** Keep a value that backward reads and nothing replays, or that is a vector. */
static void keep(es_net *net, int v, bool replay) {
  es_net_value *const value = &net->value[v];
  const bool vector = value->shape.h == 1 && value->shape.w == 1;
  value->kept = vector || (value->reads > 0 && !replay);
  if (!value->kept) return;
  value->at = net->memory.kept_bytes;
  net->memory.kept_bytes += value->bytes;
}

static void place_kept(es_net *net) {
  net->memory.kept_bytes = 0;
  count_reads(net);
  keep(net, 0, false);
  for (int i = 0; i < net->n_node; i++) {
    const es_net_node *const node = &net->node[i];
    keep(net, node->y, node->needs.replay && net->value[node->x].kept);
  }
}

static void place_forward(es_net *net, es_arena *a) {
  for (int v = 0; v < net->n_value; v++) net->value[v].left = net->value[v].uses;
  if (!net->value[0].kept) net->value[0].at = es_arena_take(a, net->value[0].bytes);
  for (int i = 0; i < net->n_node; i++) {
    const int from[2] = {net->node[i].x, net->node[i].residual};
    es_net_value *const y = &net->value[net->node[i].y];
    if (!y->kept) y->at = es_arena_take(a, y->bytes);
    for (int k = 0; k < 2; k++) {
      if (from[k] < 0) continue;
      es_net_value *const v = &net->value[from[k]];
      if (--v->left == 0 && !v->kept) es_arena_give(a, v->at);
    }
  }
}

/** Node i reads v in backward: v is kept, or has been replayed, or is replayed now. */
static void need(es_net *net, es_arena *a, int i, int v) {
  es_net_value *const value = &net->value[v];
  if (value->kept || value->again_at != ES_NOWHERE) return;
  value->again_at = es_arena_take(a, value->bytes);
  int from = i; /* value v is the output of this node or of one before it */
  while (net->node[from].y != v) from--;
  net->node[i].replay = from;
}

/** A node has read v: the last one frees a replayed value. */
static void done_with(es_net *net, es_arena *a, int v) {
  es_net_value *const value = &net->value[v];
  if (--value->left == 0 && !value->kept) es_arena_give(a, value->again_at);
}

/** A consumer writes v's gradient. @return true if an earlier one has, so it must add */
static bool add_to_gradient(es_net *net, es_arena *a, int v) {
  es_net_value *const value = &net->value[v];
  if (!value->needs_grad) return false;
  if (value->grad_at != ES_NOWHERE) return true;
  value->grad_at = es_arena_take(a, value->bytes);
  return false;
}

static void place_backward(es_net *net, es_arena *a) {
  for (int v = 0; v < net->n_value; v++) {
    es_net_value *const value = &net->value[v];
    value->left = value->reads;
    value->again_at = value->grad_at = ES_NOWHERE;
  }
  if (!net->options.forward_only) add_to_gradient(net, a, net->n_value - 1);
  for (int i = net->n_node - 1; i >= 0; i--) {
    es_net_node *const node = &net->node[i];
    node->replay = -1;
    if (!has_backward(net, node)) continue;
    if (node->needs.x) need(net, a, i, node->x);
    if (node->needs.y) need(net, a, i, node->y);
    node->add_dx = add_to_gradient(net, a, node->x);
    if (node->residual >= 0)
      node->add_dresidual = add_to_gradient(net, a, node->residual);
    if (node->needs.x) done_with(net, a, node->x);
    if (node->needs.y) done_with(net, a, node->y);
    es_arena_give(a, net->value[node->y].grad_at);
  }
}

/** Place all values in the two arenas, set the add flags and determine what is replayed.
 *  @return ES_EARG if a value that needs a gradient has no consumer */
static es_status place(es_net *net) {
  es_backend *const b = net->backend;
  for (int v = 0; v < net->n_value; v++) {
    es_net_value *const value = &net->value[v];
    ES_CHECK(value->uses > 0 || v == net->n_value - 1, ES_EARG,
             "value %d of the network is never used, expected only the last to be", v);
    value->bytes = aligned(b->ops->act_bytes(b, es_net_type(net, v), net->options.max_n));
  }
  place_kept(net);
  es_arena passing;
  ES_TRY(es_arena_open(2 * net->n_value, &passing));
  place_forward(net, &passing);
  passing.n = 0; /* of forward's, nothing lives on */
  place_backward(net, &passing);
  net->memory.passing_bytes = passing.bytes;
  es_arena_close(&passing);
  return ES_OK;
}

/** Floats for the gradients of shards that wait to be added in the tree. */
static int64_t tree_size(const es_net *net) {
  int64_t most = 0;
  for (int i = 0; i < net->n_node; i++) {
    const es_net_node *const node = &net->node[i];
    if (!es_net_in_shards(net, node)) continue;
    const int64_t n =
        es_net_count(net, node->tensor.w) + es_net_count(net, node->tensor.b);
    if (n > most) most = n;
  }
  return most * es_tree_stack_size(net->options.shards);
}

/** Room for the moments of the widest BN. */
static es_status make_moments(es_net *net) {
  size_t widest = 0;
  for (int i = 0; i < net->n_node; i++) {
    const es_op_desc *const d = &net->node[i].desc;
    if (d->kind == ES_OP_BN && (size_t) d->in.c > widest) widest = (size_t) d->in.c;
  }
  void *p = NULL;
  if (widest == 0) return ES_OK;
  ES_TRY(net->backend->ops->alloc(net->backend,
                                  2 * ES_BN_GROUPS * widest * sizeof(double),
                                  "moments of batch norm", &p));
  net->memory.moments = p;
  return ES_OK;
}

/** Collective where the backend times its ops: the same status on all ranks. */
static es_status agree(const es_backend *b, es_status st) {
  const bool collective = b->ops->tune != NULL && b->tune && b->comm != NULL;
  return collective ? es_comm_agree(b->comm, st) : st;
}

/** Let the backend choose how to compute the ops. */
static es_status tune(es_net *net) {
  es_backend *const b = net->backend;
  if (b->ops->tune == NULL) return ES_OK;
  const es_op_desc **list = NULL;
  ES_TRY(agree(b, ES_NEW(net->n_node, &list)));
  for (int i = 0; i < net->n_node; i++) list[i] = &net->node[i].desc;
  const es_status st = b->ops->tune(b, list, net->n_node);
  es_free(&list);
  return st;
}

/** Allocate the buffers and plan the ops. */
static es_status allocate(es_net *net) {
  es_backend *const b = net->backend;
  for (int i = 0; i < net->n_node; i++) {
    net->node[i].desc.name = net->node[i].name; /* the array may have moved */
    net->node[i].desc.forward_only = net->options.forward_only;
  }
  ES_TRY(tune(net));
  ES_TRY(make_moments(net));
  if (net->options.params == NULL) ES_TRY(es_params_alloc(net->params));
  ES_TRY(b->ops->alloc(b, net->memory.kept_bytes, "activations", &net->memory.kept));
  ES_TRY(b->ops->alloc(b, net->memory.passing_bytes, "passing activations and gradients",
                       &net->memory.passing));
  const int64_t tree = tree_size(net);
  void *room = NULL;
  if (tree > 0)
    ES_TRY(b->ops->alloc(b, (size_t) tree * sizeof(float), "gradients of shards", &room));
  net->memory.tree = room;
  for (int i = 0; i < net->n_node; i++) {
    es_net_node *const node = &net->node[i];
    ES_TRY(es_op_plan(b, &node->desc, &node->op));
  }
  return ES_OK;
}

es_status es_net_alloc(es_net *net) {
  ES_CHECK(net->n_node > 0, ES_EARG, "network: got no ops");
  const es_net_value *const last = &net->value[net->n_value - 1];
  ES_CHECK(last->shape.h == 1 && last->shape.w == 1 && last->needs_grad, ES_EARG,
           "network: got an output of %d x %d x %d%s, expected D x 1 x 1 that depends on "
           "parameters",
           last->shape.c, last->shape.h, last->shape.w,
           last->needs_grad ? "" : " without parameters");
  const es_status placed = place(net);
  net->planned = placed == ES_OK;
  if (net->options.plan_only) return placed;
  ES_TRY(agree(net->backend, placed));
  return allocate(net);
}

/** Forward operations of one image; those that are not matrix products do not count. */
static double flops(const es_op_desc *d) {
  const double outputs = (double) d->out.c * d->out.h * d->out.w;
  if (d->kind == ES_OP_CONV) return 2.0 * outputs * d->in.c * d->window.k * d->window.k;
  return d->kind == ES_OP_LINEAR ? 2.0 * outputs * d->in.c : 0.0;
}

void es_net_cost_of(const es_net *net, es_net_cost *cost) {
  const es_params *const p = net->params;
  *cost = (es_net_cost){.parameters = p->n,
                        .activation_bytes = (int64_t) net->memory.kept_bytes,
                        .passing_bytes = (int64_t) net->memory.passing_bytes,
                        .parameter_bytes = (int64_t) sizeof(float) *
                                           (2 * p->n + p->n_state + tree_size(net))};
  for (int v = 0; v < net->n_value; v++) {
    const int64_t bytes = (int64_t) net->value[v].bytes;
    if (bytes > cost->largest_bytes) cost->largest_bytes = bytes;
  }
  for (int i = 0; i < net->n_node; i++) {
    const es_op_desc *const d = &net->node[i].desc;
    cost->flops += flops(d);
    if (net->backend->ops->packed_bytes != NULL)
      cost->packed_bytes += (int64_t) net->backend->ops->packed_bytes(d);
    if (d->kind == ES_OP_BN) {
      cost->bn_layers++;
      cost->bn_channels += d->in.c;
    }
    if (net->node[i].op != NULL) cost->plan_bytes += (int64_t) net->node[i].op->bytes;
  }
}
