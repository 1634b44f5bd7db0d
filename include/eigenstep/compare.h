/* SPDX-License-Identifier: BSD-3-Clause */
/** @file compare.h  How alike two sets of embeddings of the same points are,
 *  whatever the coordinates of either. */
#ifndef ES_COMPARE_H
#define ES_COMPARE_H

#include "eigenstep/status.h"

typedef struct es_likeness {
  double error;     /**< ||A - B||_F / ||B||_F, where p = q (else NaN) */
  double alignment; /**< ||Qa' Qb||_F^2 / min(rank a, rank b), orthonormal bases of the
                         column spaces */
  double chance;    /**< alignment of random subspaces, max(ranks) / n */
  double angle;     /**< largest principal angle, radians */
  double cka;       /**< linear CKA: ||A'B||^2 / (||A'A|| ||B'B||), columns centred */
} es_likeness;

/** Not collective. A: p rows of n values, B: q rows of n values (row = one output on
 *  all points). Directions below 1e-12 of the largest count as zero.
 *  @param angles  NULL, or [min(p, q)]: principal angles, rising; those past the
 *  smaller rank are NaN
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (not finite), ES_EARG */
es_status es_compare(int n, int p, const double *a, int q, const double *b,
                     es_likeness *out, double *angles);

#endif
