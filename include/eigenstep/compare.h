/* SPDX-License-Identifier: BSD-3-Clause */
/** @file compare.h  Similarity of two sets of embeddings of the same points, independent
 *  of the coordinates of either. */
#ifndef ES_COMPARE_H
#define ES_COMPARE_H

#include "eigenstep/status.h"

typedef struct es_similarity {
  double error;     /**< ||A - B||_F / ||B||_F; NaN if the numbers of outputs differ */
  double alignment; /**< subspace overlap ||Qa' Qb||_F^2 / min(rank a, rank b), Qa and Qb
                         orthonormal bases of the column spaces */
  double chance;    /**< alignment of random subspaces, max(ranks) / n */
  double angle;     /**< largest principal angle, radians */
  double cka;       /**< linear CKA: ||A'B||^2 / (||A'A|| ||B'B||), columns centred */
} es_similarity;

/** Values of d outputs on n points. */
typedef struct es_outputs {
  int d;
  const double *f; /**< [d, n] row-major, borrowed */
} es_outputs;

/** Not collective. Compare the spans of the outputs, taken as vectors of n values.
 *  Directions whose singular value is below 1e-12 of the largest count as zero.
 *  @param angles  NULL, or [min(a.d, b.d)] principal angles in radians, ascending; NaN
 *                 beyond the smaller rank
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (a value is not finite), ES_EARG (n or d < 1) */
es_status es_compare(int n, es_outputs a, es_outputs b, es_similarity *out,
                     double *angles);

#endif
