/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_subspace.c  Few leading pairs of a large matrix by block Krylov iteration
 *  (block Lanczos with full reorthogonalisation; Golub, Van Loan, section 10.3).
 *
 *  The rows of the basis V [n, s] are distributed over the ranks; a product of A with a
 *  block costs 2 n^2 b / P operations and two all-reduces of n b numbers. T = V'AV is
 *  small and replicated; rank 0 decomposes it, as its values decide on the next step. The
 *  pair (theta, V y) has the residual |R y_last|, where Q R is
 *  the part of A times the last block outside the span of V. A block of b vectors finds
 *  at most b copies of an eigenvalue; therefore, after convergence, a random block is
 *  added and the values must not change.
 *
 *  Warm start: the first block consists of random linear combinations of the previous
 *  vectors. A block of all of them would be too wide: a Krylov space needs the fewest
 *  products from a narrow block.
 *
 *  Where iterating does not pay (many pairs, a small matrix, no decay) pdsyevd is
 *  used. */
#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "eig_lapack.h"

extern const es_eig_ops es_eig_syevd;

enum { SMALL = 256, BLOCK = 16, AFTER = 2, WIDEST = 32766 /* for dsyevd of T */ };

/* Tolerances relative to the largest Ritz value: of the residual, of the change after the
   random block, and of the norm of a new vector that counts as round-off. */
#define CONVERGED 2e-14
#define STEADY 1e-13
#define SMALLEST 2e-14

/* Random part added to a warm start: far above round-off, so that no Ritz vector
   converges before missing directions appear; far below the change between matrices, so
   that it does not delay convergence. */
#define PERTURBATION 1e-8

typedef struct krylov {
  const es_dmat *a;
  const es_comm *comm;
  int n, k, most;      /* most: largest number of basis columns */
  int64_t first, rows; /* rows of the basis on this rank */
  int s, b, last; /* columns of basis and last block; first column of the last block */
  double *v;      /* [most][rows] basis, by columns */
  double *y;      /* [2 BLOCK][rows] A times the last block, then its new part */
  double *full, *part, *in; /* [BLOCK 2][n] replicated; local product and its input */
  double *t, *ritz, *theta; /* [most][most] V'AV; its vectors; values */
  double *h, *r;            /* [2 BLOCK][most] coefficients; [2 BLOCK][2 BLOCK] Q R */
} krylov;

static void gemm(char ta, int m, int n, int k, double alpha, const double *a, int lda,
                 const double *b, int ldb, double beta, double *c, int ldc) {
  if (m == 0 || n == 0) return;
  cblas_dgemm(CblasColMajor, ta == 'T' ? CblasTrans : CblasNoTrans, CblasNoTrans, m, n, k,
              alpha, a, lda > 0 ? lda : 1, b, ldb > 0 ? ldb : 1, beta, c, ldc);
}

static int lead(const krylov *q) {
  return q->rows > 0 ? (int) q->rows : 1;
}

/* full <- columns of `slice` [b][rows], gathered on all ranks. */
static void replicate(const krylov *q, const double *slice, int b) {
  memset(q->full, 0, sizeof(double) * (size_t) q->n * (size_t) b);
  for (int j = 0; j < b; j++)
    memcpy(q->full + (size_t) j * (size_t) q->n + q->first,
           slice + (size_t) j * (size_t) q->rows, (size_t) q->rows * sizeof(double));
  es_comm_sum_f64(q->comm, q->full, (int64_t) q->n * b);
}

/* y <- this rank's rows of M times the b columns of `full` [b][columns of M]. */
static void times(krylov *q, const es_dmat *m, int b) {
  for (int j = 0; j < b; j++)
    for (int i = 0; i < m->ln; i++)
      q->in[(size_t) j * (size_t) m->ln + (size_t) i] =
          q->full[(size_t) j * (size_t) m->n + (size_t) es_dmat_col(m, i)];
  memset(q->part, 0, sizeof(double) * (size_t) m->lm * (size_t) b);
  if (m->ln > 0)
    gemm('N', m->lm, b, m->ln, 1, m->a, m->lld, q->in, m->ln, 0, q->part, m->lm);
  memset(q->full, 0, sizeof(double) * (size_t) q->n * (size_t) b);
  for (int j = 0; j < b; j++)
    for (int i = 0; i < m->lm; i++)
      q->full[(size_t) j * (size_t) q->n + (size_t) es_dmat_row(m, i)] =
          q->part[(size_t) j * (size_t) m->lm + (size_t) i];
  es_comm_sum_f64(q->comm, q->full, (int64_t) q->n * b);
  for (int j = 0; j < b; j++)
    memcpy(q->y + (size_t) j * (size_t) q->rows,
           q->full + (size_t) j * (size_t) q->n + q->first,
           (size_t) q->rows * sizeof(double));
}

