/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net.c  Building a network: values, nodes and the parameters they declare.
 *
 *  Order of calls: see net.h. Placement in memory is net_plan.c, execution net_run.c. */
#include "net_private.h"

#include <stdio.h>
#include <string.h>

#include "eigenstep/mem.h"
#include "eigenstep/tree.h"
#include "array.h"

/* torch.nn.BatchNorm2d's defaults */
static const double bn_eps = 1e-5, bn_momentum = 0.1;

es_status es_net_create(es_backend *b, const es_net_options *o, es_net **net) {
  ES_CHECK(o->max_n >= 0, ES_EARG, "network: got at most %d images, expected >= 0",
           o->max_n);
  ES_CHECK(o->shards == 0 ||
               (es_tree_supports(o->shards) && o->max_n % (2 * o->shards) == 0),
           ES_EARG,
           "network: got %d images in %d shards, expected two views of so many equal "
           "shards, a "
           "power of two",
           o->max_n, o->shards);
  ES_CHECK(o->params == NULL || o->params->backend == b, ES_EARG,
           "network: got parameters of another backend, expected those of this one");
  es_net *q;
  ES_TRY(ES_NEW(1, &q));
  q->backend = b;
  q->options = *o;
  if (q->options.max_n == 0) q->options.max_n = 1; /* ops are planned for one at least */
  q->params = o->params;
  const es_status st = o->params == NULL ? es_params_create(b, &q->params) : ES_OK;
  if (st != ES_OK) {
    es_free(&q);
    return st;
  }
  *net = q;
  return ES_OK;
}

void es_net_destroy(es_net **net) {
  es_net *const q = *net;
  if (q == NULL) return;
  for (int i = 0; i < q->n_node; i++)
    if (q->node[i].op != NULL) es_op_destroy(&q->node[i].op);
  void *owned[] = {q->memory.kept, q->memory.passing, q->memory.tree, q->memory.moments,
                   q->memory.collected};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
    if (owned[i] != NULL) q->backend->ops->release(q->backend, &owned[i]);
  if (q->options.params == NULL) es_params_destroy(&q->params);
  es_free(&q->value);
  es_free(&q->node);
  es_free(net);
}

static es_status add_value(es_net *net, es_shape shape, bool needs_grad, int *y) {
  ES_TRY(es_array_reserve(&net->value, net->n_value, &net->cap_value, sizeof *net->value,
                          "values"));
  net->value[net->n_value] = (es_net_value){.shape = shape, .needs_grad = needs_grad};
  *y = net->n_value++;
  return ES_OK;
}

es_status es_net_input(es_net *net, es_shape shape, int *y) {
  ES_CHECK(net->n_value == 0, ES_EARG, "network: got a second input, expected one");
  ES_CHECK(shape.c >= 1 && shape.h >= 1 && shape.w >= 1, ES_EARG,
           "network: got an input of %d x %d x %d, expected sizes >= 1", shape.c, shape.h,
           shape.w);
  return add_value(net, shape, false, y);
}

/** A node without parameters, for a caller to complete. */
static es_net_node blank(es_op_kind kind, int x, const char *name) {
  es_net_node node = {.x = x, .residual = -1, .tensor = {-1, -1, -1, -1}};
  node.desc.kind = kind;
  snprintf(node.name, sizeof node.name, "%s", name);
  return node;
}

static es_status check_value(const es_net *net, int x, const char *name) {
  ES_CHECK(!net->planned, ES_EARG,
           "'%s': got an op of a network that is allocated already", name);
  ES_CHECK(x >= 0 && x < net->n_value, ES_EARG, "'%s': got value %d, expected 0 to %d",
           name, x, net->n_value - 1);
  return ES_OK;
}

/** Append a node whose output has `out` channels; its value gets index *y. */
static es_status append(es_net *net, es_net_node *node, int out, int *y) {
  const es_net_value *const x = &net->value[node->x];
  node->desc.name = node->name;
  node->desc.in = x->shape;
  node->desc.precision = net->options.precision;
  node->desc.max_n = net->options.max_n;
  if (es_net_in_shards(net, node)) node->desc.max_n /= 2 * net->options.shards;
  node->desc.need_dx = x->needs_grad;
  ES_TRY(es_op_out_shape(&node->desc, out, &node->desc.out));
  ES_TRY(es_array_reserve(&net->node, net->n_node, &net->cap_node, sizeof *net->node,
                          "net nodes"));
  const bool trained = x->needs_grad || node->tensor.w >= 0;
  int value;
  ES_TRY(add_value(net, node->desc.out, trained, &value));
  net->value[node->x].uses++;
  if (node->residual >= 0) net->value[node->residual].uses++;
  node->y = value;
  net->node[net->n_node++] = *node;
  *y = value;
  return ES_OK;
}

/** Declare the tensor "<prefix>.<part>". */
static es_status declare(es_net *net, const char *prefix, const char *part,
                         es_tensor_info info, int *index) {
  const int length = snprintf(info.name, sizeof info.name, "%s.%s", prefix, part);
  ES_CHECK(length < ES_NAME_MAX, ES_EARG,
           "network: got the name '%s.%s', expected at most %d "
           "characters",
           prefix, part, ES_NAME_MAX - 1);
  info.scale = 1.0;
  info.excluded = info.ndim == 1;
  if (net->options.params == NULL) return es_params_add(net->params, &info, index);
  *index = es_params_find(net->params, info.name);
  const es_tensor_info *const found = *index < 0 ? NULL : &net->params->tensor[*index];
  ES_CHECK(found != NULL && found->ndim == info.ndim &&
               memcmp(found->dim, info.dim, sizeof info.dim) == 0,
           ES_EARG, "network: got parameters without a '%s' of this network's shape",
           info.name);
  return ES_OK;
}

