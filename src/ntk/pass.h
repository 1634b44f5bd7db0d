/* SPDX-License-Identifier: BSD-3-Clause */
/** @file pass.h  Forward and backward of this rank's samples, and what is kept of them
 *  for some layers. */
#ifndef ES_NTK_PASS_H
#define ES_NTK_PASS_H

#include "eigenstep/held_out.h"
#include "layer.h"

/** A layer and what is kept for it. */
typedef struct es_ntk_kept {
  const es_ntk_layer *layer;
  float *x, *g; /**< [2 n, x_size], [2 n, g_size]; owned by the caller */
} es_ntk_kept;

/** How samples pass through the network. */
typedef struct es_ntk_passes {
  es_net *net;
  es_bn_mode mode; /**< constant: ES_BN_RUNNING or ES_BN_FROZEN */
  const es_held_out_points *points;
} es_ntk_passes;

/** Not collective. Fill `kept`, of n layers in the order of the network, for the
 *  derivative of u . f. Later layers are passed, too, earlier ones forward only.
 *  @param u  [D]
 *  @param z  [2 n, D] f of the samples; NULL: not wanted
 *  @return ES_OK, ES_ENOMEM, or the network's error */
es_status es_ntk_pass(const es_ntk_passes *p, const float *u, int n,
                      const es_ntk_kept *kept, float *z);

/** Multiply-adds of a pass of one sample, forward and backward. */
double es_ntk_pass_cost(const es_net *net);

#endif