/* y <- this rank's rows of A times the last block. */
static void multiply(krylov *q) {
  replicate(q, q->v + (size_t) q->last * (size_t) q->rows, q->b);
  times(q, q->a, q->b);
}

/* y <- y - V V'y for b columns; h <- V'y. */
static void project(krylov *q, int b) {
  const int ld = lead(q), rows = (int) q->rows;
  memset(q->h, 0, sizeof(double) * (size_t) q->s * (size_t) b);
  if (rows > 0) gemm('T', q->s, b, rows, 1, q->v, ld, q->y, ld, 0, q->h, q->s);
  es_comm_sum_f64(q->comm, q->h, (int64_t) q->s * b);
  gemm('N', rows, b, q->s, -1, q->v, ld, q->h, q->s, 1, q->y, ld);
}

/* Store V'A times the last block in T. */
static void store_coefficients(krylov *q) {
  for (int j = 0; j < q->b; j++)
    for (int i = 0; i < q->s; i++) {
      const double x = q->h[(size_t) j * (size_t) q->s + (size_t) i];
      const size_t col = (size_t) (q->last + j), most = (size_t) q->most;
      q->t[col * most + (size_t) i] = x;
      q->t[(size_t) i * most + col] = x;
    }
}

static double norm(const krylov *q, const double *a) {
  double sum = 0;
  for (int64_t i = 0; i < q->rows; i++) sum += a[i] * a[i];
  es_comm_sum_f64(q->comm, &sum, 1);
  return sqrt(sum);
}

/* Orthonormalise the columns of y and store them after the basis (s is not changed),
   omitting those that are round-off relative to `scale`. r [2 BLOCK][2 BLOCK] or NULL:
   column j gets the coefficients of column j of y. Returns the number of columns
   stored. */
static int orthonormalise(krylov *q, int b, double scale, double *r) {
  const int ld = lead(q), rows = (int) q->rows;
  double *to = q->v + (size_t) q->s * (size_t) q->rows;
  int kept = 0;
  for (int j = 0; j < b && q->s + kept < q->most; j++) {
    double *y = q->y + (size_t) j * (size_t) q->rows, c[2 * BLOCK] = {0};
    for (int pass = 0; pass < 2 && kept > 0; pass++) {
      memset(c, 0, sizeof c);
      if (rows > 0) gemm('T', kept, 1, rows, 1, to, ld, y, ld, 0, c, kept);
      es_comm_sum_f64(q->comm, c, kept);
      gemm('N', rows, 1, kept, -1, to, ld, c, kept, 1, y, ld);
      for (int i = 0; r != NULL && i < kept; i++) r[j * 2 * BLOCK + i] += c[i];
    }
    const double size = norm(q, y);
    if (size <= SMALLEST * scale) continue;
    if (r != NULL) r[j * 2 * BLOCK + kept] = size;
    double *v = to + (size_t) kept * (size_t) q->rows;
    for (int64_t l = 0; l < q->rows; l++) v[l] = y[l] / size;
    kept++;
  }
  return kept;
}

/* Append the new directions of the b columns of y. These are orthogonal to the basis up
   to round-off of `scale`; small ones are orthogonalised again once normalised. */
static void append(krylov *q, int b, double scale) {
  memset(q->r, 0, sizeof(double) * 4 * BLOCK * BLOCK);
  const int kept = orthonormalise(q, b, scale, q->r);
  memcpy(q->y, q->v + (size_t) q->s * (size_t) q->rows,
         sizeof(double) * (size_t) kept * (size_t) q->rows);
  if (q->s > 0) project(q, kept);
  q->b = orthonormalise(q, kept, 1, NULL);
  q->last = q->s;
  q->s += q->b;
}

/* Random columns at .. at + b - 1 of y; entries depend on column and global row only. */
static void randomise(krylov *q, int at, int b) {
  for (int j = 0; j < b; j++) {
    const uint64_t column = (uint64_t) (q->s + j);
    for (int64_t i = 0; i < q->rows; i++) {
      es_rng r =
          es_rng_at(1, ES_STREAM_EIG, (uint64_t) (q->first + i), (uint32_t) column);
      q->y[(size_t) (at + j) * (size_t) q->rows + (size_t) i] = es_rng_normal(&r);
    }
  }
}

