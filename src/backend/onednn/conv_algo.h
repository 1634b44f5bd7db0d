/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_algo.h  Algorithms for a pass of a convolution (list: conv_algo_list.h).
 *
 *  Which is fastest depends on shape, pass, type and processor: they are timed (tune.h).
 *  An algorithm is planned for one pass and exactly n images. M = positions of the output
 *  over all images, K = taps x input channels. */
#ifndef ES_CONV_ALGO_H
#define ES_CONV_ALGO_H

#include "onednn_state.h"
#include "packed.h"
#include "prim.h"

typedef struct es_conv_algo es_conv_algo;

/** So many matrices. */
typedef struct es_conv_matrices {
  int64_t count, rows, cols;
} es_conv_matrices;

/* --- for authors of an algorithm----------------------------------------------------- */
typedef struct es_conv_algo_ops {
  const char *name, *doc;
  /** Is it meant for this? Not asked again before the others. */
  bool (*fits)(const es_op_desc *d, es_pass pass);
  /** Forward and data: what is packed, padding aside. NULL: the layer's k x k matrices
   *  [O, I]. */
  es_conv_matrices (*matrices)(const es_op_desc *d, es_pass pass);
  size_t size; /**< of its struct */
  /** Fill in `size` zeroed bytes but for ops, backend, desc, pass, n.
   *  @return ES_ENOTSUP without a message: not on this processor */
  es_status (*make)(es_conv_algo *w);
  /** Forward and data: pack new weights [O, I, k, k]. NULL: es_conv_algo_pack of them. */
  es_status (*load)(es_conv_algo *w, const float *weights);
  /** In place of `load` where weights.form has a width: pack the strip (packed.h) that
   *  begins with row `first` of what is packed; several threads, each with `room` of its
   *  own (weights.room). NULL: those are the rows of the weights [O, I k k]. */
  void (*strip)(const es_conv_algo *w, const float *weights, int64_t first, float *room);
  /** y = ..., dx [+]= ... or dw [+]= ..., for exactly n images. */
  es_status (*run)(es_conv_algo *w, const es_op_args *a);
} es_conv_algo_ops;

/** Threads that run prim[0] and [1] by themselves. */
typedef struct es_conv_team {
  es_prim **others; /**< owned; two for each of threads 1, 2, ... */
  int threads;      /**< with the first; 0: none */
} es_conv_team;

/** Forward and data: the weights as prim[0] takes them. */
typedef struct es_conv_weights {
  es_packed form;  /**< how they are packed; width 0: by `load` or `pack`, all at once */
  es_prim *pack;   /* owned; NULL with a form */
  size_t bytes;    /**< of all of them */
  size_t room;     /**< bytes of scratch that a thread needs to pack a strip */
  int64_t version; /**< of those in `own`, or in the memory that is shared */
  void *own;       /* owned; NULL: in the memory that passes share (es_onednn.packed) */
  void *node;      /* borrowed: memory of this node's ranks (onednn_node.c); NULL: none */
  int64_t node_version; /**< of those there; 0 = none */
  bool from_node;       /**< the next run takes them from there */
} es_conv_weights;

/** First member of the struct of every algorithm. */
struct es_conv_algo {
  const es_conv_algo_ops *ops;
  es_backend *backend; /* borrowed */
  es_op_desc desc;     /**< its name is not kept */
  es_pass pass;
  int n;
  es_prim *prim[2];  /* owned; [0] sets, [1] adds to it */
  es_conv_team team; /**< where each thread runs primitives of its own */
  es_conv_weights weights;
  es_prim *move[2]; /* owned: other changes of layout */
};

es_prim_engine *es_conv_algo_engine(const es_backend *b);
/** prim[0] and, if there is one, prim[1], of the engine `alone`: for each of so many. */
es_status es_conv_algo_for_threads(es_conv_algo *w, int threads);
es_prim *es_conv_algo_prim(const es_conv_algo *w, bool add, int thread);
/** prim[0] exists: memory for its argument 1, `count` of them one after another, each of
 *  which will be packed from an f32 tensor like `from`: a matrix row by row, its
 *  transpose or a filter. */
