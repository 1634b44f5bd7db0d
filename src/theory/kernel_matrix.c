/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_matrix.c  The kernel matrix, block-cyclic: each rank computes its entries
 *  from the views of its rows and columns, which it receives by broadcast. */
#include <cblas.h>
#include <string.h>
#include "eigenstep/kernel.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "kernel_private.h"

/* Approximate number of values in a broadcast. */
enum { PIECE = 1 << 18 };

/* The points this rank needs on one side of its blocks. */
typedef struct side {
  es_points points;
  int count;
  int *local;       /* [2 points.n] local index of each point, -1: not needed here */
  double *x, *norm; /* [count, m]; [count] x'x */
} side;

static es_status prepare(side *s, int m, const es_dmat *k, int count,
                         int (*global)(const es_dmat *k, int i)) {
  const size_t points = 2 * (size_t) s->points.n;
  s->count = count;
  ES_TRY(ES_NEW(points, &s->local));
  ES_TRY(ES_NEW((size_t) count * (size_t) m, &s->x));
  ES_TRY(ES_NEW(count, &s->norm));
  for (size_t i = 0; i < points; i++) s->local[i] = -1;
  for (int i = 0; i < count; i++) s->local[global(k, i)] = i;
  return ES_OK;
}

static void release(side *s) {
  es_free(&s->local);
  es_free(&s->x);
  es_free(&s->norm);
}

static void store_point(side *s, int view, int64_t pair, int m, const double *x) {
  const int64_t at = pair - s->points.first;
  if (at < 0 || at >= s->points.n) return;
  const int here = s->local[at + view * s->points.n];
  if (here < 0) return;
  memcpy(s->x + (size_t) here * (size_t) m, x, (size_t) m * sizeof *x);
  s->norm[here] = cblas_ddot(m, x, 1, x, 1);
}

/* Collective. Broadcast all pairs, piece by piece; each rank stores the points it needs.
   piece: [rows, m]. */
static void broadcast_points(const es_comm *c, const es_pairs *p, int64_t rows,
                             double *piece, side *s) {
  for (int src = 0; src < c->size; src++) {
    int64_t range[2] = {p->first, p->n};
    es_comm_bcast(c, range, sizeof range, src);
    for (int v = 0; v < 2; v++)
      for (int64_t i = 0; i < range[1]; i += rows) {
        const int64_t n = range[1] - i < rows ? range[1] - i : rows;
        const size_t bytes = (size_t) (n * p->m) * sizeof *piece;
        if (src == c->rank) memcpy(piece, p->x[v] + i * p->m, bytes);
        es_comm_bcast(c, piece, bytes, src);
        for (int64_t j = 0; j < n; j++)
          for (int k = 0; k < 2; k++)
            store_point(&s[k], v, range[0] + i + j, p->m, piece + j * p->m);
      }
  }
}

/* Inner products of rows and columns, then kernel values. */
static es_status evaluate(const es_kernel *k, int m, const side *s, es_dmat *a) {
  const side *r = &s[0], *c = &s[1];
  const es_point_rows rows = {.count = r->count, .m = m, .x = r->x, .norm = r->norm};
  if (r->count == 0 || c->count == 0) return ES_OK;
  cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, r->count, c->count, m, 1, r->x, m,
              c->x, m, 0, a->a, a->lld);
  for (int j = 0; j < c->count; j++) {
    es_progress_at(j, c->count);
    ES_TRY(es_kernel_column(k, &rows, c->x + (size_t) j * (size_t) m, c->norm[j],
                            a->a + (size_t) j * (size_t) a->lld));
  }
  return ES_OK;
}

es_status es_kernel_matrix(const es_kernel *k, const es_grid *g, const es_pairs *p,
                           es_points rows, es_points cols, es_dmat **out) {
  es_dmat *a = NULL;
  double *piece = NULL;
  side s[2] = {{.points = rows}, {.points = cols}};
  const int64_t fit = PIECE / p->m > 1 ? PIECE / p->m : 1;
  ES_TRY(es_dmat_create(g, (int) (2 * rows.n), (int) (2 * cols.n), 0, &a));
  es_status st = prepare(&s[0], p->m, a, a->lm, es_dmat_row);
  if (st == ES_OK) st = prepare(&s[1], p->m, a, a->ln, es_dmat_col);
  if (st == ES_OK) st = ES_NEW(fit * p->m, &piece);
  st = es_comm_agree(g->comm, st);
  if (st == ES_OK) {
    broadcast_points(g->comm, p, fit, piece, s);
    st = es_comm_agree(g->comm, evaluate(k, p->m, s, a));
  }
  es_free(&piece);
  release(&s[0]);
  release(&s[1]);
  if (st == ES_OK)
    *out = a;
  else
    es_dmat_destroy(&a);
  return st;
}
