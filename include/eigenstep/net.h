/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net.h  A network: planned ops in order, between values (activations).
 *
 *  Built by calls that each add one op and return the index of the value they produce;
 *  then es_net_alloc plans all memory once. Forward keeps the activations that backward
 *  needs, except those that are replayed cheaply (batch norm's output from its input);
 *  they and gradients of activations share one arena by liveness. Both views of a
 *  pair are in one batch: it is `groups` equal runs of images, and BN takes its
 *  statistics run by run.
 *
 *  Order of calls: create -> input -> conv/bn/... -> alloc -> params init ->
 *  forward/backward. */
#ifndef ES_NET_H
#define ES_NET_H

#include "eigenstep/params.h"

typedef struct es_net es_net;

/** What a network is built for. */
typedef struct es_net_options {
  int max_n;           /**< largest number of images of one forward on this rank */
  const es_comm *sync; /**< BN over these ranks; NULL = each rank alone. Borrowed. */
  bool plan_only;      /**< dry run: count, allocate nothing */
  int shards; /**< 0 = sums in any order; else the images of a forward are two equal runs
                   (views) of so many equal shards, a power of two, and every sum over
                   images is that of tree.h over the shards of all ranks of `sync` */
  es_params *params; /**< NULL: its own. Else those of another, allocated network with the
                          same tensors on the same backend; borrowed */
  bool forward_only; /**< no backward: nothing is kept for it */
  es_precision precision; /**< of activations; see es_backend_precision */
} es_net_options;

/** Bytes and operations, known after es_net_alloc (also in a dry run). */
typedef struct es_net_cost {
  int64_t parameters;       /**< trainable */
  int64_t activation_bytes; /**< of max_n images, kept from forward to backward */
  int64_t passing_bytes;    /**< the arena of other activations and of gradients */
  int64_t parameter_bytes;  /**< values, gradients (of shards, too) and state */
  int64_t plan_bytes;       /**< owned by the planned ops; 0 in a dry run */
  double flops; /**< forward, per image: convolutions and linear layers, multiply and add
                     counted separately */
} es_net_cost;

es_status es_net_create(es_backend *b, const es_net_options *o, es_net **net);
void es_net_destroy(es_net **net);

/* Building. Each returns the new value's index in *y. `name` is the torch prefix of its
 * parameters ("layer1.0.conv1"). */
es_status es_net_input(es_net *net, es_shape shape, int *y);
es_status es_net_conv(es_net *net, int x, const char *name, int out, es_window window,
                      int *y);
/** residual: index of the value added before the ReLU, or -1. */
es_status es_net_bn(es_net *net, int x, const char *name, int residual, bool relu,
                    int *y);
es_status es_net_linear(es_net *net, int x, const char *name, int out, bool bias, int *y);
es_status es_net_relu(es_net *net, int x, int *y);
es_status es_net_maxpool(es_net *net, int x, es_window window, int *y);
es_status es_net_avgpool(es_net *net, int x, int *y);
es_status es_net_flatten(es_net *net, int x, int *y);
/** Shape of a value. */
es_shape es_net_shape(const es_net *net, int value);
/** Change the tensor declared last under `name` (init scale, zero gain); before alloc. */
es_tensor_info *es_net_tensor(es_net *net, const char *name);

/** Collective over the backend's communicator where the backend times its ops
 *  (es_backend.tune). Plan everything; the last value is the output and must be
 *  [D, 1, 1]. */
es_status es_net_alloc(es_net *net);
void es_net_cost_of(const es_net *net, es_net_cost *cost);
es_params *es_net_params(es_net *net);
int es_net_dim(const es_net *net); /**< D */

/** Collective where BN is synchronised. z [n, D] <- f(x), x [n, C, H, W], host f32.
 *  @param groups  divides n; @return ES_EARG if n > max_n */
es_status es_net_forward(es_net *net, int n, int groups, es_bn_mode mode, const float *x,
                         float *z);
/** Collective where BN is synchronised and normalises with statistics of the batch. After
 *  a forward: parameter gradients += dL/dparameters for dz = dL/dz [n, D], with BN as the
 *  forward had it (es_bn_mode). Asynchronous.
 *  @return ES_EARG without a forward, or for a network that is forward_only */
es_status es_net_backward(es_net *net, const float *dz);
/** The next backward overwrites the gradients of all parameters instead of adding. */
void es_net_zero_grad(es_net *net);
/** Progress of backward: called after each op that has parameters, with the first element
 *  from which on, to the end of the flat buffer, gradients are final once the backend
 *  has reached `mark` (es_backend_ops.wait). The last call says 0. Gradients become final
 *  from the end of the buffer to its start. */
typedef struct es_net_listener {
  es_status (*ready)(void *ctx, int64_t from, es_mark mark);
  void *ctx;
} es_net_listener;
/** es_net_backward that reports its progress to a listener. */
es_status es_net_backward_tell(es_net *net, const float *dz, const es_net_listener *to);

/* Constant statistics of BN (ES_BN_FROZEN), of a set of images that is given in parts:
 *   freeze_begin, one forward with ES_BN_COLLECT for each part, freeze_end.
 * For each BN they are mean and biased variance of its input over all images, as the
 * forward passes had it. They are kept beside the parameters, for all networks that have
 * these; running averages are untouched. With them, as with running averages, the network
 * is a function of each image alone, and so is its gradient. */

/** Start a set. */
es_status es_net_freeze_begin(es_net *net);
/** Collective over c. The set is complete.
 *  @param c  the ranks that have parts of it; NULL: this one alone
 *  @return ES_EARG if nothing was collected; the same status on all ranks */
es_status es_net_freeze_end(es_net *net, const es_comm *c);

/** Host copy of an intermediate value [n, C, H, W] after a forward; for tests and
 *  features.
 *  @return ES_EARG if there is none, or it is not kept; maps of one pixel always are */
es_status es_net_read(es_net *net, int value, float *nchw);

#endif
