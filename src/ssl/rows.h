/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rows.h  What the losses do with rows of embeddings [n, D], row-major: moments of
 *  the global batch, products with D x D matrices, unit length. n may be 0. */
#ifndef ES_SSL_ROWS_H
#define ES_SSL_ROWS_H

#include "eigenstep/loss.h"

/** Part of es_loss_ops.check: a batch of two pairs at least. lacks: what one alone has
 *  not. */
es_status es_rows_check_pairs(const char *loss, int64_t pairs, const char *lacks);
/** a'b, in pieces that BLAS can count. */
double es_rows_dot(int64_t n, const double *a, const double *b);

/** Refuse embeddings of width 1 that the loss takes at unit length: they are signs, which
 *  no gradient changes. @param normalize  does it? @return ES_OK, ES_ECONFIG */
es_status es_rows_check_unit(const char *loss, bool normalize, int dim);

/** Collective. Count the pairs of all ranks and average both views, in one reduction.
 *  @param sums  [1 + 2 D]: the count, the mean of view 1, the mean of view 2
 *  @return the count; the means are zero without pairs */
double es_rows_average(const es_loss *l, int n, const double *const z[2], double *sums);

/** u = z - mean. */
void es_rows_center(int n, int d, const double *z, const double *mean, double *u);

/** c [D, D] = factor a'b. */
void es_rows_product(int n, int d, double factor, const double *a, const double *b,
                     double *c);

/** to = factor u g; factor u g'; to += factor u g. g [D, D]. */
void es_rows_times(int n, int d, double factor, const double *u, const double *g,
                   double *to);
void es_rows_times_transposed(int n, int d, double factor, const double *u,
                              const double *g, double *to);
void es_rows_add_times(int n, int d, double factor, const double *u, const double *g,
                       double *to);

/** u = z / length with the Euclidean length of each row, at least 1e-12. */
void es_rows_unit(int n, int d, const double *z, double *u, double *length);

/** dL/du -> dL/dz through es_rows_unit: the part along u drops out. */
void es_rows_unit_backward(int n, int d, const double *u, const double *length,
                           double *dz);

/** sum of (a - b)^2. */
double es_rows_squared_distance(int n, int d, const double *a, const double *b);

/** to = factor (a - b). */
void es_rows_difference(int n, int d, double factor, const double *a, const double *b,
                        double *to);

#endif
