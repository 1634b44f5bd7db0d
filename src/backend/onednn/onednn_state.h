/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_state.h  What the files of the `onednn` backend share.
 *
 *  Activations are channels last, [N, H, W, C], f32 or bf16 as the op's description says;
 *  parameters, their gradients, statistics and plain buffers are f32. Memory and plain
 *  vectors are those of `blas`. */
#ifndef ES_ONEDNN_STATE_H
#define ES_ONEDNN_STATE_H

#include "backend/blas/blas.h"
#include "backend/choices.h"

/** An engine with its stream, and what it runs (prim.h). */
typedef struct es_prim_engine es_prim_engine;
typedef struct es_prim es_prim;

/** A product of matrices in bf16 (onednn_product.c). */
typedef struct es_onednn_product {
  es_product_args size;
  es_prim *prim; /**< owned; NULL: none yet */
} es_onednn_product;
enum { ES_ONEDNN_PRODUCTS = 16 };

/** Those of the latest sizes. */
typedef struct es_onednn_products {
  es_onednn_product of[ES_ONEDNN_PRODUCTS];
  int oldest;
} es_onednn_products;

/** Weights that are packed as soon as an update has written them. */
typedef struct es_onednn_weights {
  const float *value;
  int64_t count;
  /** Elements that can be packed by themselves; `count`: all at once. */
  int64_t (*unit)(const es_op *op);
  /** Pack elements [first, first + n): a unit (by several threads at once), or all. */
  es_status (*pack)(es_op *op, const float *value, int64_t first, int64_t n);
  /** What is packed is now of this version; 0: of none. */
  void (*set_version)(es_op *op, int64_t version);
  /** What takes them packed in the passes of the last backward; NULL: nothing does. */
  struct es_conv_algo *(*algo)(const es_op *op, int pass);
  es_op *op; /* borrowed */
} es_onednn_weights;

/** All of them, by address. */
typedef struct es_onednn_trained {
  es_onednn_weights *weights; /**< owned [cap], n of them used */
  int n, cap, ops;            /**< ops: planned, each may have one */
} es_onednn_trained;

/** Packed weights that the ranks of a node hold once (onednn_node.c). */
typedef struct es_onednn_node es_onednn_node;

/** State of one backend. */
typedef struct es_onednn {
  es_prim_engine *engine; /* owned */
  es_prim_engine *alone;  /* owned; for primitives that each thread runs by itself */
  es_choices *tuned;      /* owned; NULL until tuned: fixed rules */
  es_choices *checked;    /* owned; planned by rule and found right */
  void *scratch;          /* owned; shared by all plans, as ops run one after another */
  size_t scratch_size;    /**< in bytes: the largest need of any plan */
  void *packed;           /* owned; weights of a pass that has no memory for them */
  size_t packed_size;
  const void *packed_by; /**< the algorithm whose weights these are; NULL: none */
  es_onednn_products products;
  es_onednn_trained trained;
  es_onednn_node *node; /* owned; NULL: not yet, or none */
} es_onednn;

static inline bool es_onednn_bf16(const es_op_desc *d) {
  return d->precision == ES_BF16;
}
/** Bytes of an element of an op's activations. */
static inline size_t es_onednn_size(const es_op_desc *d) {
  return es_onednn_bf16(d) ? 2 : 4;
}
/** At plan time: make sure that the scratch has at least so many bytes. */
es_status es_onednn_reserve(es_backend *b, size_t bytes);
/** The same for the memory of packed weights. */
es_status es_onednn_reserve_packed(es_backend *b, size_t bytes);
/** Release what either has grown beyond these sizes. */
es_status es_onednn_trim(es_backend *b, size_t scratch, size_t packed);
void *es_onednn_scratch(const es_backend *b);

/* Activations (onednn_act.c) */
size_t es_onednn_act_bytes(es_backend *b, es_act_type t, int n);
es_status es_onednn_act_write(es_backend *b, es_act_type t, int n, const float *nchw,
                              es_act dst);
es_status es_onednn_act_read(es_backend *b, es_act_type t, int n, const es_act src,
                             float *nchw);
/** From f32 to bf16 or f32 and back, n elements in their order. */
void es_onednn_narrow(int threads, bool bf16, int64_t n, const float *from, void *to);
void es_onednn_widen(int threads, bool bf16, int64_t n, const void *from, float *to);
/** to[n] += from[n], both bf16 or f32. */
void es_onednn_add(int threads, bool bf16, int64_t n, const void *from, void *to);

/* Products of matrices in bf16 (onednn_product.c) */
void es_onednn_narrow_all(es_backend *b, size_t n, const es_buf from, void *to);
es_status es_onednn_multiply(es_backend *b, const es_product_args *a, const void *x,
                             const void *y, es_buf c);
void es_onednn_products_free(es_onednn_products *p);

/* Moments of a convolution's output while it is in the cache (onednn_bn_loops.c) */

/** moments[2][width] += column sums of x and of x^2; x [rows, width]. */
void es_onednn_moments(int threads, bool bf16, int64_t rows, int width, const void *x,
                       double *moments);

/* Updates (onednn_update.c) */

/** Do processes of this backend update whole tensors? On a node of several ranks each
 *  updates a part, and the others wait for it before they pack (onednn_node.c). The same
 *  on all ranks. */
bool es_onednn_updates_whole(const es_backend *b);
/** At plan time: room for the weights of one op more; and when that is destroyed.
 *  @return ES_OK, ES_ENOMEM */
es_status es_onednn_weights_reserve(es_backend *b);
void es_onednn_weights_release(es_backend *b);
/** From now on, pack these weights when they are updated; in place of others of this op,
 *  which has reserved room. */
void es_onednn_weights_add(es_backend *b, const es_onednn_weights *w);
/** The op will be destroyed. */
void es_onednn_weights_remove(es_backend *b, const es_op *op);
es_status es_onednn_sgd(es_backend *b, size_t n, const es_sgd_args *a, es_buf p,
                        const es_buf g, es_buf m);
es_status es_onednn_adamw(es_backend *b, size_t n, const es_adamw_args *a, es_buf p,
                          const es_buf g, es_buf const moments[2]);

/* Packed weights of a node (onednn_node.c) */

/** es_backend_ops.pack: the weights of the layers whose backward was run, for the next
 *  step. The first call takes the memory.
 *  @return ES_OK, also without shared memory; ES_ENOMEM (first call: on all ranks);
 *          ES_EINTERNAL (the library) */
es_status es_onednn_pack(es_backend *b, const es_comm *c, size_t n, const es_buf p,
                         int64_t version);
/** Bytes that this takes for an op, at most. */
size_t es_onednn_packed_bytes(const es_op_desc *d);
/** An algorithm that has memory of the node will be destroyed. */
void es_onednn_node_remove(es_backend *b, const struct es_conv_algo *w);
void es_onednn_node_free(es_onednn *s);

/* Planners */
es_status es_onednn_plan_conv(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_onednn_plan_bn(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_onednn_plan_linear(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_onednn_plan_relu(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_onednn_plan_maxpool(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_onednn_plan_avgpool(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_onednn_plan_flatten(es_backend *b, const es_op_desc *d, es_op **op);

#endif
