/* SPDX-License-Identifier: BSD-3-Clause */
/** @file descent.c  Gradient descent in the eigenvectors of Gamma.
 *
 *  With W~ = W V, a step multiplies column j of W~ by I - 4 lr gamma_j E; columns are
 *  coupled only by C = sum_j gamma_j w_j w_j', E = C - I. A step is one pass over W~:
 *  each group of columns is updated with the old E and immediately added to the new C.
 *  Columns are stored in groups of LANES, so that the inner operations are vector
 *  operations. */
#include <math.h>
#include <string.h>
#include "descent_private.h"
#include "eigenstep/mem.h"

enum { LANES = 8, TILE = 4 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));

/* Operations per step and rank above which distributing the columns pays for the
   all-reduce of C. */
#define MIN_DISTRIBUTED_WORK 1e6

typedef struct columns {
  int d, groups;      /* groups: a multiple of TILE, the last ones padded with zeros */
  bool distributed;   /* each rank updates its own columns */
  lanes *w;           /* [groups][d] columns of W~, LANES at a time */
  lanes *g;           /* [groups] gamma */
  lanes *c;           /* [d][d] lower triangle of C: a partial sum in each lane */
  double *move, *sum; /* [d, d] -4 lr E; C */
} columns;

void es_descent_error(const es_descent *o, const double *c, double *e) {
  const int d = o->d;
  for (int i = 0; i < d; i++)
    for (int j = 0; j < d; j++)
      e[i * d + j] = i == j ? c[i * d + j] - 1 : o->offdiag * c[i * d + j];
}

bool es_descent_diverged(int d, const double *c) {
  double most = 0;
  for (int i = 0; i < d; i++) most += fabs(c[i * d + i]);
  return !(most < 1e150);
}

/* Add TILE groups of columns to C: one load and store of C for all of them. */
static inline void accumulate(const columns *r, const lanes *w, const lanes *gamma) {
  const int d = r->d;
  const lanes *w1 = w + d, *w2 = w1 + d, *w3 = w2 + d;
  for (int i = 0; i < d; i++) {
    const lanes u0 = w[i] * gamma[0], u1 = w1[i] * gamma[1];
    const lanes u2 = w2[i] * gamma[2], u3 = w3[i] * gamma[3];
    lanes *c = r->c + (size_t) i * (size_t) d;
    for (int j = 0; j <= i; j++) c[j] += u0 * w[j] + u1 * w1[j] + u2 * w2[j] + u3 * w3[j];
  }
}

/* One group: w <- keep w + move w gamma. */
static inline void advance(const columns *r, lanes *w, const lanes *gamma, double keep) {
  const int d = r->d;
  lanes *tmp = r->c + (size_t) d * (size_t) d;
  for (int i = 0; i < d; i++) tmp[i] = w[i] * *gamma;
  int i = 0;
  for (; i + 1 < d; i += 2) {
    lanes sum0 = w[i] * keep, sum1 = w[i + 1] * keep;
    const double *m0 = r->move + (size_t) i * (size_t) d, *m1 = m0 + d;
    for (int j = 0; j < d; j++) {
      sum0 += m0[j] * tmp[j];
      sum1 += m1[j] * tmp[j];
    }
    w[i] = sum0;
    w[i + 1] = sum1;
  }
  if (i == d) return;
  lanes sum = w[i] * keep;
  for (int j = 0; j < d; j++) sum += r->move[i * d + j] * tmp[j];
  w[i] = sum;
}

/* Sum C over lanes, and over ranks if the columns are distributed. */
static void gather_c(const es_descent *o, columns *r) {
  const int d = r->d;
  for (int i = 0; i < d; i++)
    for (int j = 0; j <= i; j++) {
      double sum = 0;
      for (int k = 0; k < LANES; k++) sum += r->c[i * d + j][k];
      r->sum[i * d + j] = r->sum[j * d + i] = sum;
    }
  if (r->distributed) es_comm_sum_f64(o->comm, r->sum, (int64_t) d * d);
}

