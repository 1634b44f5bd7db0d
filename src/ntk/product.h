/* SPDX-License-Identifier: BSD-3-Clause */
/** @file product.h  Inner products of the gradients of two blocks of samples in one
 *  layer. Single precision, or factors rounded to bf16 with sums in single precision;
 *  summed in double over layers and runs of weights. */
#ifndef ES_NTK_PRODUCT_H
#define ES_NTK_PRODUCT_H

#include "layer.h"

/** What n samples keep of a layer; borrowed. */
typedef struct es_ntk_block {
  int n;
  const float *x; /**< [n, x_size] */
  const float *g; /**< [n, g_size] */
} es_ntk_block;

/** Which products: rows i0 <= i < i1 with columns j0 <= j < j1. */
typedef struct es_ntk_part {
  int i0, i1, j0, j1;
  bool triangle; /**< only those with j >= i are wanted (a block with itself) */
} es_ntk_part;

/** Not collective. theta [a->n, b->n] += <G_i, G_j> for the entries of `part`, and maybe
 *  for some with j < i of a triangle.
 *  @return ES_OK, ES_ENOMEM, with bf16 the backend's error */
es_status es_ntk_product(const es_ntk_layer *l, const es_ntk_block *a,
                         const es_ntk_block *b, const es_ntk_part *part, double *theta);

/** How es_ntk_product works, to foretell its time: pairs that it multiplies for a part;
 *  contracted, runs of output channels in which so many samples go; structured, samples
 *  of a tile. */
double es_ntk_product_pairs(const es_ntk_layer *l, const es_ntk_part *part);
int es_ntk_product_runs(const es_ntk_layer *l, int64_t samples);
int es_ntk_product_tile(const es_ntk_layer *l);

/** Bytes of workspace of es_ntk_product, at most, for blocks of n samples. */
int64_t es_ntk_product_bytes(const es_ntk_layer *l, int n);

#endif
