/* SPDX-License-Identifier: BSD-3-Clause */
/** @file layer.h  A layer's part of the kernel: in which of two exact forms it is
 *  computed, what a sample keeps for it, what it costs.
 *
 *  A layer's weights W [C_out, K] act on S positions of its output map, K values each (an
 *  unrolled patch, k^2 C_in, or the inputs of a linear layer with a 1 for its bias). With
 *  a_ip the patch and dy_ip the gradient of the output at position p of sample i, the
 *  gradient of sample i is G_i = sum_p dy_ip a_ip', and
 *  contracted: <G_i, G_j> of gradients that are computed, in multiply-adds a pair C_out K
 *              (and S C_out K a sample for the gradients);
 *  structured: sum_pq (a_ip . a_jq) (dy_ip . dy_jq), S^2 (K + C_out) a pair. */
#ifndef ES_NTK_LAYER_H
#define ES_NTK_LAYER_H

#include "eigenstep/backend.h"
#include "eigenstep/net_layers.h"

typedef enum es_ntk_form {
  ES_NTK_ROWS, /**< batch norm: the gradients of gain and bias themselves, 2 C */
  ES_NTK_CONTRACTED,
  ES_NTK_STRUCTURED
} es_ntk_form;

typedef struct es_ntk_layer {
  es_net_layer of;
  int index; /**< in the network */
  int group; /**< of the kernel that it is added to */
  es_ntk_form form;
  int64_t positions, patch, outputs; /**< S, K, C_out */
  int64_t x_size;                    /**< numbers that a sample keeps: of the input ... */
  int64_t g_size;                    /**< ... and of the gradient */
  double pair;                       /**< multiply-adds of a pair of samples */
  double sample;                     /**< and of a sample */
  es_backend *bf16; /**< multiplies factors that are rounded to bf16, sums in f32; NULL:
                         single precision. Borrowed */
} es_ntk_layer;

/** The layer's numbers, in the cheaper form for that many samples in all; index and group
 *  are the caller's. */
es_ntk_layer es_ntk_layer_plan(const es_net_layer *l, double samples);
/** The same in a given form, which batch norm does not have. */
es_ntk_layer es_ntk_layer_in_form(const es_net_layer *l, es_ntk_form form);

/** Multiply-adds of all pairs of n samples, each pair once. */
double es_ntk_layer_cost(const es_ntk_layer *l, double n);

/** Patches and gradients of samples x [n, x_size], g [n, g_size] by positions: a [n S, K]
 *  and dy [n S, C_out], row-major. */
void es_ntk_layer_unroll(const es_ntk_layer *l, int n, const float *x, const float *g,
                         float *a, float *dy);
/** Patches of one sample, position by position along a row: a [K, S]. */
void es_ntk_layer_columns(const es_ntk_layer *l, const float *x, float *a);

#endif
