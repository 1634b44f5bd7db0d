/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net_run.c  Forward and backward through the planned ops. Nothing is allocated.
 */
#include "net_private.h"

/** Does node i, a convolution, compute the moments for the BN that is the next node? */
static bool hands_moments(const es_net *net, int i) {
  if (i + 1 >= net->n_node || !net->node[i].op->gives_moments) return false;
  const es_net_node *const next = &net->node[i + 1];
  return next->desc.kind == ES_OP_BN && next->x == net->node[i].y;
}

/** Where a convolution leaves the moments of its output for the BN that is its next
 *  node; NULL for all others. In shards, whose sums are a tree, there are none. */
static es_buf64 moments_of(const es_net *net, int i) {
  if (es_bn_is_constant(net->state.mode) || net->options.shards > 0) return NULL;
  const int conv = net->node[i].desc.kind == ES_OP_BN ? i - 1 : i;
  return conv >= 0 && hands_moments(net, conv) ? net->memory.moments : NULL;
}

static es_status forward(es_net *net, int i) {
  const es_net_node *const node = &net->node[i];
  if (es_net_in_shards(net, node)) return es_net_forward_shards(net, node);
  es_op_args a = es_net_arguments(net, node, ES_NET_FORWARD, 0, net->state.n);
  a.moments = moments_of(net, i);
  return node->op->forward(node->op, &a);
}

/** Compute the activation again that node reads, if it is not kept. */
static es_status replay(es_net *net, const es_net_node *node) {
  if (node->replay < 0) return ES_OK;
  const es_net_node *const from = &net->node[node->replay];
  const es_op_args a = es_net_arguments(net, from, ES_NET_REPLAY, 0, net->state.n);
  return from->op->replay(from->op, &a);
}

static es_status zero(const es_net *net, int tensor) {
  const es_params *const p = net->params;
  if (tensor < 0) return ES_OK;
  return p->backend->ops->zero(p->backend, p->grad + p->tensor[tensor].offset,
                               (size_t) p->tensor[tensor].count * sizeof(float));
}

static es_status backward(es_net *net, const es_net_node *node) {
  const bool shards = es_net_in_shards(net, node);
  const bool set = net->state.set_gradients && node->op->sets_gradients && !shards;
  if (net->state.set_gradients && !set) {
    ES_TRY(zero(net, node->tensor.w));
    ES_TRY(zero(net, node->tensor.b));
  }
  if (shards) return es_net_backward_shards(net, node);
  es_op_args a = es_net_arguments(net, node, ES_NET_BACKWARD, 0, net->state.n);
  a.param.set_dw = set;
  return node->op->backward(node->op, &a);
}

/** Does the buffer exist that the mode reads or writes? */
static es_status check_statistics(const es_net *net, es_bn_mode mode) {
  ES_CHECK(mode != ES_BN_FROZEN || net->params->frozen != NULL, ES_EARG,
           "network: got a forward with frozen statistics before they are complete");
  ES_CHECK(mode != ES_BN_COLLECT || net->memory.collected != NULL, ES_EARG,
           "network: got a forward that collects statistics, which was not begun");
  return ES_OK;
}

/** Check what a forward was asked for, and note it. */
static es_status begin(es_net *net, int n, int groups, es_bn_mode mode) {
  ES_CHECK(net->memory.kept != NULL, ES_EARG, "network: got one that is not allocated");
  ES_CHECK(n >= 0 && n <= net->options.max_n, ES_EARG,
           "network: got %d images, expected at most %d", n, net->options.max_n);
  ES_CHECK(groups >= 1 && groups <= ES_BN_GROUPS && n % groups == 0, ES_EARG,
           "network: got %d groups, expected a divisor of the %d images, at most %d",
           groups, n, ES_BN_GROUPS);
  ES_CHECK(net->options.shards == 0 || n % (2 * net->options.shards) == 0, ES_EARG,
           "network: got %d images, expected two views of %d equal shards", n,
           net->options.shards);
  ES_TRY(check_statistics(net, mode));
  net->state.n = n;
  net->state.groups = groups;
  net->state.mode = mode;
  net->state.forwarded = false;
  return ES_OK;
}

/* --- calls that every step repeats ------------------------------------------------- */

/** May the backend keep the calls? Not if somebody looks on, and not the sums of shards,
 *  which pass through the host. */
static bool repeats(const es_net *net) {
  return net->backend->ops->graph_begin != NULL && net->observer == NULL &&
         net->options.shards == 0;
}

/** The ranks over which batch norm sums. */
static const es_comm *bn_ranks(const es_net *net) {
  const bool sums = es_net_bn_pixels(net) > 0 && !es_bn_is_constant(net->state.mode);
  return sums ? net->options.sync : NULL;
}

/** Before the calls of a forward (to = NULL), or of a backward with its listener. *done:
 *  the backend has repeated them, and they need not be made. */
static es_status begin_calls(const es_net *net, bool backward, const es_net_listener *to,
                             bool *done) {
  const es_graph_key key = {.owner = net,
                            .sums = to != NULL ? to->ranks : bn_ranks(net),
                            .n = net->state.n,
                            .groups = net->state.groups,
                            .mode = net->state.mode,
                            .backward = backward,
                            .set_gradients = backward && net->state.set_gradients,
                            .begins_sums = to != NULL,
                            .version = net->params->version};
  *done = false;
  return repeats(net) ? net->backend->ops->graph_begin(net->backend, &key, done) : ES_OK;
}

