/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_subspace.c  Few leading pairs of a large distributed matrix by Krylov
 *  iteration (krylov.c); a product costs 2 n^2 b / P operations.
 *
 *  Warm start: the first block consists of random linear combinations of the previous
 *  vectors. A block of all of them would be too wide: a Krylov space needs the fewest
 *  products from a narrow block.
 *
 *  Where iterating does not pay (many pairs, a small matrix, no decay) pdsyevd is
 *  used. */
#include <cblas.h>
#include <string.h>
#include "eigenstep/basis.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "krylov.h"
#include "symmetric_product.h"

extern const es_eig_ops es_eig_syevd;

/* OpenBLAS has it; other libraries need not. */
int openblas_get_num_threads(void) __attribute__((weak));

/* 64 pairs of 1/i from 4,096 need 264 vectors in blocks of 8, 368 in blocks of 16; with 8
   symmetric_product.c takes about as long to read a large matrix as to compute. */
enum { SMALL = 256, BLOCK = 8 };

/* Elements of A on this rank from which its products take all threads. Those of OpenMP
   spin when they are done, beside those of the BLAS: 64 pairs of 2,048 took 0.35 s with
   two of each and 0.15 s with one for these products. */
enum { THREADED = 1 << 25 };

_Static_assert((int) ES_KRYLOV_WIDE <= (int) ES_SYMMETRIC_MOST, "vectors at once");

/* Random part added to a warm start: far above round-off, so that no Ritz vector
   converges before missing directions appear; far below the change between matrices, so
   that it does not delay convergence. */
#define PERTURBATION 1e-8

/* A matrix whose blocks multiply a replicated one. */
typedef struct factor {
  const es_dmat *m;
  double *part, *in; /* [WIDE][rows here], [WIDE][columns here] */
} factor;

/* full [b][m] <- M times full [b][n], replicated. */
static void times(void *ctx, int b, double *full) {
  const factor *f = ctx;
  const es_dmat *m = f->m;
  for (int j = 0; j < b; j++)
    for (int i = 0; i < m->ln; i++)
      f->in[(size_t) j * (size_t) m->ln + (size_t) i] =
          full[(size_t) j * (size_t) m->n + (size_t) es_dmat_col(m, i)];
  memset(f->part, 0, sizeof(double) * (size_t) m->lm * (size_t) b);
  const es_product p = {'N',    m->lm, b,     m->ln, 1,       m->a,
                        m->lld, f->in, m->ln, 0,     f->part, m->lm};
  if (m->ln > 0) es_basis_product(p);
  memset(full, 0, sizeof(double) * (size_t) m->m * (size_t) b);
  for (int j = 0; j < b; j++)
    for (int i = 0; i < m->lm; i++)
      full[(size_t) j * (size_t) m->m + (size_t) es_dmat_row(m, i)] =
          f->part[(size_t) j * (size_t) m->lm + (size_t) i];
  es_comm_sum_f64(m->grid->comm, full, (int64_t) m->m * b);
}

static int threads_for(const es_dmat *a) {
  const bool all =
      (int64_t) a->lm * a->ln >= THREADED && openblas_get_num_threads != NULL;
  return all ? openblas_get_num_threads() : 1;
}

/* full [b][n] <- A times full, replicated, for a symmetric A. */
static void times_symmetric(void *ctx, int b, double *full) {
  const es_symmetric *s = ctx;
  es_symmetric_product(s, b, full);
  es_comm_sum_f64(s->a->grid->comm, full, (int64_t) s->a->n * b);
}

static es_status open_factor(const es_dmat *m, factor *f) {
  f->m = m;
  es_status st = ES_NEW(ES_KRYLOV_WIDE * (size_t) m->lm, &f->part);
  if (st == ES_OK) st = ES_NEW(ES_KRYLOV_WIDE * (size_t) m->ln, &f->in);
  return es_comm_agree(m->grid->comm, st);
}

static void close_factor(factor *f) {
  es_free(&f->in);
  es_free(&f->part);
}

/* Random combinations of the columns of `start`, plus a small random part from which new
   directions, orthogonal to all of them, can grow. y: [BLOCK][rows], new; most: number of
   a column that no basis has. */