es_status es_net_conv(es_net *net, int x, const char *name, int out, es_window window,
                      int *y) {
  ES_TRY(check_value(net, x, name));
  const int k = window.k;
  const int in = net->value[x].shape.c;
  es_net_node node = blank(ES_OP_CONV, x, name);
  node.desc.window = window;
  const es_tensor_info w = {.ndim = 4,
                            .dim = {out, in, k, k},
                            .fan_in = (int64_t) in * k * k,
                            .fan_out = (int64_t) out * k * k,
                            .init = ES_INIT_KAIMING_FAN_OUT};
  ES_TRY(declare(net, name, "weight", w, &node.tensor.w));
  return append(net, &node, out, y);
}

es_status es_net_bn(es_net *net, int x, const char *name, int residual, bool relu,
                    int *y) {
  ES_TRY(check_value(net, x, name));
  const es_shape s = net->value[x].shape;
  if (residual >= 0) {
    ES_TRY(check_value(net, residual, name));
    const es_shape r = net->value[residual].shape;
    ES_CHECK(r.c == s.c && r.h == s.h && r.w == s.w, ES_EARG,
             "'%s': got a residual of %d x %d x %d, expected %d x %d x %d", name, r.c,
             r.h, r.w, s.c, s.h, s.w);
    ES_CHECK(residual != x && net->value[residual].needs_grad, ES_EARG,
             "'%s': got value %d as residual, expected one that is neither its input nor "
             "free of parameters",
             name, residual);
  }
  es_net_node node = blank(ES_OP_BN, x, name);
  node.residual = residual;
  node.desc.bn = (es_bn_desc){.residual = residual >= 0,
                              .relu = relu,
                              .eps = bn_eps,
                              .momentum = bn_momentum,
                              .sync = net->options.sync,
                              .shards = net->options.shards};
  es_tensor_info v = {
      .ndim = 1, .dim = {s.c}, .fan_in = 1, .fan_out = 1, .init = ES_INIT_ONE};
  ES_TRY(declare(net, name, "weight", v, &node.tensor.w));
  v.init = ES_INIT_ZERO;
  ES_TRY(declare(net, name, "bias", v, &node.tensor.b));
  v.state = true;
  ES_TRY(declare(net, name, "running_mean", v, &node.tensor.mean));
  v.init = ES_INIT_ONE;
  ES_TRY(declare(net, name, "running_var", v, &node.tensor.var));
  return append(net, &node, s.c, y);
}

es_status es_net_linear(es_net *net, int x, const char *name, int out, bool bias,
                        int *y) {
  ES_TRY(check_value(net, x, name));
  const int in = net->value[x].shape.c;
  es_net_node node = blank(ES_OP_LINEAR, x, name);
  node.desc.bias = bias;
  es_tensor_info v = {.ndim = 2,
                      .dim = {out, in},
                      .fan_in = in,
                      .fan_out = out,
                      .init = ES_INIT_UNIFORM_FAN_IN};
  ES_TRY(declare(net, name, "weight", v, &node.tensor.w));
  v.ndim = 1;
  if (bias) ES_TRY(declare(net, name, "bias", v, &node.tensor.b));
  return append(net, &node, out, y);
}

es_status es_net_relu(es_net *net, int x, int *y) {
  ES_TRY(check_value(net, x, "relu"));
  es_net_node node = blank(ES_OP_RELU, x, "relu");
  return append(net, &node, net->value[x].shape.c, y);
}

es_status es_net_maxpool(es_net *net, int x, es_window window, int *y) {
  ES_TRY(check_value(net, x, "maxpool"));
  es_net_node node = blank(ES_OP_MAXPOOL, x, "maxpool");
  node.desc.window = window;
  return append(net, &node, net->value[x].shape.c, y);
}

es_status es_net_avgpool(es_net *net, int x, int *y) {
  ES_TRY(check_value(net, x, "avgpool"));
  es_net_node node = blank(ES_OP_AVGPOOL, x, "avgpool");
  return append(net, &node, net->value[x].shape.c, y);
}

es_status es_net_flatten(es_net *net, int x, int *y) {
  ES_TRY(check_value(net, x, "flatten"));
  const es_shape s = net->value[x].shape;
  if (s.h == 1 && s.w == 1) {
    *y = x;
    return ES_OK;
  }
  es_net_node node = blank(ES_OP_FLATTEN, x, "flatten");
  return append(net, &node, s.c * s.h * s.w, y);
}

es_shape es_net_shape(const es_net *net, int value) {
  return net->value[value].shape;
}

es_tensor_info *es_net_tensor(es_net *net, const char *name) {
  const int i = es_params_find(net->params, name);
  return i < 0 ? NULL : &net->params->tensor[i];
}

es_params *es_net_params(es_net *net) {
  return net->params;
}

int es_net_dim(const es_net *net) {
  return net->value[net->n_value - 1].shape.c;
}

int64_t es_net_bn_pixels(const es_net *net) {
  int64_t least = 0;
  for (int i = 0; i < net->n_node; i++) {
    const es_op_desc *const d = &net->node[i].desc;
    const int64_t pixels = (int64_t) d->in.h * d->in.w;
    if (d->kind == ES_OP_BN && (least == 0 || pixels < least)) least = pixels;
  }
  return least;
}
