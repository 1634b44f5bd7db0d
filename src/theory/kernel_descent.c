/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_descent.c  Gradient descent of a kernel machine in function space: the
 *  reference for descent in its modes. Embeddings are replicated; each rank computes the
 *  contribution of its blocks of the kernel matrices. Neither modes nor K^(1/2) are
 *  used. */
#include <cblas.h>
#include <string.h>
#include "descent_private.h"
#include "eigenstep/kernel.h"
#include "eigenstep/mem.h"

typedef struct values {
  int points, all;       /* 2n; 2n + N, columns of o->w */
  const es_dmat *k[2];   /* kernel matrices of training points and of new points */
  double *c, *e;         /* [d, d] */
  double *dual;          /* [d, 2n] -(4 lr / 2n) E F S */
  double *mine, *change; /* [d, rows of a block here]; [d, 2n + N] */
} values;

void es_kernel_correlate(int d, int points, int stride, const double *f, double *c) {
  const int n = points / 2;
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, d, d, n, 1.0 / points, f, stride,
              f + n, stride, 0, c, d);
  for (int i = 0; i < d; i++)
    for (int j = 0; j <= i; j++)
      c[i * d + j] = c[j * d + i] = c[i * d + j] + c[j * d + i];
}

/* change += dual K for the columns of K, which start at column `first` of change. */
static void apply(const es_descent *o, values *v, const es_dmat *k, int first) {
  const int d = o->d;
  if (k == NULL || k->lm == 0 || k->ln == 0) return;
  for (int i = 0; i < k->lm; i++)
    for (int a = 0; a < d; a++)
      v->mine[(size_t) i * (size_t) d + (size_t) a] =
          v->dual[(size_t) a * (size_t) v->points + (size_t) es_dmat_row(k, i)];
  double *part = v->mine + (size_t) k->lm * (size_t) d;
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, d, k->ln, k->lm, 1, v->mine, d,
              k->a, k->lld, 0, part, d);
  for (int j = 0; j < k->ln; j++)
    for (int a = 0; a < d; a++)
      v->change[(size_t) a * (size_t) v->all + (size_t) (first + es_dmat_col(k, j))] +=
          part[(size_t) j * (size_t) d + (size_t) a];
}

static void step(es_descent *o, values *v) {
  const int d = o->d, n = v->points / 2;
  const double keep = 1 - o->lr * o->decay, factor = -4 * o->lr / v->points;
  const size_t size = (size_t) d * (size_t) v->all;
  es_descent_error(o, v->c, v->e);
  for (int half = 0; half < 2; half++)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, d, n, d, factor, v->e, d,
                o->w + (1 - half) * n, v->all, 0, v->dual + half * n, v->points);
  memset(v->change, 0, size * sizeof *v->change);
  apply(o, v, v->k[0], 0);
  apply(o, v, v->k[1], v->points);
  es_comm_sum_f64(o->comm, v->change, (int64_t) size);
  for (size_t i = 0; i < size; i++) o->w[i] = keep * o->w[i] + v->change[i];
}

/* Collective. C as rank 0 rounds it: all decide by it when to end. */
static void correlate(const es_descent *o, values *v) {
  if (o->comm->rank == 0) es_kernel_correlate(o->d, v->points, v->all, o->w, v->c);
  es_comm_bcast(o->comm, v->c, (size_t) o->d * (size_t) o->d * sizeof *v->c, 0);
}

static es_status loop(es_descent *o, values *v) {
  int64_t now = 0;
  es_stop_begin(o->observer.stop);
  correlate(o, v);
  ES_TRY(es_crossings_update(o->observer.crossings, 0, v->c));
  for (int k = 0; k < o->observer.n; k++) {
    for (; now < (int64_t) o->observer.at[k]; now++) {
      step(o, v);
      correlate(o, v);
      o->reached = (double) (now + 1);
      if (es_descent_diverged(o->d, v->c)) return ES_EMATH;
      ES_TRY(es_crossings_update(o->observer.crossings, o->reached, v->c));
      ES_TRY(es_stop_at(o->observer.stop, o->comm, ES_OK));
    }
    ES_TRY(o->observer.record(o->observer.ctx, o->observer.at[k], v->c));
  }
  return ES_OK;
}

static size_t most(const es_dmat *k) {
  return k != NULL ? (size_t) k->lm + (size_t) k->ln : 0;
}

es_status es_descent_kernel(es_descent *o, const es_dmat *k, const es_dmat *k_new) {
  values v = {.points = k->m, .all = o->m, .k = {k, k_new}};
  const size_t d = (size_t) o->d;
  const size_t block = most(k) > most(k_new) ? most(k) : most(k_new);
  ES_CHECK(o->m == k->n + (k_new != NULL ? k_new->n : 0), ES_EARG,
           "kernel descent: got embeddings of %d points, expected %d", o->m,
           k->n + (k_new != NULL ? k_new->n : 0));
  es_status st = ES_NEW(d * d, &v.c);
  if (st == ES_OK) st = ES_NEW(d * d, &v.e);
  if (st == ES_OK) st = ES_NEW(d * (size_t) v.points, &v.dual);
  if (st == ES_OK) st = ES_NEW(d * block, &v.mine);
  if (st == ES_OK) st = ES_NEW(d * (size_t) v.all, &v.change);
  st = es_comm_agree(o->comm, st);
  o->reached = 0;
  if (st == ES_OK) st = es_comm_agree(o->comm, loop(o, &v));
  double *owned[] = {v.c, v.e, v.dual, v.mine, v.change};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(&owned[i]);
  return st;
}