es_status es_conv_algo_rooms(es_conv_algo *w, const es_prim_tensor *from, int count);
/** One. */
es_status es_conv_algo_room(es_conv_algo *w, const es_prim_tensor *from);
/** Pack the tensor of es_conv_algo_room into this memory. */
es_status es_conv_algo_pack(es_conv_algo *w, const float *from);
/** Products of a layer that connects `in` with `out` numbers in each of `rows` rows:
 *  forward Y = X W', data dX [+]= dY W, weights dW [+]= dY' X, where W [out, in] is
 *  packed (es_conv_algo_room), and dW not. @param add  also make prim[1] */
es_status es_conv_algo_products(es_conv_algo *w, int64_t rows, int64_t in, int64_t out,
                                bool add);

/** The weights as prim[0] takes them, by which all of them are packed. The data passes,
 *  each of which runs once a step, share this memory unless weights are packed on update,
 *  and so do passes whose weights the node holds (onednn_node.c) where they have to pack
 *  others: load before running (es_conv_algo_ready). */
void *es_conv_algo_packed(const es_conv_algo *w);
/** Activations as the library takes them: dimensions [N, C, H, W], C innermost. */
es_prim_tensor es_conv_algo_activation(es_shape s, int n, bool bf16);
/** The weights of a convolution, f32 [O, I, k, k]. */
es_prim_tensor es_conv_algo_weights(const es_op_desc *d);
/** Padding above, left, below, right: of the latter what the last position needs. */
void es_conv_algo_padding(const es_op_desc *d, int pad[4]);
/** [rows, cols] with leading dimension `ld`. */
es_prim_tensor es_conv_algo_matrix(int64_t rows, int64_t cols, int64_t ld, bool bf16);
/** The transpose of a matrix. */
es_prim_tensor es_conv_algo_transposed(es_prim_tensor m);
/** The same sizes in the primitive's own layout. */
es_prim_tensor es_conv_algo_free(es_prim_tensor t);
/** The layout that argument 1 of p has. */
es_prim_tensor es_conv_algo_like(const es_prim *p);

#define ES_CONV_ALGO(n) extern const es_conv_algo_ops es_conv_algo_##n;
#include "conv_algo_list.h"
#undef ES_CONV_ALGO

/* --- for users ---------------------------------------------------------------------- */
size_t es_conv_algo_list(const es_conv_algo_ops *const **list);
/** Bytes of the packed weights of all passes of this op: at most, whatever algorithms. */
size_t es_conv_algo_most_packed(const es_op_desc *d);
/** @return ES_ENOTSUP, without a message: not on this processor */
es_status es_conv_algo_create(const es_conv_algo_ops *ops, es_backend *b,
                              const es_op_desc *d, es_pass pass, int n, es_conv_algo **w);
/** Load weights [O, I, k, k] of this version (0 = unknown) unless they are loaded. */
es_status es_conv_algo_ready(es_conv_algo *w, const float *weights, int64_t version);
/** Strips that can be packed by themselves; 0: all at once. */
int64_t es_conv_algo_strips(const es_conv_algo *w);
/** Pack strips [first, end) into es_conv_algo_packed. Several threads may, each with
 *  weights.room bytes of its own. */
void es_conv_algo_pack_strips(const es_conv_algo *w, const float *weights, int64_t first,
                              int64_t end, void *room);
/** Pack all into es_conv_algo_packed, by all threads. */
es_status es_conv_algo_pack_whole(es_conv_algo *w, const float *weights);
/** Rows of the weights [O, I k k] in a strip; 0: strips are not rows of these. */
int es_conv_algo_strip_rows(const es_conv_algo *w);
void es_conv_algo_destroy(es_conv_algo **w);

#endif