static es_status warm_start(const es_dmat *start, int most, double **y) {
  const es_comm *c = start->grid->comm;
  const size_t n = (size_t) start->m, k = (size_t) start->n;
  es_basis shape = {.comm = c};
  factor f = {0};
  double *full = NULL;
  int64_t rows;
  es_comm_local_range(c, start->m, &shape.first, &rows);
  shape.rows = rows;
  es_status st = ES_NEW((size_t) BLOCK * n, &full);
  if (st == ES_OK) st = ES_NEW((size_t) BLOCK * (size_t) rows, y);
  st = es_comm_agree(c, st);
  if (st == ES_OK) st = open_factor(start, &f);
  if (st == ES_OK) {
    for (size_t j = 0; j < BLOCK; j++)
      for (size_t i = 0; i < k; i++) {
        es_rng r = es_rng_at(1, ES_STREAM_EIG, i, (uint32_t) ((size_t) most + j));
        full[j * k + i] = es_rng_normal(&r);
      }
    times(&f, BLOCK, full);
    es_basis_randomise(&shape, 0, BLOCK, *y);
    for (size_t j = 0; j < BLOCK; j++)
      for (size_t i = 0; i < (size_t) rows; i++) {
        double *at = &(*y)[j * (size_t) rows + i];
        *at = full[j * n + (size_t) shape.first + i] + PERTURBATION * *at;
      }
  }
  close_factor(&f);
  es_free(&full);
  return st;
}

/* All pairs by the direct solver, on copies: it overwrites A and needs all columns. */
static es_status solve_in_full(const es_dmat *a, int k, double *w, es_dmat *v) {
  es_dmat *work = NULL, *all = NULL;
  es_status st = es_dmat_create(a->grid, a->n, a->n, a->nb, &work);
  if (st == ES_OK) st = es_dmat_create(a->grid, a->n, a->n, a->nb, &all);
  if (st == ES_OK) {
    memcpy(work->a, a->a, sizeof(double) * (size_t) a->lld * (size_t) a->ln);
    st = es_eig_syevd.solve(work, k, w, all);
    /* the first k columns of the same blocks on the same grid */
    memcpy(v->a, all->a, sizeof(double) * (size_t) v->lld * (size_t) v->ln);
  }
  es_dmat_destroy(&all);
  es_dmat_destroy(&work);
  return st;
}

static es_status krylov(const es_dmat *a, int k, const es_dmat *start, double *w,
                        es_dmat *v) {
  factor f = {0};
  es_symmetric half = {0};
  es_eig_operator op = {.comm = a->grid->comm, .n = a->n, .apply = times, .ctx = &f};
  es_krylov o = {.a = &op, .k = k, .block = BLOCK, .most = es_krylov_most(a->n, k)};
  double *first = NULL;
  bool converged = false;
  es_status st;
  if (ES_SYMMETRIC_PAYS) {
    op.apply = times_symmetric;
    op.ctx = &half;
    st = es_comm_agree(op.comm, es_symmetric_open(a, threads_for(a), &half));
  } else {
    st = open_factor(a, &f);
  }
  if (st == ES_OK && start != NULL) st = warm_start(start, o.most, &first);
  o.start = first;
  if (st == ES_OK) st = es_krylov_solve(&o, w, v, &converged);
  es_free(&first);
  es_symmetric_close(&half);
  close_factor(&f);
  ES_TRY(st);
  if (converged) return ES_OK;
  es_info_once(
      "subspace: %d pairs of a matrix of order %d did not converge in a basis of "
      "%d columns; they come from pdsyevd, which without the attempt is faster: "
      "take the solver syevd, or fewer pairs",
      k, a->n, o.most);
  return solve_in_full(a, k, w, v);
}

static es_status iterate(const es_dmat *a, int k, const es_dmat *start, double *w,
                         es_dmat *v) {
  const bool pays = a->n >= SMALL && k <= a->n / 8 && k <= ES_KRYLOV_WIDEST / 8;
  return pays ? krylov(a, k, start, w, v) : solve_in_full(a, k, w, v);
}

const es_eig_ops es_eig_subspace = {
    .name = "subspace",
    .doc = "block Krylov iteration, few leading pairs of a large matrix",
    .iterate = iterate,
};
