/* SPDX-License-Identifier: BSD-3-Clause */
/** @file backend.h  Where a network is computed: memory, dense algebra and planned
 *  network ops.
 *
 *  Conventions, in one place:
 *  - Plain buffers are f32 (es_buf) or f64 (es_buf64), row-major as stated, in the
 *    backend's memory. No host pointer is among the arguments of an op.
 *  - Activations [N, C, H, W] are opaque: the backend chooses their layout, the network
 *    their precision. The host writes and reads them only through act_write / act_read
 *    (f32 NCHW). Images are stored one after another, so that a part of them is an
 *    activation again (es_act_at).
 *  - Ops are planned once for a largest N and executed every step with any n <= N.
 *    conv and linear may be executed for several parts of a batch, all of them forward
 *    before the first backward: they keep no images in between.
 *  - Backward *accumulates* parameter gradients (+=) and overwrites activation gradients
 *    (=), or the opposite where the args say so: set_dw, in the first backward of
 *    a step; add_dx and add_dresidual, for values with several consumers.
 *  - Ops allocate when they are planned, and may on the first execution with a number of
 *    images smaller than that of the plan; never for a number they have just had.
 *  - Calls are asynchronous, executed in the order of the calls. sync() waits for all of
 *    them, wait() for those before a mark (record); host-side reads imply sync(). */
#ifndef ES_BACKEND_H
#define ES_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "eigenstep/comm.h"
#include "eigenstep/orthogonal.h"
#include "eigenstep/param.h"
#include "eigenstep/shape.h"
#include "eigenstep/view_recipe.h"

typedef struct es_backend es_backend;
typedef struct es_op es_op;

/** Memory of a backend: an address only the backend may follow. */
typedef float *es_buf; /* plain f32 buffers; pointer arithmetic in elements is allowed */
typedef double *es_buf64; /* the same in f64: sums and norms */
typedef void *es_act;     /* activations, opaque */

/** A point in the order of a backend's calls; from `record`, > 0. */
typedef int64_t es_mark;

/** Element type of activations. Parameters, their gradients and statistics are f32. */
typedef enum es_precision { ES_F32, ES_BF16 } es_precision;

/** What one image of an activation is. */
typedef struct es_act_type {
  es_shape shape;
  es_precision precision;
} es_act_type;

typedef enum es_op_kind {
  ES_OP_CONV,    /**< y = conv2d(x, w), no bias */
  ES_OP_BN,      /**< y = [relu](bn(x) [+ residual]) */
  ES_OP_LINEAR,  /**< y[n, o] = x[n, i] w[o, i]' [+ b] on [C, 1, 1] activations */
  ES_OP_RELU,    /**< y = max(x, 0) */
  ES_OP_MAXPOOL, /**< k x k, stride, pad (padding never wins) */
  ES_OP_AVGPOOL, /**< global mean over H x W -> [C, 1, 1] */
  ES_OP_FLATTEN, /**< [C, H, W] -> [C*H*W, 1, 1], features in NCHW order */
  ES_OP_KINDS
} es_op_kind;

/** Square window of a convolution or of maxpool. */
typedef struct es_window {
  int k, stride, pad;
} es_window;

/** Batch norm: what is fixed when it is planned. */
typedef struct es_bn_desc {
  bool residual, relu;
  double eps, momentum;
  const es_comm *sync; /**< statistics over these ranks; NULL = local. Borrowed. */
  int shards; /**< 0 = sums in any order. Else a power of two: the images are two equal
                   runs (views) of `shards` equal runs each; each shard is summed alone,
                   the second view of a group after the first, and shards are added as
                   tree.h says, here and over `sync`, so that no result depends on the
                   number of ranks. The gradients of gain and bias are then complete on
                   the first rank of `sync`, 0 on the others. */
} es_bn_desc;

/** Full description of an op, for planning. */
typedef struct es_op_desc {
  es_op_kind kind;
  const char *name;       /**< for messages: "layer1.0.conv1"; borrowed */
  es_shape in, out;       /**< per image; see es_op_out_shape */
  es_precision precision; /**< of input and output */
  int max_n;              /**< largest number of images, >= 1 */
  es_window window;       /**< conv, maxpool */
  bool bias;              /**< linear */
  bool need_dx;           /**< false: the input layer, no gradient of x is computed */
  bool forward_only;      /**< backward is never called */
  es_bn_desc bn;
} es_op_desc;

