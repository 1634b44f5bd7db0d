/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_conv.h  Convolutions and linear layers, which are 1x1 convolutions on a
 *  map of one pixel, and the ways to compute their passes:
 *
 *  product   1x1 of stride 1: one matrix product over all pixels
 *  dnn       cuDNN
 *  unrolled  windows gathered, then a product; the other way round for the data pass
 *
 *  Nothing here is collective. */
#ifndef ES_CUDA_CONV_H
#define ES_CUDA_CONV_H

#include "cuda_dnn.h"

enum { ES_CUDA_SIZES = 4 }; /* numbers of images whose plans are kept */

/** Plans of cuDNN for n images; NULL where a pass is computed otherwise. */
typedef struct es_cuda_conv_size {
  int n;                                 /**< 0: unused */
  es_cuda_dnn_plan *dnn[ES_CUDA_PASSES]; /* owned */
} es_cuda_conv_size;

typedef struct es_cuda_conv {
  es_op op;
  void *packed;           /* owned; weights [o, k, k, i] in the type of activations, or
                             NULL where those of the caller will do */
  const float *packed_of; /**< whose those are */
  int64_t packed_version;
  double *sums; /* owned [2 o]; of the bias's gradient */
  es_cuda_conv_size size[ES_CUDA_SIZES];
  int oldest; /**< the size to be replaced next */
} es_cuda_conv;

/** Is the pass a matrix product of what is in memory? */
bool es_cuda_conv_is_product(const es_op_desc *d);
/** Bytes of scratch that a pass for n images takes, unrolled or by a plan of cuDNN. */
size_t es_cuda_conv_unrolled_bytes(const es_op_desc *d, es_cuda_pass pass, int n);
size_t es_cuda_conv_dnn_bytes(const es_op_desc *d, es_cuda_pass pass, int n,
                              const es_cuda_dnn_plan *p);

/** Compute a pass for a->n > 0 images; weights are packed already. Backward passes obey
 *  set_dw and add_dx. */
es_status es_cuda_conv_product(const es_cuda_conv *c, es_cuda_pass pass,
                               const es_op_args *a);
es_status es_cuda_conv_unrolled(const es_cuda_conv *c, es_cuda_pass pass,
                                const es_op_args *a);
es_status es_cuda_conv_dnn(const es_cuda_conv *c, const es_cuda_dnn_plan *p,
                           es_cuda_pass pass, const es_op_args *a);

#endif
