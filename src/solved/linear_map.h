/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_map.h  f(x) = b + W x on the pairs of all ranks, under the gradient of
 *  any loss. b = 0, or 1 in the last output alone, whose row of W then rests at 0. */
#ifndef ES_LINEAR_MAP_H
#define ES_LINEAR_MAP_H

#include "eigenstep/descent.h"
#include "eigenstep/loss.h"

/** All arrays are owned; z, dz hold all embeddings of view 1, then of view 2. */
typedef struct es_linear_map {
  const es_comm *comm; /**< borrowed */
  const es_pairs *p;   /**< borrowed */
  int d;               /**< outputs */
  bool point;          /**< b is 1 in the last output, else 0 */
  double *w, *dw;      /**< [d, m], the same on all ranks */
  double *z, *dz;      /**< [2 n, d] of this rank's n pairs */
} es_linear_map;

/** W(0) = alpha x normal numbers, functions of (seed, place in W). */
typedef struct es_linear_start {
  uint64_t seed;
  double alpha;
  int m; /**< columns of W */
} es_linear_start;

/** Not collective. Entry (i, j) of W(0). @param start  an es_linear_start */
double es_linear_start_entry(void *start, int i, int j);

/** Not collective. Allocates and sets W to W(0); comm, p, d and point are given in f.
 *  @return ES_OK, ES_ENOMEM */
es_status es_linear_map_create(es_linear_map *f, const es_linear_start *start);
/** Not collective. Frees what f owns. */
void es_linear_map_release(es_linear_map *f);

/** Not collective. z = b + W x of this rank's pairs; a batch of z and dz at `step`. */
es_loss_batch es_linear_map_embed(es_linear_map *f, int64_t step);
/** Collective. dw = sign x (sum over all pairs and both views of dz' x). */
void es_linear_map_gradient(es_linear_map *f, double sign);

#endif