/** Which statistics BN normalises with. With those of the batch, dx contains their
 *  derivative; with constant ones, dx = gain / sqrt(var + eps) g, where g is dy where the
 *  ReLU is active, and an image's output depends on no other image. */
typedef enum es_bn_mode {
  ES_BN_TRAIN,   /**< of the batch; running averages are updated */
  ES_BN_BATCH,   /**< of the batch; running averages untouched (probe) */
  ES_BN_COLLECT, /**< as ES_BN_BATCH, and their sums are added to `collected` */
  ES_BN_RUNNING, /**< constant: the running averages, `mean` and `var` */
  ES_BN_FROZEN   /**< constant: those of a set of images, `mean` and `var` */
} es_bn_mode;

static inline bool es_bn_is_constant(es_bn_mode mode) {
  return mode == ES_BN_RUNNING || mode == ES_BN_FROZEN;
}

/** Most groups of one BN execution. */
enum { ES_BN_GROUPS = 8 };
/** Most sums over ranks that are begun at a time. */
enum { ES_SUMS = 32 };

/** Parameters of an op and their gradients. */
typedef struct es_param_args {
  es_buf w, b;   /**< conv: [O, I, k, k]; linear: [O, I]; bn: gain [C], b = bias */
  es_buf dw, db; /**< gradients, accumulated */
  bool set_dw;   /**< an op that `sets_gradients`: dw and db are overwritten */
  int64_t
      version; /**< of all parameters: a plan may keep packed weights until it changes;
                        0 = not known */
} es_param_args;

/** What batch norm alone uses. */
typedef struct es_bn_args {
  es_bn_mode mode;
  es_act residual;    /**< second input of the sum */
  es_act dresidual;   /**< its gradient */
  bool add_dresidual; /**< add to dresidual instead of overwriting */
  es_buf mean, var;   /**< [C]: running averages, or the constant statistics */
  es_buf64
      collected; /**< ES_BN_COLLECT: [2 C + 1] sums and sums of squares of x and their
                           number, over all groups and the ranks of `sync`, are added */
} es_bn_args;

/** Arguments of one execution. Pointers that an op kind does not use are NULL. */
typedef struct es_op_args {
  int n;         /**< images now, 0 <= n <= max_n (0: this rank has none, it still takes
                         part in collective statistics) */
  int groups;    /**< bn: statistics are taken separately over `groups` equal runs of
                         n / groups images (one per view); running averages are updated
                         group after group. 1 to ES_BN_GROUPS */
  es_act x, y;   /**< input, output */
  es_act dx, dy; /**< gradients; backward */
  bool add_dx;   /**< add to dx instead of overwriting */
  es_buf64 moments; /**< conv whose op `gives_moments`: if not NULL, sums and sums of
                         squares of y by group, [groups][2 C], are set; bn forward with
                         statistics of the batch: if not NULL, these of x */
  es_param_args param;
  es_bn_args bn;
} es_op_args;

/** What backward needs of forward's activations: the caller keeps them, or computes them
 *  again. The residual is never read. */
typedef struct es_op_needs {
  bool x, y;   /**< backward reads it; else the argument may be NULL */
  bool replay; /**< the op has `replay`: y need not be kept where x is */
} es_op_needs;

/** A planned op. Backends embed this first in their own struct. */
struct es_op {
  es_backend *backend; /* borrowed */
  es_op_desc desc;
  es_status (*forward)(es_op *op, const es_op_args *a);
  es_status (*backward)(es_op *op, const es_op_args *a);
  /** NULL where es_op_needs says so. After a forward with the same n and groups: computes
   *  y from x again, equal to the bit; changes nothing else and does not communicate. */
  es_status (*replay)(es_op *op, const es_op_args *a);
  void (*destroy)(es_op *op);
  bool gives_moments;  /**< conv: obeys args.moments */
  bool sets_gradients; /**< obeys set_dw */
  size_t bytes;        /**< memory the plan owns */
  double flops; /**< of one forward per image (multiply and add counted separately) */
};

