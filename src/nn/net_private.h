/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net_private.h  What the net*.c files share: values, nodes and their places. */
#ifndef ES_NET_PRIVATE_H
#define ES_NET_PRIVATE_H

#include <stdint.h>
#include "eigenstep/net.h"

#define ES_NOWHERE SIZE_MAX

/** An activation: the output of a node, or the input (value 0). Offsets are in the arena
 *  of what is kept or in that of what passes. */
typedef struct es_net_value {
  es_shape shape;
  bool needs_grad; /**< depends on a parameter */
  int uses;        /**< consumers */
  int reads;       /**< ops that read it in their backward */
  int left;        /**< of either, in planning */
  bool kept;       /**< from forward to backward; else it passes */
  size_t bytes;    /**< of max_n images */
  size_t at;       /**< where forward has it, kept or passing */
  size_t again_at; /**< passing: where it is replayed for backward, or ES_NOWHERE */
  size_t grad_at;  /**< passing: its gradient, or ES_NOWHERE */
} es_net_value;

/** Tensors of an op: indices of params, -1 where it has none. */
typedef struct es_net_tensors {
  int w, b, mean, var;
} es_net_tensors;

/** An op between values. */
typedef struct es_net_node {
  es_op_desc desc;
  char name[ES_NAME_MAX];
  int x, y, residual;
  es_net_tensors tensor;
  es_op_needs needs;
  bool add_dx, add_dresidual; /**< another consumer has written that gradient before */
  int replay;                 /**< the node to be replayed before backward of this one;
                                   -1 for none */
  es_op *op;                  /* owned; NULL in a dry run */
} es_net_node;

/** Owned memory of the backend. */
typedef struct es_net_memory {
  size_t kept_bytes, passing_bytes; /**< of the arenas */
  void *kept, *passing;
  es_buf tree;        /**< with shards: es_net_tree_size */
  es_buf64 moments;   /**< from a convolution to the BN that is the next node */
  es_buf64 collected; /**< of all BN, while statistics are collected: es_net_collected */
} es_net_memory;

/** The last forward, for backward. */
typedef struct es_net_state {
  int n, groups;
  es_bn_mode mode;
  bool forwarded;
  bool set_gradients; /**< the next backward overwrites gradients of parameters */
} es_net_state;

struct es_net {
  es_backend *backend; /* borrowed */
  es_net_options options;
  es_params *params;   /* owned, unless it came with the options */
  es_net_value *value; /* owned [n_value] */
  int n_value, cap_value;
  es_net_node *node; /* owned [n_node], in the order of execution */
  int n_node, cap_node;
  es_net_memory memory;
  bool planned;
  es_net_state state;
  const struct es_net_observer *observer; /* borrowed; NULL: nobody */
};

static inline es_act_type es_net_type(const es_net *net, int value) {
  return (es_act_type){net->value[value].shape, net->options.precision};
}

/** Elements of a tensor; 0 for -1. */
static inline int64_t es_net_count(const es_net *net, int tensor) {
  return tensor < 0 ? 0 : net->params->tensor[tensor].count;
}

/** Is the node executed shard by shard? */
static inline bool es_net_in_shards(const es_net *net, const es_net_node *node) {
  return net->options.shards > 0 && node->tensor.w >= 0 && node->desc.kind != ES_OP_BN;
}

/* Places (net_args.c) */

typedef enum es_net_pass { ES_NET_FORWARD, ES_NET_REPLAY, ES_NET_BACKWARD } es_net_pass;

/** Images [first, first + n) of the batch as arguments of a node. */
es_op_args es_net_arguments(const es_net *net, const es_net_node *node, es_net_pass pass,
                            int first, int n);
/** Value v in forward, from image `first` on; NULL for -1. */
es_act es_net_act(const es_net *net, int v, int first);
/** Its gradient; NULL where none is computed. */
es_act es_net_grad(const es_net *net, int v, int first);
/** Where the collected sums of a BN begin, [2 C + 1] each; for the end of the nodes: the
 *  size of all. */
int64_t es_net_collected(const es_net *net, const es_net_node *end);

/* Observers (net_layers.c) */

es_status es_net_tell_forward(const es_net *net, const es_net_node *node);
/** *ends: backward is to end here, before the node's own. */
es_status es_net_tell_backward(const es_net *net, const es_net_node *node, bool *ends);

/* Execution shard by shard (net_shards.c), if es_net_in_shards. */
es_status es_net_forward_shards(es_net *net, const es_net_node *node);
es_status es_net_backward_shards(es_net *net, const es_net_node *node);

#endif
