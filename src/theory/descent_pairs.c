/* SPDX-License-Identifier: BSD-3-Clause */
/** @file descent_pairs.c  Gradient descent on the samples themselves, full-batch or in
 *  minibatches: the reference for the faster descent in the eigenvectors (descent.c).
 *
 *  Z = X W', Z' = X' W' (this rank's pairs), C = sum over ranks of (Z'Z' + its
 *  transpose) / 2B, gradient 4 E (Z'X' + Z''X) / 2B, of the sum over ranks and as rank 0
 *  rounds it, so that W is the same on unlike processors. Neither Gamma nor its
 *  eigenvectors are used. */
#include <cblas.h>
#include <math.h>
#include <string.h>
#include "descent_private.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"

typedef struct sampled {
  const es_pairs *p;
  int64_t batch;
  uint64_t seed;
  double *x[2];          /* [n, m] this rank's part of the minibatch; NULL: full batch */
  double *z[2];          /* [n, d] embeddings */
  double *g, *c, *e, *t; /* [d, m] Z'X; [d, d]; [d, m] 4 E g */
} sampled;

void es_pairs_free(es_pairs *p) {
  es_free(&p->x[0]);
  es_free(&p->x[1]);
}

static void gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                 const double *a, const double *b, double beta, double *c) {
  if (m == 0 || n == 0) return;
  const int lda = (int) (ta ? m : k), ldb = (int) (tb ? k : n);
  cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans,
              tb ? CblasTrans : CblasNoTrans, (int) m, (int) n, (int) k, alpha, a,
              lda > 0 ? lda : 1, b, ldb, beta, c, (int) n);
}

/* Copy this rank's pairs of the minibatch of `step`, a random subset independent of the
   number of ranks; returns their number. */
static int64_t draw(sampled *s, int64_t step) {
  const es_pairs *p = s->p;
  const size_t m = (size_t) p->m;
  int64_t n = 0;
  for (int64_t i = 0; i < s->batch; i++) {
    const int64_t id = (int64_t) es_permute(s->seed, (uint64_t) step + 1,
                                            (uint64_t) p->total, (uint64_t) i) -
                       p->first;
    if (id < 0 || id >= p->n) continue;
    for (int v = 0; v < 2; v++)
      memcpy(s->x[v] + (size_t) n * m, p->x[v] + (size_t) id * m, m * sizeof(double));
    n++;
  }
  return n;
}

/* C of n pairs on this rank, `pairs` on all ranks; stores the embeddings in s->z. */
static void correlate(const es_descent *o, sampled *s, double *const x[2], int64_t n,
                      int64_t pairs) {
  const int d = o->d;
  for (int v = 0; v < 2; v++) gemm(false, true, n, d, o->m, 1, x[v], o->w, 0, s->z[v]);
  memset(s->c, 0, sizeof *s->c * (size_t) d * (size_t) d);
  gemm(true, false, d, d, n, 0.5 / (double) pairs, s->z[0], s->z[1], 0, s->c);
  for (int i = 0; i < d; i++)
    for (int j = 0; j <= i; j++)
      s->c[i * d + j] = s->c[j * d + i] = s->c[i * d + j] + s->c[j * d + i];
  es_comm_sum_f64(o->comm, s->c, (int64_t) d * d);
}

static void move(const es_descent *o, sampled *s, double *const x[2], int64_t n,
                 int64_t pairs) {
  const int64_t size = (int64_t) o->d * o->m;
  const double scale = 0.5 / (double) pairs, keep = 1 - o->lr * o->decay;
  memset(s->g, 0, sizeof *s->g * (size_t) size);
  gemm(true, false, o->d, o->m, n, scale, s->z[0], x[1], 0, s->g);
  gemm(true, false, o->d, o->m, n, scale, s->z[1], x[0], 1, s->g);
  es_comm_sum_f64(o->comm, s->g, size);
  es_descent_error(o, s->c, s->e);
  if (o->comm->rank == 0) gemm(false, false, o->d, o->m, o->d, 4, s->e, s->g, 0, s->t);
  es_comm_bcast(o->comm, s->t, (size_t) size * sizeof *s->t, 0);
  for (int64_t i = 0; i < size; i++) o->w[i] = keep * o->w[i] - o->lr * s->t[i];
}

static es_status step(es_descent *o, sampled *s, int64_t now) {
  const es_pairs *p = s->p;
  const bool whole = s->batch == p->total;
  const int64_t n = whole ? p->n : draw(s, now);
  double *const *x = whole ? p->x : s->x;
  correlate(o, s, x, n, s->batch);
  if (es_descent_diverged(o->d, s->c)) return ES_EMATH;
  if (whole) ES_TRY(es_crossings_update(o->observer.crossings, (double) now, s->c));
  move(o, s, x, n, s->batch);
  o->reached = (double) (now + 1);
  return es_stop_at(o->observer.stop, o->comm, ES_OK);
}

static es_status loop(es_descent *o, sampled *s) {
  const es_pairs *p = s->p;
  int64_t now = 0;
  es_stop_begin(o->observer.stop);
  for (int k = 0; k < o->observer.n; k++) {
    for (; now < (int64_t) o->observer.at[k]; now++) ES_TRY(step(o, s, now));
    correlate(o, s, p->x, p->n, p->total);
    if (es_descent_diverged(o->d, s->c)) return ES_EMATH;
    ES_TRY(es_crossings_update(o->observer.crossings, (double) now, s->c));
    ES_TRY(o->observer.record(o->observer.ctx, o->observer.at[k], s->c));
  }
  return ES_OK;
}

es_status es_descent_pairs(es_descent *o, const es_pairs *p, int64_t batch,
                           uint64_t seed) {
  sampled s = {.p = p, .batch = batch > 0 ? batch : p->total, .seed = seed};
  const size_t d = (size_t) o->d, m = (size_t) o->m, n = (size_t) p->n;
  const size_t part = s.batch < p->n ? (size_t) s.batch : n;
  es_status st = ES_OK;
  for (int v = 0; v < 2 && st == ES_OK; v++) {
    if (s.batch < p->total) st = ES_NEW(part * m, &s.x[v]);
    if (st == ES_OK) st = ES_NEW(n * d, &s.z[v]);
  }
  if (st == ES_OK) st = ES_NEW(d * m, &s.g);
  if (st == ES_OK) st = ES_NEW(d * m, &s.t);
  if (st == ES_OK) st = ES_NEW(d * d, &s.c);
  if (st == ES_OK) st = ES_NEW(d * d, &s.e);
  st = es_comm_agree(o->comm, st);
  o->reached = 0;
  if (st == ES_OK) st = loop(o, &s);
  double *owned[] = {s.x[0], s.x[1], s.z[0], s.z[1], s.g, s.t, s.c, s.e};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(&owned[i]);
  return st;
}