/** Arguments of the fused optimiser ops: for i < n
 *  g = scale (grad + weight_decay p);  m = momentum m + g;
 *  p -= lr (nesterov ? g + momentum m : m).
 *  `scale` is 1 for SGD, the adaptation of a tensor for LARS. m may be NULL if momentum
 *  is 0.
 *  `version`: of all parameters once they are updated (es_param_args), if nothing else
 *  writes p before: a backend may pack weights while they are in the cache; 0: it may
 *  not. */
typedef struct es_sgd_args {
  double lr, scale, momentum, weight_decay;
  bool nesterov;
  int64_t version;
} es_sgd_args;
/** m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
 *  p = (1 - lr weight_decay) p - lr mhat / (sqrt(vhat) + eps),
 *  mhat = m / (1 - beta1^step), vhat = v / (1 - beta2^step). */
typedef struct es_adamw_args {
  double lr, beta1, beta2, eps, weight_decay;
  int64_t step;    /**< of this update, from 1 */
  int64_t version; /**< as in es_sgd_args */
} es_adamw_args;

/** What calls are repeated in every step. Equal keys stand for the same calls with the
 *  same arguments, in which only what is in the buffers, and the version of the
 *  parameters, may differ. */
typedef struct es_graph_key {
  const void *owner;   /**< who makes the calls: a network */
  const es_comm *sums; /**< the ranks over which they sum; NULL: none */
  int n, groups;
  es_bn_mode mode;
  bool backward, set_gradients;
  bool begins_sums; /**< sum_begin is among the calls */
  int64_t version;  /**< of all parameters now; keys are equal whatever it is */
} es_graph_key;

/** Sizes of c [m, n] = a b', a [m, k], b [n, k], all row-major. */
typedef struct es_product_args {
  int64_t m, n, k;
} es_product_args;

