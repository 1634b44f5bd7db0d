/* SPDX-License-Identifier: BSD-3-Clause */
/** @file basis.h  An orthonormal basis that grows block by block, for iterations on large
 *  operators; the rows of its vectors are distributed over the ranks. A block is an array
 *  [b][rows] of b columns. */
#ifndef ES_BASIS_H
#define ES_BASIS_H

#include "eigenstep/comm.h"

typedef struct es_basis {
  const es_comm *comm;
  int64_t first, rows; /**< rows first .. first + rows - 1 of a vector are on this rank */
  int most, wide;      /**< largest number of columns, of a block's columns */
  int s;               /**< columns so far */
  double *v;           /**< [most][rows] the basis V; owned */
  double *h;           /**< [wide][s] V'Y of the last projection, replicated; owned */
} es_basis;

/** Collective. An empty basis of vectors of which this rank holds `rows` rows; a block
 *  has at most `wide` columns. @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_basis_create(const es_comm *c, int64_t rows, int most, int wide,
                          es_basis *out);
void es_basis_free(es_basis *q);

/** Collective. Y <- Y - V V'Y for b columns; q->h holds V'Y. 4 rows s b operations. */
void es_basis_project(es_basis *q, int b, double *y);

/** Collective. Append the new directions of the b columns of Y, which are orthogonal to V
 *  up to round-off of `scale`; Y is overwritten. Columns that are round-off relative to
 *  `scale` are left out, and so is what does not fit.
 *  @param r  NULL, or [wide][wide], zeroed: column j gets the coefficients of column j of
 *            Y in the new vectors
 *  @return the number of new vectors */
int es_basis_append(es_basis *q, int b, double *y, double scale, double *r);

/** Not collective. Fill the b columns of Y with normal numbers, functions of `column + j`
 *  and of the row alone. */
void es_basis_randomise(const es_basis *q, int column, int b, double *y);

/** A product of column-major arrays. */
typedef struct es_product {
  char ta;     /**< 'T': A is transposed; 'N' */
  int m, n, k; /**< C [m, n], k terms an entry; any may be 0 */
  double alpha;
  const double *a;
  int lda;
  const double *b;
  int ldb;
  double beta;
  double *c;
  int ldc;
} es_product;
/** Not collective. C <- alpha op(A) B + beta C; C is left alone where m or n is 0. */
void es_basis_product(es_product p);

#endif