/* Append a block of random vectors. */
static void append_random(krylov *q) {
  randomise(q, 0, BLOCK);
  if (q->s > 0) project(q, BLOCK);
  append(q, BLOCK, 1);
}

/* First block of a warm start: random combinations of the given vectors, plus a small
   random part from which new directions, orthogonal to all of them, can grow. */
static void warm_start(krylov *q, const es_dmat *start) {
  for (int j = 0; j < BLOCK; j++)
    for (int i = 0; i < start->n; i++) {
      es_rng r = es_rng_at(1, ES_STREAM_EIG, (uint64_t) i, (uint32_t) (q->most + j));
      q->full[(size_t) j * (size_t) start->n + (size_t) i] = es_rng_normal(&r);
    }
  times(q, start, BLOCK);
  randomise(q, BLOCK, BLOCK);
  for (size_t i = 0; i < (size_t) BLOCK * (size_t) q->rows; i++)
    q->y[i] += PERTURBATION * q->y[(size_t) BLOCK * (size_t) q->rows + i];
  append(q, BLOCK, 1);
}

/* Extend the basis by A times the last block; `fresh`: and by random vectors. */
static void extend(krylov *q, bool fresh) {
  double scale = 0;
  int b = q->b;
  multiply(q);
  project(q, b);
  store_coefficients(q);
  for (int i = 0; i < q->s; i++)
    scale = fmax(scale, fabs(q->t[(size_t) i * (size_t) q->most + (size_t) i]));
  project(q, b);
  if (fresh && b <= BLOCK) {
    randomise(q, b, BLOCK);
    b += BLOCK;
    project(q, b);
  }
  append(q, b, scale);
}

/* Ritz pairs in descending order, from those of -T in ascending order. */
static es_status decompose_here(krylov *q, int s) {
  double size = 0, *work = NULL;
  int isize = 0, *iwork = NULL, info = 0;
  const int query = -1;
  for (int j = 0; j < s; j++)
    for (int i = 0; i < s; i++)
      q->ritz[(size_t) j * (size_t) s + (size_t) i] =
          -q->t[(size_t) j * (size_t) q->most + (size_t) i];
  dsyevd_("V", "L", &s, q->ritz, &s, q->theta, &size, &query, &isize, &query, &info);
  const int lwork = (int) size, liwork = isize;
  es_status st = ES_NEW(lwork, &work);
  if (st == ES_OK) st = ES_NEW(liwork, &iwork);
  if (st == ES_OK)
    dsyevd_("V", "L", &s, q->ritz, &s, q->theta, work, &lwork, iwork, &liwork, &info);
  for (int i = 0; i < s; i++) q->theta[i] = -q->theta[i];
  es_free(&iwork);
  es_free(&work);
  return st == ES_OK && info != 0 ? ES_EMATH : st;
}

/* Collective. Rank 0's pairs on all ranks: unlike processors round differently, and the
   next step depends on them. */
static es_status decompose(krylov *q, int s) {
  const size_t n = (size_t) s;
  ES_TRY(es_comm_agree(q->comm, q->comm->rank == 0 ? decompose_here(q, s) : ES_OK));
  es_comm_bcast(q->comm, q->theta, n * sizeof *q->theta, 0);
  es_comm_bcast(q->comm, q->ritz, n * n * sizeof *q->ritz, 0);
  return ES_OK;
}

/* Largest residual of the k leading pairs of a basis of `before` columns (without the
   newest block), whose last `width` columns gave the remainder R. */
static double residual(const krylov *q, int before, int width) {
  double worst = 0;
  for (int p = 0; p < q->k; p++) {
    const double *y = q->ritz + (size_t) p * (size_t) before + (before - width);
    double sum = 0;
    for (int i = 0; i < q->b; i++) {
      double x = 0;
      for (int j = 0; j < width; j++) x += q->r[j * 2 * BLOCK + i] * y[j];
      sum += x * x;
    }
    worst = fmax(worst, sqrt(sum));
  }
  return worst / fmax(fabs(q->theta[0]), fabs(q->theta[before - 1]));
}

/* Iterate until the k leading pairs have converged and do not change when random vectors
   are added. *size: number of basis columns used; 0 if the basis is full before that. */