/* --- for authors of a backend: all pointers required but those marked optional ------ */
typedef struct es_backend_ops {
  const char *name, *doc;
  const char *reads; /**< "tf32|share": keys of [backend] that not all backends read */
  bool host;         /**< es_buf is host memory, and any that the host gives will do */
  int most_threads;  /**< that its library takes; 0: any number */
  const char *bf16;  /**< what activations in bf16 require of the processor, for messages;
                         NULL: this backend has none */
  bool (*has_bf16)(void); /**< with `bf16`: does this processor have it? */
  /** Non-collective except where a device must be shared out by node-local rank. */
  es_status (*open)(es_backend *b, const es_comm *comm);
  void (*close)(es_backend *b);
  /* memory; alloc zeroes */
  es_status (*alloc)(es_backend *b, size_t bytes, const char *what, void **p);
  void (*release)(es_backend *b, void **p);
  es_status (*upload)(es_backend *b, es_buf dst, const float *src, size_t n);
  es_status (*download)(es_backend *b, float *dst, const es_buf src, size_t n);
  es_status (*download64)(es_backend *b, double *dst, const es_buf64 src, size_t n);
  /** Both in the backend's memory; they do not overlap. */
  es_status (*copy)(es_backend *b, es_buf dst, const es_buf src, size_t n);
  es_status (*zero)(es_backend *b, void *p, size_t bytes);
  /** Wait for all calls so far. */
  es_status (*sync)(es_backend *b);
  /** *m = a mark after all calls so far; does not wait. */
  es_status (*record)(es_backend *b, es_mark *m);
  /** Wait for the calls before m, which `record` gave.
   *  @return ES_EARG where a backend can tell that it did not */
  es_status (*wait)(es_backend *b, es_mark m);
  /* activations */
  size_t (*act_bytes)(es_backend *b, es_act_type t, int n);
  es_status (*act_write)(es_backend *b, es_act_type t, int n, const float *nchw,
                         es_act dst);
  es_status (*act_read)(es_backend *b, es_act_type t, int n, const es_act src,
                        float *nchw);
  /** Optional (NULL: views are made by the host). dst = the images [3, side, side] of all
   *  views, within one grey level of those that src/data makes. */
  es_status (*views)(es_backend *b, es_precision precision, const es_views *v,
                     es_act dst);
  /** With `views`: memory for all that are not larger, which then allocate none. */
  es_status (*views_reserve)(es_backend *b, const es_views_most *most);
  /* plain f32 vectors; sums are in double and stay in the backend's memory, so that many
     of them are read at once */
  /** *r += x'y */
  es_status (*dot)(es_backend *b, size_t n, const es_buf x, const es_buf y, es_buf64 r);
  /** r[3] += {x'x, x'y, y'y} */
  es_status (*gram)(es_backend *b, size_t n, const es_buf x, const es_buf y, es_buf64 r);
  es_status (*scale)(es_backend *b, size_t n, double alpha, es_buf x);
  es_status (*sgd)(es_backend *b, size_t n, const es_sgd_args *a, es_buf p,
                   const es_buf g, es_buf m);
  es_status (*adamw)(es_backend *b, size_t n, const es_adamw_args *a, es_buf p,
                     const es_buf g, es_buf const moments[2]);         /* m, v */
  es_status (*add)(es_backend *b, size_t n, const es_buf x, es_buf y); /* y += x */
  /** x [rows, cols] in place; work [es_orthogonal_work(rows, cols)] */
  es_status (*orthogonalize)(es_backend *b, const es_orthogonal_args *a, es_buf x,
                             es_buf work);
  /** Optional, both or none (NULL), and only with `host` and `bf16`: products whose
   *  factors are rounded to bf16. to [n], two bytes each = from, rounded. */
  void (*narrow)(es_backend *b, size_t n, const es_buf from, void *to);
  /** c = x y', f32, of factors from `narrow`; sums are in f32. Allocates for sizes that
   *  it has not had lately. @return ES_OK, ES_ENOTSUP (the library has none for these
   *  sizes), ES_ENOMEM, ES_EINTERNAL */
  es_status (*multiply)(es_backend *b, const es_product_args *a, const void *x,
                        const void *y, es_buf c);
  /** Sum over ranks in place. */
  es_status (*allreduce)(es_backend *b, const es_comm *c, es_buf p, size_t n);
  /** The same in the order of a binary tree over the ranks, a power of two (tree.h). */
  es_status (*treesum)(es_backend *b, const es_comm *c, es_buf p, size_t n);
  /** Optional, with sums_end (NULL: no calls run beside a sum). Collective. Begin the sum
   *  over ranks, in place, of p as the calls so far leave it. Calls before sums_end must
   *  not touch p; at most ES_SUMS are begun at a time. */
  es_status (*sum_begin)(es_backend *b, const es_comm *c, es_buf p, size_t n);
  /** Collective. The calls that follow find all sums that were begun. */
  es_status (*sums_end)(es_backend *b);
  /** Optional, with graph_end (NULL: all calls are made). Collective over k->sums. The
   *  calls of ops, record and sum_begin up to graph_end may be kept as a graph, and be
   *  repeated by it. In between nothing else is called, and nothing waits.
   *  @param done  the graph was launched: ops are not called, record and sum_begin are */
  es_status (*graph_begin)(es_backend *b, const es_graph_key *k, bool *done);
  /** Always after graph_begin returned ES_OK.
   *  @param st  of the calls in between, which is returned if it is an error */
  es_status (*graph_end)(es_backend *b, es_status st);
  /** Optional (NULL: each process packs weights when it needs them). Collective over c,
   *  whose ranks of a node have updated their common parameters p, now of this version:
   *  the ranks of a node pack them once, for all of them. They wait for one another
   *  before and after it. For the parameters of one network at a time: those of others
   *  are packed by each process. @return ES_OK, ES_ENOMEM, ES_EINTERNAL */
  es_status (*pack)(es_backend *b, const es_comm *c, size_t n, const es_buf p,
                    int64_t version);
  /** With `pack`: bytes of /dev/shm that the packed weights of an op take, at most. */
  size_t (*packed_bytes)(const es_op_desc *d);
  /** Optional (NULL: nothing to choose). Collective over es_backend.comm. Before n ops
   *  are planned: choose how to compute them, the same on all ranks. */
  es_status (*tune)(es_backend *b, const es_op_desc *const *d, int n);
  /** Optional (NULL: x and y of all ops, and none replays). */
  es_op_needs (*needs)(const es_op_desc *d);
  /* network ops, one planner per kind; all of them required */
  es_status (*plan[ES_OP_KINDS])(es_backend *b, const es_op_desc *d, es_op **op);
} es_backend_ops;

/** What of the GPU needs no GPU, in every build: named as the backend for which it stands
 *  where only sizes are asked for. */
extern const es_backend_ops es_backend_gpu_sizes;

