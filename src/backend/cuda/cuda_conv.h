/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_conv.h  Convolutions and linear layers, which are 1x1 convolutions on a
 *  map of one pixel, and the algorithms of their passes:
 *
 *  product   1x1 of stride 1: one matrix product over all pixels, by cuBLAS
 *  lt        the same by cuBLASLt, which in f32 adds the bias
 *  dnn       cuDNN
 *  unrolled  windows gathered, then a product; the other way round for the data pass
 *
 *  Which one, cuda_tune.c times. Nothing here is collective but where said. */
#ifndef ES_CUDA_CONV_H
#define ES_CUDA_CONV_H

#include "cuda_dnn.h"
#include "cuda_lt.h"

enum { ES_CUDA_SIZES = 4 }; /* numbers of images whose plans are kept */

/** Plans for n images. */
typedef struct es_cuda_conv_size {
  int n; /**< 0: unused */
  bool planned[ES_PASSES];
  const es_cuda_dnn_plan *dnn[ES_PASSES]; /* borrowed; NULL: not by cuDNN */
  const es_cuda_lt_plan *lt[ES_PASSES];   /* borrowed; NULL: not by cuBLASLt */
} es_cuda_conv_size;

/** By what passes are computed: an engine of cuDNN, from 0; an algorithm of cuBLASLt,
 *  from ES_CUDA_LT; or neither, ES_CUDA_OWN. */
typedef struct es_cuda_engines {
  int of[ES_PASSES];
} es_cuda_engines;
enum { ES_CUDA_OWN = -1, ES_CUDA_LT = ES_CUDA_ENGINES };

typedef struct es_cuda_conv {
  es_op op;
  es_cuda_engines engines;
  void *packed;           /* owned; weights [o, k, k, i] in the type of activations, or
                             NULL where those of the caller will do */
  const float *packed_of; /**< whose those are */
  int64_t packed_version;
  const float *trained; /**< weights that an update packs, NULL: none yet */
  double *sums;         /* owned [2 o]; of the bias's gradient */
  es_cuda_conv_size size[ES_CUDA_SIZES];
  int oldest; /**< the size to be replaced next */
} es_cuda_conv;

/** A convolution or linear layer, no pass of which is planned. The caller destroys *c as
 *  an op. @return ES_OK, ES_ENOMEM */
es_status es_cuda_conv_new(es_backend *b, const es_op_desc *d,
                           const es_cuda_engines *engines, es_cuda_conv **c);
/** Does backward or forward of this layer have the pass? */
bool es_cuda_conv_has(const es_op_desc *d, es_pass pass);
/** Plan a pass for n images, unless it is planned; scratch for it. An engine that cuDNN
 *  does not have is replaced by its best, or by none; an algorithm of cuBLASLt by none.
 *  @return ES_OK, ES_ENOMEM, ES_EDEVICE */
es_status es_cuda_conv_plan(es_cuda_conv *c, es_pass pass, int n,
                            const es_cuda_conv_size **size);
/** Compute a pass for a->n > 0 images, forward with the bias. */
es_status es_cuda_conv_run(es_cuda_conv *c, es_pass pass, const es_op_args *a);

/** The engines that were timed as the best (cuda_tune.c), or fixed rules. */
es_cuda_engines es_cuda_conv_choice(const es_backend *b, const es_op_desc *d);
/** Collective over the backend's communicator: es_backend_ops.tune. */
es_status es_cuda_tune(es_backend *b, const es_op_desc *const *desc, int n);

/** Is the pass a matrix product of what is in memory? */
bool es_cuda_conv_is_product(const es_op_desc *d);
/** Then this one; a->n images, the other arguments may be missing. */
es_cuda_product es_cuda_conv_as_product(const es_cuda_conv *c, es_pass pass,
                                        const es_op_args *a);
/** And does cuBLASLt add the bias to it? */
bool es_cuda_conv_lt_bias(const es_op_desc *d, es_pass pass);
/** Its weights as a kernel packs them. */
es_cuda_filter es_cuda_conv_filter(const es_op_desc *d);
/** Bytes of scratch that a pass for n images takes, unrolled or by a plan of cuDNN. */
size_t es_cuda_conv_unrolled_bytes(const es_op_desc *d, es_pass pass, int n);
size_t es_cuda_conv_dnn_bytes(const es_op_desc *d, es_pass pass, int n,
                              const es_cuda_dnn_plan *p);

/** Compute a pass for a->n > 0 images; weights are packed already. Backward passes obey
 *  set_dw and add_dx. */
es_status es_cuda_conv_product(const es_cuda_conv *c, es_pass pass, const es_op_args *a);
es_status es_cuda_conv_unrolled(const es_cuda_conv *c, es_pass pass, const es_op_args *a);
es_status es_cuda_conv_lt(const es_cuda_conv *c, const es_cuda_lt_plan *p, es_pass pass,
                          const es_op_args *a);
es_status es_cuda_conv_dnn(const es_cuda_conv *c, const es_cuda_dnn_plan *p, es_pass pass,
                           const es_op_args *a);

/* Weights that an update packs (cuda_update.c) */

/** The weights w of c are trained: updates pack them from now on. */
void es_cuda_trained_add(es_cuda_conv *c, const es_buf w);
/** No more. */
void es_cuda_trained_forget(es_cuda_conv *c);

#endif
