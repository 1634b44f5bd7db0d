/* SPDX-License-Identifier: BSD-3-Clause */
/** @file similarity.h  Similarity of two sets of embeddings of the same n points, mode by
 *  mode: nested subspaces of their leading modes with chance level and error, principal
 *  angles, centred kernel alignment, mutual nearest neighbours. Nothing is collective.
 *
 *  A mode is a vector of n values, centred. Those of embeddings are their principal
 *  components; those of predicted functions are the functions in their order, made
 *  orthogonal to the ones before. Outputs as in compare.h: d rows of n values. */
#ifndef ES_SIMILARITY_H
#define ES_SIMILARITY_H

#include <stdbool.h>
#include <stdint.h>
#include "eigenstep/compare.h"

/** Embeddings, and which vectors are their modes. */
typedef struct es_embedded {
  es_outputs outputs;
  bool ordered; /**< outputs are modes in their order; false: principal components */
} es_embedded;

/** Have n embeddings of d values any mode?
 *  @param name  what they are: a message begins with it
 *  @param z     [n, d] rows
 *  @return ES_OK; ES_EMATH (a value is not finite, or all rows are equal but for
 *          round-off: they differ by less than 1e-12 of their size) */
es_status es_embedded_vary(const char *name, int64_t n, int d, const double *z);

/** Orthonormal modes q [k, n] of the centred outputs; modes beyond their rank (1e-10 of
 *  the largest) are 0.
 *  @param value  [k] variances (divided by n); NULL: not wanted
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (a value is not finite), ES_EARG (sizes) */
es_status es_embedded_modes(int n, es_embedded e, int k, double *q, double *value);

/** overlap[j - 1] = ||A_j B_i'||_F^2 / j, i = factor j or all of B, for j = 1..a.d: the
 *  share of A's first j modes that lies in B's first i. Both of orthonormal modes. */
void es_modes_overlap(int n, es_outputs a, es_outputs b, int factor, double *overlap);
/** cosine [k, k]: |a_i . b_j|. */
void es_modes_cosines(int n, int k, const double *a, const double *b, double *cosine);
/** angle [k, k], radians: row j - 1 holds the j principal angles of the first j modes of
 *  both, ascending; NaN beyond. @return ES_OK, ES_ENOMEM, ES_EMATH */
es_status es_modes_angles(int n, int k, const double *a, const double *b, double *angle);

/** Standard errors of es_modes_overlap with factor 1 over the points, by bootstrap:
 *  points i and i + n / 2 (views of a pair) are drawn together, with replacement.
 *  @param draws  as many samples, >= 2; the same for the same seed
 *  @param error  [k] @return as es_embedded_modes */
typedef struct es_bootstrap {
  int draws;
  uint64_t seed;
  bool pairs; /**< n is even, points are views; false: single points are drawn */
} es_bootstrap;
es_status es_overlap_errors(int n, int k, es_embedded a, es_embedded b, es_bootstrap how,
                            double *error);

/** Linear centred kernel alignment: cka[0] biased (Kornblith et al. 2019), cka[1] without
 *  bias (Song et al. 2012; Nguyen et al. 2021), NaN for n < 4.
 *  @return ES_OK, ES_ENOMEM */
es_status es_cka(int n, es_outputs a, es_outputs b, double cka[2]);

/** Mean canonical correlation of the principal components that make up 99 % of the
 *  variance of either (Raghu et al. 2017). @return as es_embedded_modes */
es_status es_svcca(int n, es_outputs a, es_outputs b, double *svcca);

/** Mean share of the k nearest neighbours of a point that it has in both (Huh et al.
 *  2024); k is reduced to n - 1. @return ES_OK, ES_ENOMEM */
es_status es_mutual_neighbours(int n, es_outputs a, es_outputs b, int k, double *share);

#endif
