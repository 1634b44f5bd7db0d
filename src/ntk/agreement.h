/* SPDX-License-Identifier: BSD-3-Clause */
/** @file agreement.h  Learned embeddings against predicted ones on the same points. */
#ifndef ES_NTK_AGREEMENT_H
#define ES_NTK_AGREEMENT_H

#include "eigenstep/comm.h"
#include "eigenstep/similarity.h"

/** All arrays are parts of `room`, owned, the same on all ranks. Row k - 1 is of the
 *  first k modes of both. */
typedef struct es_ntk_agreement {
  int k;             /**< modes */
  double *subspace;  /**< [k] share of the learned modes in as many predicted ones */
  double *error;     /**< [k] its standard error over pairs */
  double *chance;    /**< [k] of random subspaces */
  double *in_triple; /**< [k] share in three times as many predicted ones */
  double *variance;  /**< [k] of the learned modes */
  double *cka;       /**< [k] learned embeddings against the first k predicted ones */
  double *cka_unbiased;
  double *neighbours; /**< [k] mutual ones, likewise */
  double *modes;      /**< [k, k] |cosine| of learned and predicted modes */
  double *angles;     /**< [k, k] radians, row k - 1: k of them, then NaN */
  double *room;
} es_ntk_agreement;

/** What is compared on which points: pairs first .. first + count - 1 of `pairs`. */
typedef struct es_ntk_points_of {
  int64_t pairs, first, count;
  const double *learned; /**< [2 pairs, d] */
  int d;
  const double *predicted; /**< [modes, 2 pairs] */
  int modes;
} es_ntk_points_of;

/** Collective. Rank 0 computes; k modes, NaN for those there are not.
 *  @param neighbours  compared of each point
 *  @return ES_OK, ES_ENOMEM, ES_EMATH: the same on all ranks */
es_status es_ntk_agree(const es_comm *c, const es_ntk_points_of *of, int k,
                       es_bootstrap how, int neighbours, es_ntk_agreement *a);
void es_ntk_agreement_free(es_ntk_agreement *a);

#endif
