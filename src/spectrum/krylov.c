/* SPDX-License-Identifier: BSD-3-Clause */
/** @file krylov.c  Block Krylov iteration (block Lanczos with full reorthogonalisation;
 *  Golub, Van Loan, section 10.3).
 *
 *  A product with a block costs what the operator costs, and an all-reduce of n b
 *  numbers. T = V'AV is small and replicated; rank 0 decomposes it, as its values decide
 *  on the next step. The pair (theta, V y) has the residual |R y_last|, where Q R is the
 *  part of A times the last block outside the span of V. A block of b vectors finds at
 *  most b copies of an eigenvalue; therefore, once the values are known, random vectors
 *  are added to the block and the values must not change. */
#include <math.h>
#include <string.h>
#include "eigenstep/basis.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "krylov.h"

enum { WIDE = ES_KRYLOV_WIDE, AFTER = 3 };

/* Tolerances relative to the largest Ritz value: of the residual; of the change after
   random vectors came in; and the residual from which values, whose errors are of its
   square, are known to that. */
#define CONVERGED 1e-13
#define STEADY 1e-13
#define KNOWN 1e-9

typedef struct krylov {
  const es_eig_operator *a;
  int k, block, fresh; /* pairs; columns of the first block, of random ones later */
  es_basis q;
  int b, last;              /* columns of the last block; its first column */
  double *y;                /* [WIDE][rows] A times the last block, then its new part */
  double *full;             /* [WIDE][n] replicated */
  double *t, *ritz, *theta; /* [most][most] V'AV; its vectors; values */
  double *r;                /* [WIDE][WIDE] Q R */
  double far;               /* the residual when it was last looked at, with */
  int at;                   /* so many columns */
} krylov;

static int lead(const krylov *q) {
  return q->q.rows > 0 ? (int) q->q.rows : 1;
}

/* full <- columns of `slice` [b][rows], gathered on all ranks. */
static void replicate(const krylov *q, const double *slice, int b) {
  const size_t n = (size_t) q->a->n, rows = (size_t) q->q.rows;
  memset(q->full, 0, sizeof(double) * n * (size_t) b);
  for (int j = 0; j < b; j++)
    memcpy(q->full + (size_t) j * n + q->q.first, slice + (size_t) j * rows,
           rows * sizeof(double));
  es_comm_sum_f64(q->a->comm, q->full, (int64_t) q->a->n * b);
}

/* y <- this rank's rows of A times the last block. */
static void multiply(krylov *q) {
  const size_t n = (size_t) q->a->n, rows = (size_t) q->q.rows;
  replicate(q, q->q.v + (size_t) q->last * rows, q->b);
  q->a->apply(q->a->ctx, q->b, q->full);
  for (int j = 0; j < q->b; j++)
    memcpy(q->y + (size_t) j * rows, q->full + (size_t) j * n + q->q.first,
           rows * sizeof(double));
}

/* Store V'A times the last block in T. */
static void store_coefficients(krylov *q) {
  const size_t most = (size_t) q->q.most;
  for (int j = 0; j < q->b; j++)
    for (int i = 0; i < q->q.s; i++) {
      const double x = q->q.h[(size_t) j * (size_t) q->q.s + (size_t) i];
      const size_t col = (size_t) (q->last + j);
      q->t[col * most + (size_t) i] = x;
      q->t[(size_t) i * most + col] = x;
    }
}

/* Append the new directions of the b columns of y. */
static void append(krylov *q, int b, double scale) {
  memset(q->r, 0, sizeof(double) * WIDE * WIDE);
  q->last = q->q.s;
  q->b = es_basis_append(&q->q, b, q->y, scale, q->r);
}

/* Append a block of random vectors. */
static void append_random(krylov *q) {
  es_basis_randomise(&q->q, q->q.s, q->block, q->y);
  es_basis_project(&q->q, q->block, q->y);
  append(q, q->block, 1);
}

/* Extend the basis by A times the last block; `fresh`: and by random vectors. Appending
   projects a second time. */
static void extend(krylov *q, bool fresh) {
  double scale = 0;
  int b = q->b;
  multiply(q);
  es_basis_project(&q->q, b, q->y);
  store_coefficients(q);
  for (int i = 0; i < q->q.s; i++)
    scale = fmax(scale, fabs(q->t[(size_t) i * (size_t) q->q.most + (size_t) i]));
  if (fresh) {
    es_basis_randomise(&q->q, q->q.s, q->fresh, q->y + (size_t) b * (size_t) q->q.rows);
    b += q->fresh;
    es_basis_project(&q->q, b, q->y);
  }
  append(q, b, scale);
}

/* Ritz pairs in descending order, from those of -T in ascending order. */
static es_status decompose_here(krylov *q, int s) {
  for (int j = 0; j < s; j++)
    for (int i = 0; i < s; i++)
      q->ritz[(size_t) j * (size_t) s + (size_t) i] =
          -q->t[(size_t) j * (size_t) q->q.most + (size_t) i];
  ES_TRY(es_eig_dense(s, q->ritz, q->theta));
  for (int i = 0; i < s; i++) q->theta[i] = -q->theta[i];
  return ES_OK;
}

/* Collective. Rank 0's pairs on all ranks: unlike processors round differently, and the
   next step depends on them. */