static void step(const es_descent *o, columns *r, bool move) {
  const double keep = 1 - o->lr * o->decay;
  const int d = r->d;
  es_descent_error(o, r->sum, r->move);
  for (int i = 0; i < d * d; i++) r->move[i] *= -4 * o->lr;
  memset(r->c, 0, sizeof *r->c * (size_t) d * (size_t) d);
  for (int k = 0; k < r->groups; k += TILE) {
    lanes *w = r->w + (size_t) k * (size_t) d;
    for (int l = 0; move && l < TILE; l++) advance(r, w + l * d, &r->g[k + l], keep);
    accumulate(r, w, &r->g[k]);
  }
  gather_c(o, r);
}

/* Copy columns first .. first + count - 1 of W to groups, or (out) back. */
static void pack(const es_descent *o, columns *r, int64_t first, int64_t count,
                 bool out) {
  double *to = (double *) r->w;
  for (int64_t j = 0; j < count; j++)
    for (int i = 0; i < o->d; i++) {
      double *outside = &o->w[(int64_t) i * o->m + first + j];
      double *packed = &to[(j / LANES * o->d + i) * LANES + j % LANES];
      if (out)
        *outside = *packed;
      else
        *packed = *outside;
    }
}

/* Copy the columns of all ranks to every rank: sum with zeros for those not held. */
static void unpack(const es_descent *o, columns *r, int64_t first, int64_t count) {
  if (r->distributed) memset(o->w, 0, sizeof *o->w * (size_t) o->d * (size_t) o->m);
  pack(o, r, first, count, true);
  if (r->distributed) es_comm_sum_f64(o->comm, o->w, (int64_t) o->d * o->m);
}

/* Where columns are distributed also after a failure: others wait for the sum. */
static es_status advance_to(es_descent *o, columns *r, double now, es_status before) {
  step(o, r, true);
  if (before != ES_OK) return before;
  o->reached = now;
  if (es_descent_diverged(r->d, r->sum)) return ES_EMATH;
  return es_crossings_update(o->observer.crossings, now, r->sum);
}

/* Collective. Where columns are not distributed each rank computes alone, in its own
 * rounding, and meets the others where it looks for requests and records. */
static es_status loop(es_descent *o, columns *r) {
  int64_t now = 0;
  es_stop_begin(o->observer.stop);
  step(o, r, false);
  es_status st = es_crossings_update(o->observer.crossings, 0, r->sum);
  for (int k = 0; k < o->observer.n; k++) {
    for (; now < (int64_t) o->observer.at[k]; now++) {
      st = advance_to(o, r, (double) (now + 1), st);
      ES_TRY(es_stop_at(o->observer.stop, o->comm, st));
    }
    ES_TRY(es_comm_agree(o->comm, st));
    ES_TRY(o->observer.record(o->observer.ctx, o->observer.at[k], r->sum));
  }
  return ES_OK;
}

es_status es_descent_modes(es_descent *o, const double *gamma) {
  const size_t d = (size_t) o->d, square = d * d;
  int64_t first = 0, count = o->m;
  columns r = {.d = o->d};
  es_status st = ES_OK;
  r.distributed = o->comm->size > 1 &&
                  (double) o->d * o->d * o->m / o->comm->size >= MIN_DISTRIBUTED_WORK;
  if (r.distributed) es_comm_local_range(o->comm, o->m, &first, &count);
  r.groups = (int) ((count + TILE * LANES - 1) / (TILE * LANES)) * TILE;
  const size_t groups = (size_t) r.groups;
  st = es_alloc(sizeof(lanes) * groups * d, "columns of W", (void **) &r.w);
  if (st == ES_OK) st = es_alloc(sizeof(lanes) * groups, "gamma", (void **) &r.g);
  if (st == ES_OK) st = es_alloc(sizeof(lanes) * (square + d), "C", (void **) &r.c);
  if (st == ES_OK) st = ES_NEW(square, &r.move);
  if (st == ES_OK) st = ES_NEW(square, &r.sum);
  st = es_comm_agree(o->comm, st);
  if (st == ES_OK) {
    for (int64_t j = 0; j < count; j++) r.g[j / LANES][j % LANES] = gamma[first + j];
    pack(o, &r, first, count, false);
    o->reached = 0;
    st = loop(o, &r);
    unpack(o, &r, first, count);
  }
  es_free(&r.sum);
  es_free(&r.move);
  es_free(&r.c);
  es_free(&r.g);
  es_free(&r.w);
  return st;
}