static es_status converge(krylov *q, double *values, int *size) {
  int due = 2 * q->k, wait = 0;
  bool before = false, fresh = false;
  *size = 0;
  while (q->s + 2 * BLOCK <= q->most) {
    if (q->b == 0) append_random(q);
    const int s = q->s, width = q->b;
    extend(q, fresh);
    fresh = false;
    if (wait-- > 0 || s < q->k || (s < due && q->b > 0)) continue;
    ES_TRY(decompose(q, s));
    due = s + s / 5;
    if (residual(q, s, width) > CONVERGED) continue;
    double change = 0;
    for (int p = 0; p < q->k; p++) change = fmax(change, fabs(values[p] - q->theta[p]));
    if (before && change <= STEADY * fabs(q->theta[0])) {
      *size = s;
      return ES_OK;
    }
    memcpy(values, q->theta, (size_t) q->k * sizeof *values);
    before = fresh = true;
    wait = AFTER;
    due = 0;
  }
  return ES_OK;
}

/* First k columns of v <- V y, converted from distributed rows to blocks. */
static void compute_vectors(krylov *q, int size, es_dmat *v) {
  for (int from = 0; from < q->k; from += 2 * BLOCK) {
    const int b = q->k - from < 2 * BLOCK ? q->k - from : 2 * BLOCK;
    gemm('N', (int) q->rows, b, size, 1, q->v, lead(q),
         q->ritz + (size_t) from * (size_t) size, size, 0, q->y, lead(q));
    replicate(q, q->y, b);
    for (int j = 0; j < v->ln; j++) {
      const int col = es_dmat_col(v, j) - from;
      if (col < 0 || col >= b) continue;
      for (int i = 0; i < v->lm; i++)
        v->a[(size_t) j * (size_t) v->lld + (size_t) i] =
            q->full[(size_t) col * (size_t) q->n + (size_t) es_dmat_row(v, i)];
    }
  }
}

static es_status allocate(krylov *q) {
  const size_t most = (size_t) q->most, wide = 2 * BLOCK, n = (size_t) q->n;
  const size_t rows = (size_t) q->rows;
  es_status st = ES_NEW(most * rows, &q->v);
  if (st == ES_OK) st = ES_NEW(wide * rows, &q->y);
  if (st == ES_OK) st = ES_NEW(wide * n, &q->full);
  if (st == ES_OK) st = ES_NEW(wide * (size_t) q->a->lm, &q->part);
  if (st == ES_OK) st = ES_NEW(wide * (size_t) q->a->ln, &q->in);
  if (st == ES_OK) st = ES_NEW(most * most, &q->t);
  if (st == ES_OK) st = ES_NEW(most * most, &q->ritz);
  if (st == ES_OK) st = ES_NEW(most, &q->theta);
  if (st == ES_OK) st = ES_NEW(most * wide, &q->h);
  if (st == ES_OK) st = ES_NEW(wide * wide, &q->r);
  return es_comm_agree(q->comm, st);
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

static es_status iterate(const es_dmat *a, int k, const es_dmat *start, double *w,
                         es_dmat *v) {
  const es_comm *c = a->grid->comm;
  krylov q = {.a = a, .comm = c, .n = a->n, .k = k};
  q.most = 8 * k + 32 * BLOCK < a->n / 2 ? 8 * k + 32 * BLOCK : a->n / 2;
  if (q.most > WIDEST) q.most = WIDEST;
  if (a->n < SMALL || k > a->n / 8 || k > WIDEST / 8) return solve_in_full(a, k, w, v);
  es_comm_local_range(c, a->n, &q.first, &q.rows);
  int size = 0;
  es_status st = allocate(&q);
  if (st == ES_OK && start != NULL) warm_start(&q, start);
  if (st == ES_OK) st = converge(&q, w, &size);
  if (st == ES_OK && size > 0) {
    memcpy(w, q.theta, (size_t) k * sizeof *w);
    compute_vectors(&q, size, v);
  }
  double *owned[] = {q.v, q.y, q.full, q.part, q.in, q.t, q.ritz, q.theta, q.h, q.r};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(&owned[i]);
  ES_TRY(st);
  if (size > 0) return ES_OK;
  es_info("subspace: %d pairs of a matrix of order %d did not converge in a basis of %d "
          "columns; using pdsyevd",
          k, a->n, q.most);
  return solve_in_full(a, k, w, v);
}

const es_eig_ops es_eig_subspace = {
    .name = "subspace",
    .doc = "block Krylov iteration, few leading pairs of a large matrix",
    .iterate = iterate,
};