/* --- for users ---------------------------------------------------------------------- */
/** Are calls that every step repeats kept as a graph (graph_begin)? */
typedef enum es_graph_use { ES_GRAPH_AUTO, ES_GRAPH_ALWAYS, ES_GRAPH_NEVER } es_graph_use;

/** How to open one. */
typedef struct es_backend_options {
  const char *name;   /**< of the list, or "auto": the best in this build */
  int threads;        /**< per rank, >= 1 */
  bool tune;          /**< time alternatives before planning; else fixed rules, which give
                          the same numbers on every run and number of ranks */
  const char *plans;  /**< file that keeps what was timed; "" or NULL: none. Borrowed */
  bool share;         /**< of a device: several ranks may use one */
  es_graph_use graph; /**< auto: where the backend can; always: else refused */
  bool tf32;          /**< of a device: products of f32 may round their factors to TF32 */
  bool sizes_only; /**< only act_bytes and needs will be called: no device is required */
} es_backend_options;

struct es_backend {
  const es_backend_ops *ops;
  const es_comm *comm;          /**< borrowed; NULL: this process alone */
  int threads;                  /**< per rank */
  int lacks_bf16;               /**< ranks of comm that cannot compute in bf16 */
  bool tune;                    /**< as in the options */
  const char *plans;            /**< "" = none; borrowed */
  bool share, tf32, sizes_only; /**< as in the options */
  es_graph_use graph;           /**< as in the options */
  void *impl;                   /* owned by the backend */
  size_t allocated;             /**< bytes now, in alloc'ed buffers and plans */
};

/** Collective. Open by name ("auto": the best in this build; the log names it). A name
 *  that is known but not in this build is refused. Checks that the ops table is complete.
 *  @param comm  NULL: this process alone; must outlive */
es_status es_backend_open_with(const es_backend_options *o, const es_comm *comm,
                               es_backend **b);
/** Collective. The same with fixed rules in place of timing, and no file of plans; ranks
 *  may share a device. */
es_status es_backend_open(const char *name, const es_comm *comm, int threads,
                          es_backend **b);
void es_backend_close(es_backend **b);
/** Every pointer of the table is required: a NULL is found here, not in epoch 3.
 *  @return ES_EINTERNAL, logged with the first missing member */
es_status es_backend_complete(const es_backend_ops *ops);
/** The precision that activations get where `wanted` was asked for: bf16 if every rank's
 *  processor has it, else f32 with a warning. The same on all ranks.
 *  @return ES_ECONFIG for bf16 on a backend that has none */
es_status es_backend_precision(const es_backend *b, es_precision wanted,
                               es_precision *got);
const char *es_precision_name(es_precision p);
/** Can all ranks multiply factors in bf16 (`narrow`, `multiply`)? The same on all ranks.
 *  @param key  parameter that asked for it, for the message
 *  @return ES_OK; ES_ECONFIG: this backend has no such products, or ranks lack bf16 */
es_status es_backend_multiplies_bf16(const es_backend *b, const char *key);
/** Where image n of an activation begins. */
es_act es_act_at(es_backend *b, es_act_type t, es_act a, int n);
/** Those in this build, the one that "auto" stands for first. */
size_t es_backend_list(const es_backend_ops *const **list);
/** What each reads of [backend], also the GPU's that may not be in this build; returns
 *  how many of `max` were filled. */
size_t es_backend_readers(es_reader *list, size_t max);

/** Not collective. Shape of an image that comes out of d's op, from d->in and d's window;
 *  d->out is not read.
 *  @param out_channels  of a convolution or linear layer; other ops ignore it
 *  @param out           C, H, W; written on success only
 *  @return ES_OK; ES_EARG: the op is unknown, or its window does not fit the input */
es_status es_op_out_shape(const es_op_desc *d, int out_channels, es_shape *out);
/** Not collective. Validate a description and plan it; the caller destroys *op.
 *  @return ES_OK, ES_EARG (description), ES_ENOTSUP (bf16), ES_ENOMEM */
es_status es_op_plan(es_backend *b, const es_op_desc *d, es_op **op);
void es_op_destroy(es_op **op);
/** What backward of this op reads of x and y, and whether it can replay y. */
es_op_needs es_op_needs_of(const es_backend *b, const es_op_desc *d);
/** "conv", "bn", ... */
const char *es_op_kind_name(es_op_kind k);

#endif