static es_status end_calls(const es_net *net, es_status st) {
  return repeats(net) ? net->backend->ops->graph_end(net->backend, st) : st;
}

/* --- forward ----------------------------------------------------------------------- */

static es_status forward_all(es_net *net) {
  for (int i = 0; i < net->n_node; i++) {
    ES_TRY(forward(net, i));
    ES_TRY(es_net_tell_forward(net, &net->node[i]));
  }
  return ES_OK;
}

/** All nodes, from the input that is there. */
static es_status run(es_net *net, float *z) {
  es_backend *const b = net->backend;
  const int last = net->n_value - 1;
  bool done;
  ES_TRY(begin_calls(net, false, NULL, &done));
  ES_TRY(end_calls(net, done ? ES_OK : forward_all(net)));
  ES_TRY(b->ops->act_read(b, es_net_type(net, last), net->state.n,
                          es_net_act(net, last, 0), z));
  net->state.forwarded = true;
  return ES_OK;
}

es_status es_net_forward(es_net *net, int n, int groups, es_bn_mode mode, const float *x,
                         float *z) {
  ES_TRY(begin(net, n, groups, mode));
  ES_TRY(net->backend->ops->act_write(net->backend, es_net_type(net, 0), n, x,
                                      es_net_act(net, 0, 0)));
  return run(net, z);
}

es_status es_net_forward_views(es_net *net, const es_views *v, int groups,
                               es_bn_mode mode, float *z) {
  const es_shape in = net->value[0].shape;
  ES_CHECK(net->backend->ops->views != NULL, ES_ENOTSUP,
           "network: backend %s makes no views", net->backend->ops->name);
  ES_CHECK(in.c == 3 && in.h == v->side && in.w == v->side, ES_EARG,
           "network: got views of 3 x %d x %d, expected %d x %d x %d", v->side, v->side,
           in.c, in.h, in.w);
  ES_TRY(begin(net, v->views * v->n, groups, mode));
  ES_TRY(net->backend->ops->views(net->backend, net->options.precision, v,
                                  es_net_act(net, 0, 0)));
  return run(net, z);
}

/* --- backward ---------------------------------------------------------------------- */

/** The first element from which on no op before node i has a gradient. */
static int64_t ready_from(const es_net *net, int i) {
  int64_t end = 0;
  for (int j = 0; j < i; j++) {
    const int last =
        net->node[j].tensor.b >= 0 ? net->node[j].tensor.b : net->node[j].tensor.w;
    if (last < 0) continue;
    const es_tensor_info *const v = &net->params->tensor[last];
    if (v->offset + v->count > end) end = v->offset + v->count;
  }
  return end;
}

/** *ends: an observer ends backward here. */
static es_status backward_node(es_net *net, const es_net_node *node, bool *ends) {
  ES_TRY(replay(net, node));
  ES_TRY(es_net_tell_backward(net, node, ends));
  return *ends ? ES_OK : backward(net, node);
}

/** The calls of all nodes, unless they are done, and their progress. */
static es_status backward_all(es_net *net, const es_net_listener *to, bool done) {
  es_backend *const b = net->backend;
  for (int i = net->n_node - 1; i >= 0; i--) {
    const es_net_node *const node = &net->node[i];
    bool ends = false;
    if (!net->value[node->y].needs_grad) continue;
    if (!done) ES_TRY(backward_node(net, node, &ends));
    if (ends) break;
    if (to != NULL && node->tensor.w >= 0) {
      es_mark mark = 0;
      if (!to->without_marks) ES_TRY(b->ops->record(b, &mark));
      ES_TRY(to->ready(to->ctx, ready_from(net, i), mark));
    }
  }
  return ES_OK;
}

es_status es_net_backward_notify(es_net *net, const float *dz,
                                 const es_net_listener *to) {
  ES_CHECK(net->state.forwarded && !net->options.forward_only, ES_EARG,
           "network: got a backward %s",
           net->options.forward_only ? "of a network that was built for forward only"
                                     : "without a forward before it");
  es_backend *const b = net->backend;
  const int last = net->n_value - 1;
  ES_TRY(b->ops->act_write(b, es_net_type(net, last), net->state.n, dz,
                           es_net_grad(net, last, 0)));
  bool done;
  ES_TRY(begin_calls(net, true, to, &done));
  ES_TRY(end_calls(net, backward_all(net, to, done)));
  net->state.set_gradients = false;
  return ES_OK;
}

void es_net_zero_grad(es_net *net) {
  net->state.set_gradients = true;
}

es_status es_net_backward(es_net *net, const float *dz) {
  return es_net_backward_notify(net, dz, NULL);
}

es_status es_net_read(es_net *net, int value, float *nchw) {
  ES_CHECK(value >= 0 && value < net->n_value && net->memory.kept != NULL, ES_EARG,
           "network: got value %d, expected 0 to %d of an allocated network", value,
           net->n_value - 1);
  es_backend *const b = net->backend;
  const es_shape s = net->value[value].shape;
  ES_CHECK(net->value[value].kept, ES_EARG,
           "network: got value %d of %d x %d x %d, expected one that is kept: of a "
           "single pixel, or "
           "stored for backward",
           value, s.c, s.h, s.w);
  return b->ops->act_read(b, es_net_type(net, value), net->state.n,
                          es_net_act(net, value, 0), nchw);
}
