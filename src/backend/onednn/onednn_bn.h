/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_bn.h  The passes of batch normalisation (onednn_bn_loops.c) as
 *  onednn_bn.c uses them. */
#ifndef ES_ONEDNN_BN_H
#define ES_ONEDNN_BN_H

#include "onednn_state.h"

/** How backward knows where the output was positive. */
typedef enum es_bn_gate {
  ES_GATE_OPEN, /**< no ReLU: g = dy everywhere */
  ES_GATE_X,    /**< no residual: the output is computed again from x */
  ES_GATE_MASK  /**< a bit an element, kept by forward */
} es_bn_gate;

/** Vectors [width] of a group. */
typedef struct es_bn_channels {
  const float *mean, *scale, *bias, *offset, *slope;
} es_bn_channels;

/** What forward reads and writes beside x. */
typedef struct es_bn_front {
  const void *residual; /**< may be NULL */
  void *y;
} es_bn_front;

/** What backward reads and writes beside x. */
typedef struct es_bn_back {
  const void *dy;
  void *dx, *dresidual; /**< either may be NULL */
  bool add_dx, add_dresidual;
} es_bn_back;

/** One group: matrices [rows, width] of f32 or bf16. */
typedef struct es_bn_pass {
  bool bf16, relu;
  es_bn_gate gate;
  int threads, width;
  int64_t rows;
  const void *x;
  unsigned char *mask; /**< [rows, es_onednn_bn_mask_bytes(width)]; forward writes it */
  es_bn_channels of;
  es_bn_front front;
  es_bn_back back;
  double *sum; /**< [2, width] */
} es_bn_pass;

/** y = (x - mean) scale + bias [+ residual], then ReLU; mask = y > 0 if gated by it. */
void es_onednn_bn_apply(const es_bn_pass *p);
/** sum[0] += sum g, sum[1] += sum g (x - mean); g = dy where the gate is open, else 0. */
void es_onednn_bn_sums(const es_bn_pass *p);
/** dx [+]= scale g - offset - slope (x - mean), dresidual [+]= g. */
void es_onednn_bn_back(const es_bn_pass *p);

/** Bytes of the gates of a row. */
size_t es_onednn_bn_mask_bytes(int width);

#endif