static es_status decompose(krylov *q, int s) {
  const size_t n = (size_t) s;
  ES_TRY(es_comm_agree(q->a->comm, q->a->comm->rank == 0 ? decompose_here(q, s) : ES_OK));
  es_comm_bcast(q->a->comm, q->theta, n * sizeof *q->theta, 0);
  es_comm_bcast(q->a->comm, q->ritz, n * n * sizeof *q->ritz, 0);
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
      for (int j = 0; j < width; j++) x += q->r[j * WIDE + i] * y[j];
      sum += x * x;
    }
    worst = fmax(worst, sqrt(sum));
  }
  return worst / fmax(fabs(q->theta[0]), fabs(q->theta[before - 1]));
}

/* The share of the work that is done, as the residual falls evenly on a logarithmic
   scale. */
static void tell(double residual) {
  if (residual > 0 && residual < 1)
    es_progress_at(fmin(log(residual) / log(CONVERGED), 1), 1);
}

/* Collective. Columns until the residual, now `far` with s of them, is at `goal`: as it
   fell since the last look, at most a fifth more. A look costs as much as a step. */
static int columns_until(krylov *q, int s, double far, double goal) {
  const double fall = s > q->at && far > 0 ? log(q->far / far) / (s - q->at) : 0;
  int more = far > goal ? s / 5 : 0;
  if (more > 0 && fall > 0 && log(far / goal) < fall * more)
    more = (int) (log(far / goal) / fall);
  es_comm_bcast(q->a->comm, &more, sizeof more, 0);
  q->far = far;
  q->at = s;
  return more;
}

/* Did the k leading values change since they were `values`? */
static bool changed(const krylov *q, const double *values) {
  double change = 0;
  for (int p = 0; p < q->k; p++) change = fmax(change, fabs(values[p] - q->theta[p]));
  return change > STEADY * fabs(q->theta[0]);
}

/* Iterate until the k leading pairs have converged and their values did not change when
   random vectors came in. *size: number of basis columns used; 0 if the basis is full
   before that, or the block while values still change. */
static es_status converge(krylov *q, double *values, int *size) {
  int due = 2 * q->k, wait = 0;
  bool known = false, fresh = false;
  *size = 0;
  while (q->q.s + WIDE <= q->q.most) {
    if (q->b == 0) append_random(q);
    const int s = q->q.s, width = q->b;
    extend(q, fresh);
    fresh = false;
    if (wait-- > 0 || s < q->k || (s < due && q->b > 0)) continue;
    ES_TRY(decompose(q, s));
    const double far = residual(q, s, width);
    tell(far);
    if (far <= CONVERGED && known && !changed(q, values)) {
      *size = s;
      return ES_OK;
    }
    if (far <= (known ? CONVERGED : KNOWN)) {
      if (q->b + q->fresh > WIDE) return ES_OK;
      memcpy(values, q->theta, (size_t) q->k * sizeof *values);
      known = fresh = true;
      wait = AFTER;
    }
    due = s + columns_until(q, s, far, known ? CONVERGED : KNOWN);
  }
  return ES_OK;
}

/* First k columns of v <- V y, converted from distributed rows to blocks. */
static void compute_vectors(krylov *q, int size, es_dmat *v) {
  for (int from = 0; from < q->k; from += WIDE) {
    const int b = q->k - from < WIDE ? q->k - from : WIDE;
    es_basis_product((es_product){'N', (int) q->q.rows, b, size, 1, q->q.v, lead(q),
                                  q->ritz + (size_t) from * (size_t) size, size, 0, q->y,
                                  lead(q)});
    replicate(q, q->y, b);
    es_dmat_set_cols(v, from, b, q->full);
  }
}

static es_status allocate(krylov *q) {
  const size_t most = (size_t) q->q.most, wide = WIDE;
  es_status st = ES_NEW(wide * (size_t) q->q.rows, &q->y);
  if (st == ES_OK) st = ES_NEW(wide * (size_t) q->a->n, &q->full);
  if (st == ES_OK) st = ES_NEW(most * most, &q->t);
  if (st == ES_OK) st = ES_NEW(most * most, &q->ritz);
  if (st == ES_OK) st = ES_NEW(most, &q->theta);
  if (st == ES_OK) st = ES_NEW(wide * wide, &q->r);
  return es_comm_agree(q->a->comm, st);
}

int es_krylov_most(int n, int k) {
  const int most = 8 * k + 512 < n / 2 ? 8 * k + 512 : n / 2;
  return most < ES_KRYLOV_WIDEST ? most : ES_KRYLOV_WIDEST;
}

es_status es_krylov_solve(const es_krylov *o, double *w, es_dmat *v, bool *converged) {
  krylov q = {
      .a = o->a, .k = o->k, .block = o->block, .fresh = (o->block + 1) / 2, .far = 1};
  int64_t first, rows;
  int size = 0;
  es_comm_local_range(o->a->comm, o->a->n, &first, &rows);
  ES_TRY(es_basis_create(o->a->comm, rows, o->most, WIDE, &q.q));
  es_status st = allocate(&q);
  if (st == ES_OK && o->start != NULL) {
    memcpy(q.y, o->start, sizeof(double) * (size_t) o->block * (size_t) rows);
    append(&q, o->block, 1);
  }
  if (st == ES_OK) st = converge(&q, w, &size);
  if (st == ES_OK && size > 0) {
    memcpy(w, q.theta, (size_t) o->k * sizeof *w);
    compute_vectors(&q, size, v);
  }
  double *owned[] = {q.y, q.full, q.t, q.ritz, q.theta, q.r};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(&owned[i]);
  es_basis_free(&q.q);
  *converged = size > 0;
  return st;
}
