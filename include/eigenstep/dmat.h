/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dmat.h  Block-cyclic distributed matrix of doubles (ScaLAPACK layout), and the
 *  algebra on it. Local blocks are column-major with leading dimension lld, as in
 *  ScaLAPACK.
 *
 *  Memory per rank of an m x n matrix: about 8 m n / P bytes. */
#ifndef ES_DMAT_H
#define ES_DMAT_H

#include "eigenstep/grid.h"

typedef struct es_dmat {
  const es_grid *grid; /**< borrowed; must outlive the matrix */
  int m, n;            /**< global size */
  int mb, nb;          /**< block size */
  int lm, ln, lld;     /**< local rows, columns, leading dimension (>= 1) */
  int desc[9];         /**< ScaLAPACK descriptor */
  double *a;           /**< [ln][lld] owned local blocks */
} es_dmat;

/** Collective. A zeroed m x n matrix (m, n >= 1), square blocks of nb (0 = automatic: at
 *  most 64, smaller for small matrices so that every rank owns a part).
 *  @return ES_OK, ES_EARG, ES_ENOMEM: the same on all ranks */
es_status es_dmat_create(const es_grid *g, int m, int n, int nb, es_dmat **a);
/** Not collective. Free the local blocks and set *a to NULL. */
void es_dmat_destroy(es_dmat **a);

/** Not collective. Largest number of bytes es_dmat_create allocates on a rank of a rows x
 *  cols grid; for dry runs. */
int64_t es_dmat_bytes(int rows, int cols, int m, int n, int nb);

/** Not collective. The first k columns of A as a matrix that shares the blocks of A:
 *  valid as long as A, not to be destroyed. */
es_dmat es_dmat_first_cols(const es_dmat *a, int k);

/** Not collective. Global row (column) of local row i (column j). */
int es_dmat_row(const es_dmat *a, int i);
int es_dmat_col(const es_dmat *a, int j);

/** Not collective. Fill a(i,j) = f(ctx, i, j), global indices. */
void es_dmat_fill(es_dmat *a, double (*f)(void *ctx, int i, int j), void *ctx);

/** Not collective. Columns first .. first + count - 1 of A from x [count][m], which is
 *  the same on all ranks. */
void es_dmat_set_cols(es_dmat *a, int first, int count, const double *x);
/** Collective. The inverse: x [count][m], replicated. */
void es_dmat_get_cols(const es_dmat *a, int first, int count, double *x);

/** Collective. Matrix from rows distributed over the ranks: rank r holds x [n_loc, n],
 *  row-major. The result Z has P * max(n_loc) rows: those of rank r start at row
 *  r * max(n_loc), followed by zero rows, which do not change Z'Z. No rank holds Z whole.
 *  @return ES_OK, ES_EARG if n differs between ranks, ES_ENOMEM: same on all ranks */
es_status es_dmat_from_rows(const es_grid *g, const double *x, int64_t n_loc, int n,
                            es_dmat **z);

/** Collective. The inverse: rows first .. first + count - 1 of A, spread over the ranks
 *  in blocks of ceil(count / P): x [*n_loc, n], row-major, new, the caller frees it with
 *  es_free. The last ranks may get fewer rows, or none.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_dmat_to_rows(const es_dmat *a, int first, int count, int64_t *n_loc,
                          double **x);

/** Collective. B <- A, any block sizes and grids over the same ranks (pdgemr2d).
 *  @return ES_OK, ES_EARG (sizes differ) */
es_status es_dmat_copy(const es_dmat *a, es_dmat *b);
/** The same in pieces of at most `most` >= 1 elements, no message longer than that. */
es_status es_dmat_copy_pieces(const es_dmat *a, es_dmat *b, int64_t most);

/** Collective. C <- alpha A'A + beta C, both triangles valid. A is k x n, C n x n. */
es_status es_dmat_syrk(double alpha, const es_dmat *a, double beta, es_dmat *c);

/** Collective. C <- alpha (A'B + B'A) + beta C, both triangles valid. */
es_status es_dmat_syr2k(double alpha, const es_dmat *a, const es_dmat *b, double beta,
                        es_dmat *c);

/** Collective. C <- alpha op(A) op(B) + beta C.
 *  @param op  "NN", "TN", "NT" or "TT": first letter for A, second for B; T transposes
 *  @return ES_OK, ES_EARG (grids or shapes do not match): the same on all ranks */
es_status es_dmat_gemm(const char *op, double alpha, const es_dmat *a, const es_dmat *b,
                       double beta, es_dmat *c);

/** Collective. Trace of a square matrix; Frobenius norm; the whole matrix on every
 *  rank, row-major [m, n] (small matrices and tests only). */
double es_dmat_trace(const es_dmat *a);
double es_dmat_norm(const es_dmat *a);
es_status es_dmat_gather(const es_dmat *a, double *full);

/** Collective. A' [n, m], new. @return ES_OK, ES_EARG (size), ES_ENOMEM */
es_status es_dmat_transpose(const es_dmat *a, es_dmat **t);

/** Collective. A [m, n] = Q R by Householder reflections: Q [m, r] of orthonormal columns
 *  to round-off however A is conditioned, R [r, n] upper triangular, r = min(m, n); both
 *  new, of A's block size. About 4 m n r / P operations. A is overwritten.
 *  @return ES_OK, ES_EARG (size), ES_EMATH, ES_ENOMEM: the same on all ranks */
es_status es_dmat_qr(es_dmat *a, es_dmat **q, es_dmat **r);

#endif
