/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dmat.c  Block-cyclic matrix: layout, creation, filling, gathering,
 * redistribution.
 *
 *  Global row i is in block i / mb, which process row (i / mb) mod P owns; columns
 *  likewise. The first block is on process (0, 0). A rank may own nothing: then lld is 1
 *  and the array is still a valid pointer, as ScaLAPACK requires. */
#include <limits.h>
#include <string.h>
#include "eigenstep/dmat.h"
#include "eigenstep/mem.h"
#include "scalapack.h"

/* Block size sufficient for level-3 BLAS; larger ones worsen the load balance. */
#define BLOCK_MAX 64

/* Elements copied by a call of pdgemr2d (ScaLAPACK 2.2), which counts the bytes of a
   message in an int and fails from 2^28 elements on. */
#define PIECE ((int64_t) 1 << 27)

/* Number of n rows (columns) in blocks of nb that process `at` of `procs` owns. */
static int local_count(int n, int nb, int at, int procs) {
  const int blocks = n / nb, extra = blocks % procs;
  int count = blocks / procs * nb;
  if (at < extra) count += nb;
  if (at == extra) count += n % nb;
  return count;
}

static int block_size(int rows, int cols, int m, int n) {
  const int small = m < n ? m : n, procs = rows > cols ? rows : cols;
  const int share = (small + procs - 1) / procs;
  return share < BLOCK_MAX ? share : BLOCK_MAX;
}

static void describe(es_dmat *a) {
  a->lm = local_count(a->m, a->mb, a->grid->row, a->grid->rows);
  a->ln = local_count(a->n, a->nb, a->grid->col, a->grid->cols);
  const int desc[9] = {1, a->grid->context, a->m, a->n, a->mb, a->nb, 0, 0, a->lld};
  for (int i = 0; i < 9; i++) a->desc[i] = desc[i];
}

int64_t es_dmat_bytes(int rows, int cols, int m, int n, int nb) {
  if (nb <= 0) nb = block_size(rows, cols, m, n);
  const int64_t lm = local_count(m, nb, 0, rows), ln = local_count(n, nb, 0, cols);
  return (int64_t) sizeof(double) * lm * ln;
}

/* Collective. A matrix with blocks of mb x nb, not necessarily square. */
static es_status create(const es_grid *g, int m, int n, int mb, int nb, es_dmat **a) {
  const int64_t most =
      (int64_t) local_count(m, mb, 0, g->rows) * (int64_t) local_count(n, nb, 0, g->cols);
  ES_CHECK(most <= INT_MAX, ES_EARG,
           "distributed matrix: got %d x %d, %lld elements on one rank, expected at most "
           "%d: use more ranks",
           m, n, (long long) most, INT_MAX);
  es_dmat *d = NULL;
  es_status st = es_alloc(sizeof *d, "distributed matrix", (void **) &d);
  if (st == ES_OK) {
    *d = (es_dmat){.grid = g, .m = m, .n = n, .mb = mb, .nb = nb};
    const int lm = local_count(m, mb, g->row, g->rows);
    d->lld = lm > 0 ? lm : 1;
    describe(d);
    st = es_alloc(sizeof(double) * (size_t) d->lld * (size_t) d->ln, "distributed matrix",
                  (void **) &d->a);
  }
  if (st == ES_OK)
    es_mem_large_pages(d->a, sizeof(double) * (size_t) d->lld * (size_t) d->ln);
  st = es_comm_agree(g->comm, st);
  if (st == ES_OK)
    *a = d;
  else
    es_dmat_destroy(&d);
  return st;
}

es_status es_dmat_create(const es_grid *g, int m, int n, int nb, es_dmat **a) {
  ES_CHECK(m >= 1 && n >= 1, ES_EARG,
           "distributed matrix: got %d x %d, expected at least 1 x 1", m, n);
  if (nb <= 0) nb = block_size(g->rows, g->cols, m, n);
  return create(g, m, n, nb, nb, a);
}

void es_dmat_destroy(es_dmat **a) {
  if (!*a) return;
  es_free(&(*a)->a);
  es_free(a);
}

es_dmat es_dmat_first_cols(const es_dmat *a, int k) {
  es_dmat leading = *a;
  leading.n = k < a->n ? k : a->n;
  describe(&leading);
  return leading;
}

int es_dmat_row(const es_dmat *a, int i) {
  return (i / a->mb * a->grid->rows + a->grid->row) * a->mb + i % a->mb;
}

int es_dmat_col(const es_dmat *a, int j) {
  return (j / a->nb * a->grid->cols + a->grid->col) * a->nb + j % a->nb;
}

void es_dmat_fill(es_dmat *a, double (*f)(void *ctx, int i, int j), void *ctx) {
  for (int j = 0; j < a->ln; j++) {
    double *col = a->a + (size_t) j * a->lld;
    const int gj = es_dmat_col(a, j);
    for (int i = 0; i < a->lm; i++) col[i] = f(ctx, es_dmat_row(a, i), gj);
  }
}

void es_dmat_set_cols(es_dmat *a, int first, int count, const double *x) {
  for (int j = 0; j < a->ln; j++) {
    const int from = es_dmat_col(a, j) - first;
    if (from < 0 || from >= count) continue;
    for (int i = 0; i < a->lm; i++)
      a->a[(size_t) j * (size_t) a->lld + (size_t) i] =
          x[(size_t) from * (size_t) a->m + (size_t) es_dmat_row(a, i)];
  }
}

