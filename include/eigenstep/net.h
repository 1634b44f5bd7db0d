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
  int64_t parameters;             /**< trainable */
  int64_t activation_bytes;       /**< of max_n images, kept from forward to backward */
  int64_t passing_bytes;          /**< the arena of other activations and of gradients */
  int64_t largest_bytes;          /**< the largest one of max_n images */
  int64_t parameter_bytes;        /**< values, gradients (of shards, too) and state */
  int64_t plan_bytes;             /**< owned by the planned ops; 0 in a dry run */
  int64_t packed_bytes;           /**< of weights that the ranks of a node pack once, at
                                       most; 0 where each packs its own */
  int64_t bn_layers, bn_channels; /**< batch norms; their channels together */
  double flops; /**< forward, per image: convolutions and linear layers, multiply and add
                     counted separately */
} es_net_cost;

/** Not collective. A network without ops. b is borrowed and must outlive it, as must
 *  o->sync and o->params; the options are copied.
 *  @return ES_OK, ES_EARG (sizes, parameters of another backend), ES_ENOMEM */
es_status es_net_create(es_backend *b, const es_net_options *o, es_net **net);
/** Not collective. Free it, with its parameters unless o->params gave them. */
void es_net_destroy(es_net **net);

/* Building, not collective. Each adds an op on value x and returns the index of the new
 * value in *y. `name` is the torch prefix of its parameters ("layer1.0.conv1").
 * @return ES_OK; ES_EARG (a shape or a name that is not possible, or a call after
 * es_net_alloc), ES_ENOMEM */
/** The input [C, H, W]; once. */
es_status es_net_input(es_net *net, es_shape shape, int *y);
/** Convolution to `out` channels, without a bias. */
es_status es_net_conv(es_net *net, int x, const char *name, int out, es_window window,
                      int *y);
/** Batch normalisation with gain and bias, then optionally + residual, then ReLU.
 *  @param residual  index of the value added before the ReLU, or -1 */
es_status es_net_bn(es_net *net, int x, const char *name, int residual, bool relu,
                    int *y);
/** [C, 1, 1] -> [out, 1, 1]. */
es_status es_net_linear(es_net *net, int x, const char *name, int out, bool bias, int *y);
/** max(x, 0); maximum over windows; mean over all pixels, [C, H, W] -> [C, 1, 1];
 *  [C, H, W] -> [C H W, 1, 1], x itself where H = W = 1. */
es_status es_net_relu(es_net *net, int x, int *y);
es_status es_net_maxpool(es_net *net, int x, es_window window, int *y);
es_status es_net_avgpool(es_net *net, int x, int *y);
es_status es_net_flatten(es_net *net, int x, int *y);
/** Shape of a value. */
es_shape es_net_shape(const es_net *net, int value);
/** The tensor of this name, to change its initial values before es_net_alloc (scale, zero
 *  gain); borrowed, valid until the next op is added. NULL: there is none. */
es_tensor_info *es_net_tensor(es_net *net, const char *name);

/** Collective over the backend's communicator where the backend times its ops
 *  (es_backend.tune). Plan everything; the last value is the output and must be
 *  [D, 1, 1]. */
es_status es_net_alloc(es_net *net);
/** Not collective. */
void es_net_cost_of(const es_net *net, es_net_cost *cost);
/** Its parameters; owned by the network unless its options gave them. */
es_params *es_net_params(es_net *net);
int es_net_dim(const es_net *net); /**< D */
/** Pixels of the smallest map that a batch normalisation has; 0: there is none. */
int64_t es_net_bn_pixels(const es_net *net);

/** Collective where BN is synchronised. z [n, D] <- f(x), x [n, C, H, W], host f32.
 *  @param groups  divides n; @return ES_EARG if n > max_n */
es_status es_net_forward(es_net *net, int n, int groups, es_bn_mode mode, const float *x,
                         float *z);
/** Collective where BN is synchronised and normalises with statistics of the batch. After
 *  a forward: parameter gradients += dL/dparameters for dz = dL/dz [n, D], with BN as the
 *  forward had it (es_bn_mode). Asynchronous.
 *  @return ES_EARG without a forward, or for a network that is forward_only */
es_status es_net_backward(es_net *net, const float *dz);
/** es_net_forward of views that the backend makes of records: all of the first view, then
 *  those of the second. @return as es_net_forward; ES_ENOTSUP: it makes none */
es_status es_net_forward_views(es_net *net, const es_views *v, int groups,
                               es_bn_mode mode, float *z);
/** The next backward overwrites the gradients of all parameters instead of adding. */
void es_net_zero_grad(es_net *net);
/** Progress of backward: `ready` is called after each op that has parameters. Gradients
 *  [from, end of the flat buffer) are final once the backend has reached `mark`
 *  (es_backend_ops.wait). They become final from the end of the buffer to its start: the
 *  last call has from = 0. */
typedef struct es_net_listener {
  es_status (*ready)(void *ctx, int64_t from, es_mark mark);
  void *ctx;
  bool without_marks;   /**< `ready` gets none, mark = 0: nothing is recorded for it */
  const es_comm *ranks; /**< over which `ready` begins sums, those of the network's batch
                             norm among them; NULL: none. Borrowed */
} es_net_listener;
/** es_net_backward that reports its progress to a listener. */
es_status es_net_backward_notify(es_net *net, const float *dz, const es_net_listener *to);

/* Constant statistics of BN (ES_BN_FROZEN), of a set of images that is given in parts:
 *   freeze_begin, one forward with ES_BN_COLLECT for each part, freeze_end.
 * For each BN they are mean and biased variance of its input over all images, as the
 * forward passes had it. They are kept beside the parameters, for all networks that have
 * these; running averages are untouched. With them, as with running averages, the network
 * is a function of each image alone, and so is its gradient. */

/** Not collective. Start a set: the sums become 0.
 *  @return ES_OK, ES_EARG (before es_net_alloc), ES_ENOMEM */
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
