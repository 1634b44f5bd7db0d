/* SPDX-License-Identifier: BSD-3-Clause */
/** @file krylov.h  Leading pairs of a symmetric operator by block Krylov iteration. */
#ifndef ES_KRYLOV_H
#define ES_KRYLOV_H

#include "eigenstep/eig.h"

enum {
  ES_KRYLOV_WIDE = 32,     /**< most columns of a block, as random ones come in */
  ES_KRYLOV_WIDEST = 32766 /**< columns of a basis, for dsyevd */
};

typedef struct es_krylov {
  const es_eig_operator *a;
  int k;               /**< pairs */
  int block;           /**< columns of the first block, at most half of the widest */
  int most;            /**< largest number of basis columns */
  const double *start; /**< [block][rows] first block, or NULL: random */
} es_krylov;

/** Columns of the basis beyond which iterating for k pairs of order n does not pay. */
int es_krylov_most(int n, int k);

/** Collective. The k leading pairs: w[k] descending, replicated; v [n, k]. Leaves both
 *  undefined where *converged is false: the basis was full before.
 *  @return ES_OK, ES_ENOMEM, ES_EMATH: the same on all ranks */
es_status es_krylov_solve(const es_krylov *o, double *w, es_dmat *v, bool *converged);

#endif
