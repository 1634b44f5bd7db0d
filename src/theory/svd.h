/* SPDX-License-Identifier: BSD-3-Clause */
/** @file svd.h  Singular values and left vectors of a small dense matrix. */
#ifndef ES_THEORY_SVD_H
#define ES_THEORY_SVD_H

#include <stdbool.h>
#include "eigenstep/status.h"

/** Not collective. Singular values s [min(m, n)], descending, of A [m, n] (column-major,
 *  overwritten: with the left singular vectors if `vectors`).
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (no convergence) */
es_status es_svd(bool vectors, int m, int n, double *a, double *s);

#endif