void es_dmat_get_cols(const es_dmat *a, int first, int count, double *x) {
  memset(x, 0, sizeof *x * (size_t) count * (size_t) a->m);
  for (int j = 0; j < a->ln; j++) {
    const int to = es_dmat_col(a, j) - first;
    if (to < 0 || to >= count) continue;
    for (int i = 0; i < a->lm; i++)
      x[(size_t) to * (size_t) a->m + (size_t) es_dmat_row(a, i)] =
          a->a[(size_t) j * (size_t) a->lld + (size_t) i];
  }
  es_comm_sum_f64(a->grid->comm, x, (int64_t) count * a->m);
}

/* Rows of a from `first` on to all of b, at most `most` elements a call. */
static void copy_pieces(const es_dmat *a, int first, es_dmat *b, int64_t most) {
  const int rows = b->m < most ? b->m : (int) most;
  const int cols = b->n < most / rows ? b->n : (int) (most / rows);
  for (int j = 0; j < b->n; j += cols)
    for (int i = 0; i < b->m; i += rows) {
      const int m = b->m - i < rows ? b->m - i : rows, ia = first + i + 1, ib = i + 1;
      const int n = b->n - j < cols ? b->n - j : cols, ja = j + 1;
      pdgemr2d_(&m, &n, a->a, &ia, &ja, a->desc, b->a, &ib, &ja, b->desc,
                &a->grid->context);
    }
}

es_status es_dmat_copy_pieces(const es_dmat *a, es_dmat *b, int64_t most) {
  ES_CHECK(a->m == b->m && a->n == b->n, ES_EARG,
           "matrix copy: got a target of %d x %d, expected %d x %d", b->m, b->n, a->m,
           a->n);
  copy_pieces(a, 0, b, most);
  return ES_OK;
}

es_status es_dmat_copy(const es_dmat *a, es_dmat *b) {
  return es_dmat_copy_pieces(a, b, PIECE);
}

es_status es_dmat_gather(const es_dmat *a, double *full) {
  const int64_t size = (int64_t) a->m * a->n;
  for (int64_t i = 0; i < size; i++) full[i] = 0;
  for (int j = 0; j < a->ln; j++) {
    const double *col = a->a + (size_t) j * a->lld;
    const int gj = es_dmat_col(a, j);
    for (int i = 0; i < a->lm; i++)
      full[(int64_t) es_dmat_row(a, i) * a->n + gj] = col[i];
  }
  es_comm_sum_f64(a->grid->comm, full, size);
  return ES_OK;
}

/* Collective. Check that n is the same on all ranks and the padded height fits an int. */
static es_status check_rows(const es_comm *c, int64_t n_loc, int n, int64_t *tallest) {
  int64_t most[3] = {n_loc, n, -n};
  es_comm_max_i64(c, most, 3);
  const bool root = c->rank == 0;
  if (most[1] != -most[2] || n < 1) {
    if (root)
      es_error("distributed rows: got %lld to %lld columns, expected the same number, at "
               "least 1, on all ranks",
               (long long) -most[2], (long long) most[1]);
    return ES_EARG;
  }
  if (most[0] > INT_MAX / c->size) {
    if (root)
      es_error("distributed rows: got %lld rows on one of %d ranks, expected at most %d",
               (long long) most[0], c->size, INT_MAX / c->size);
    return ES_EARG;
  }
  *tallest = most[0] > 0 ? most[0] : 1;
  return ES_OK;
}

es_status es_dmat_from_rows(const es_grid *g, const double *x, int64_t n_loc, int n,
                            es_dmat **z) {
  int64_t tallest;
  ES_TRY(check_rows(g->comm, n_loc, n, &tallest));
  /* On a P x 1 grid with blocks of `tallest` rows, each rank owns the rows it holds. */
  es_grid *column = NULL;
  es_dmat *tall = NULL, *out = NULL;
  es_status st = es_grid_create(g->comm, g->comm->size, &column);
  if (st != ES_OK) return st;
  const int m = (int) tallest * g->comm->size;
  ES_TRY_GOTO(create(column, m, n, (int) tallest, n, &tall), done);
  for (int64_t i = 0; i < n_loc; i++)
    for (int j = 0; j < n; j++) tall->a[(int64_t) j * tall->lld + i] = x[i * n + j];
  ES_TRY_GOTO(es_dmat_create(g, m, n, 0, &out), done);
  ES_TRY_GOTO(es_dmat_copy(tall, out), done);
  *z = out;
  out = NULL;
done:
  es_dmat_destroy(&out);
  es_dmat_destroy(&tall);
  es_grid_destroy(&column);
  return st;
}

es_status es_dmat_to_rows(const es_dmat *a, int first, int count, int64_t *n_loc,
                          double **x) {
  const es_comm *const c = a->grid->comm;
  const int tall = (count + c->size - 1) / c->size;
  es_grid *column = NULL;
  es_dmat *rows = NULL;
  es_status st;
  ES_TRY_GOTO(es_grid_create(c, c->size, &column), done);
  ES_TRY_GOTO(create(column, count, a->n, tall, a->n, &rows), done);
  ES_TRY_GOTO(ES_COMM_NEW(c, (int64_t) rows->lm * a->n, x), done);
  copy_pieces(a, first, rows, PIECE);
  for (int i = 0; i < rows->lm; i++)
    for (int j = 0; j < a->n; j++)
      (*x)[(int64_t) i * a->n + j] = rows->a[(int64_t) j * rows->lld + i];
  *n_loc = rows->lm;
done:
  es_dmat_destroy(&rows);
  es_grid_destroy(&column);
  return st;
}
