/* SPDX-License-Identifier: BSD-3-Clause */
/** @file gram.c  D x D matrices of products of all ranks' rows, one copy a node (gram.h).
 *
 *  A lane (comm.h) has a range of rows of each matrix. In a symmetric one it computes the
 *  part right of the diagonal, so ranges are of equal area there, and packs it for the
 *  sum over nodes. */
#include "gram.h"

#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"

enum { SUMS = 2 };

struct es_gram {
  const es_comm *comm; /* the nodes that share */
  const es_comm *decide;
  bool replicas;     /* decide is not the comm that was given */
  es_comm *own;      /* owned: nodes of one rank; NULL: comm is the caller's */
  es_shared *shared; /* owned */
  int n_max, dim, n; /* n: rows of a view, of all ranks of the node, those unused too */
  double *row[2];    /* [n, D] of the node, one after the other */
  double *matrix;    /* [matrices, D, D] */
  double *sums;      /* [lanes, SUMS] */
  double *work;      /* of decide's rank 0; owned */
};

static size_t square(int d) {
  return (size_t) d * (size_t) d;
}

/* Numbers that a node holds together. */
static size_t numbers(const es_gram_size *s, int64_t rows, int lanes) {
  return 2 * (size_t) rows * (size_t) s->dim + (size_t) s->matrices * square(s->dim) +
         (size_t) lanes * SUMS;
}

double es_gram_bytes(const es_gram_size *s, int node) {
  const double shared = (double) numbers(s, (int64_t) s->n_max * node, node);
  return 8.0 * (shared / node + (double) s->work);
}

static es_shared_request request(const es_gram_size *s, int node, int lanes) {
  const int64_t rows = (int64_t) s->n_max * node;
  return (es_shared_request){.bytes = numbers(s, rows, lanes) * sizeof(double)};
}

double es_gram_shared(const es_gram_size *s, int node) {
  const es_shared_request want = request(s, node, node);
  return es_shared_bytes(&want, 1, node);
}

/* Collective. Memory of the node; *got is NULL where one lacks room to share. */
static es_status share(const es_comm *c, const es_gram_size *s, es_shared **got) {
  const es_shared_request want = request(s, c->node_size, c->lanes);
  return es_shared_create(c, &want, 1, "the matrices of loss or preconditioner", got);
}

static void place(es_gram *g, const es_gram_size *s) {
  g->n_max = s->n_max;
  g->dim = s->dim;
  g->n = s->n_max * g->comm->node_size;
  const size_t rows = (size_t) g->n * (size_t) s->dim;
  g->row[0] = g->shared->part[0];
  g->row[1] = g->row[0] + rows;
  g->matrix = g->row[1] + rows;
  g->sums = g->matrix + (size_t) s->matrices * square(s->dim);
}

/* Collective. As of es_gram_create, without a decision beyond c. */
static es_status create(const es_comm *c, const es_gram_size *size, es_gram **out) {
  es_gram *g = NULL;
  es_gram_size s = *size;
  int64_t most = s.n_max;
  es_comm_max_i64(c, &most, 1);
  s.n_max = (int) most; /* all ranks have as much room */
  es_status st = ES_COMM_NEW(c, 1, &g);
  if (st == ES_OK) g->comm = c;
  if (st == ES_OK) st = share(c, &s, &g->shared);
  if (st == ES_OK && g->shared == NULL) {
    st = es_comm_create_nodes(c->mpi, 1, &g->own);
    if (st == ES_OK) g->comm = g->own;
    if (st == ES_OK) st = share(g->own, &s, &g->shared);
  }
  if (st != ES_OK) {
    es_gram_destroy(&g);
    return st;
  }
  place(g, &s);
  *out = g;
  return ES_OK;
}

es_status es_gram_create(const es_comm *c, const es_comm *decide,
                         const es_gram_size *size, es_gram **out) {
  es_gram *g = NULL;
  es_status st = create(c, size, &g);
  if (st == ES_OK && decide->rank == 0) st = ES_NEW(size->work, &g->work);
  st = es_comm_agree(decide, st);
  if (st != ES_OK) {
    es_gram_destroy(&g);
    return st;
  }
  g->decide = decide;
  g->replicas = decide != c;
  *out = g;
  return ES_OK;
}

void es_gram_destroy(es_gram **g) {
  if (*g == NULL) return;
  es_free(&(*g)->work);
  es_shared_destroy(&(*g)->shared);
  es_comm_destroy(&(*g)->own);
  es_free(g);
}

double *es_gram_rows(const es_gram *g, int view) {
  const size_t first = (size_t) g->comm->node_rank * (size_t) g->n_max;
  return g->row[view] + first * (size_t) g->dim;
}

double *es_gram_matrix(const es_gram *g, int k) {
  return g->matrix + (size_t) k * square(g->dim);
}

double *es_gram_work(const es_gram *g) {
  return g->work;
}

int es_gram_dim(const es_gram *g) {
  return g->dim;
}

const es_comm *es_gram_decide(const es_gram *g) {
  return g->decide;
}

static void node_barrier(const es_gram *g) {
  if (g->comm->node_size > 1) MPI_Barrier(g->comm->node);
}

void es_gram_publish(es_gram *g, int n) {
  const size_t used = (size_t) n * (size_t) g->dim,
               room = (size_t) g->n_max * (size_t) g->dim;
  for (int a = 0; a < 2; a++)
    memset(es_gram_rows(g, a) + used, 0, (room - used) * sizeof(double));
  node_barrier(g);
}

/* First row of lane l. */
static int first_row(const es_gram *g, int l, bool symmetric) {
  const double share = (double) l / g->comm->lanes;
  return (int) lround(g->dim * (symmetric ? 1 - sqrt(1 - share) : share));
}

/* Lane k of this rank. */
static int lane_of(const es_gram *g, int k) {
  return g->comm->node_rank + k * g->comm->node_size;
}

/* Rows [i, last) of c, from column `from` on, += or = factor A'B of views a and b. */
static void multiply(const es_gram *g, int a, int b, double factor, int i, int last,
                     int from, double add, double *c) {
  const int d = g->dim, n = a == ES_GRAM_BOTH ? 2 * g->n : g->n;
  const double *const left = g->row[a % ES_GRAM_BOTH];
  const double *const right = g->row[b % ES_GRAM_BOTH];
  if (last > i)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, last - i, d - from, n, factor,
                left + i, d, right + from, d, add, c + (size_t) i * (size_t) d + from, d);
}

/* Rows [i, last) of c, right of the diagonal, side by side, and back. @return how many
 * numbers */
static int64_t pack(int d, int i, int last, double *c, bool back) {
  double *const at = c + (size_t) i * (size_t) d;
  int64_t before = 0;
  for (int r = i; r < last; r++) before += d - r;
  const int64_t all = before;
  if (back) {
    for (int r = last - 1; r >= i; r--) {
      before -= d - r;
      memmove(c + (size_t) r * (size_t) (d + 1), at + before,
              (size_t) (d - r) * sizeof *c);
    }
    return all;
  }
  before = 0;
  for (int r = i; r < last; before += d - r, r++)
    memmove(at + before, c + (size_t) r * (size_t) (d + 1), (size_t) (d - r) * sizeof *c);
  return all;
}

/* Collective over the lane. Sum its rows over nodes. */
static void sum_lane(const es_gram *g, int k, int i, int last, bool symmetric,
                     double *c) {
  double *const at = c + (size_t) i * (size_t) g->dim;
  if (g->comm->nodes == 1) return;
  const int64_t n =
      symmetric ? pack(g->dim, i, last, c, false) : (int64_t) (last - i) * g->dim;
  es_comm_sum_lane_f64(g->comm, k, at, n);
  if (symmetric) pack(g->dim, i, last, c, true);
}

/* The other triangle of rows [i, last), from the rows before. */
static void mirror(int d, int i, int last, double *c) {
  for (int r = i; r < last; r++)
    for (int j = 0; j < r; j++)
      c[(size_t) r * (size_t) d + (size_t) j] = c[(size_t) j * (size_t) d + (size_t) r];
}

void es_gram_product(es_gram *g, int a, int b, double factor, bool symmetric, double *c) {
  const int own = es_comm_lanes(g->comm);
  const bool both = symmetric && a != b;
  for (int k = 0; k < own; k++) {
    const int i = first_row(g, lane_of(g, k), symmetric);
    const int last = first_row(g, lane_of(g, k) + 1, symmetric), from = symmetric ? i : 0;
    const double part = both ? factor / 2 : factor;
    multiply(g, a, b, part, i, last, from, 0, c);
    if (both) multiply(g, b, a, part, i, last, from, 1, c);
    sum_lane(g, k, i, last, symmetric, c);
  }
  node_barrier(g);
  for (int k = 0; k < own && symmetric; k++)
    mirror(g->dim, first_row(g, lane_of(g, k), true),
           first_row(g, lane_of(g, k) + 1, true), c);
  if (symmetric) node_barrier(g);
}

void es_gram_each(es_gram *g, es_gram_function f, void *ctx, double sums[SUMS]) {
  for (int k = 0; k < es_comm_lanes(g->comm); k++) {
    const int l = lane_of(g, k);
    double *const part = g->sums + (size_t) l * SUMS;
    memset(part, 0, SUMS * sizeof *part);
    f(ctx, first_row(g, l, false), first_row(g, l + 1, false), part);
  }
  node_barrier(g);
  memset(sums, 0, SUMS * sizeof *sums);
  for (int l = 0; l < g->comm->lanes; l++)
    for (int i = 0; i < SUMS; i++) sums[i] += g->sums[(size_t) l * SUMS + (size_t) i];
  node_barrier(g); /* before the next one's are written */
}

void es_gram_spread(const es_gram *g, double *c) {
  const size_t row = (size_t) g->dim * sizeof *c;
  if (g->replicas) {
    es_comm_bcast(g->decide, c, (size_t) g->dim * row, 0);
    return;
  }
  node_barrier(g);
  for (int k = 0; k < es_comm_lanes(g->comm) && g->comm->nodes > 1; k++) {
    const int l = lane_of(g, k), i = first_row(g, l, false);
    es_comm_bcast_lane(g->comm, k, c + (size_t) i * (size_t) g->dim,
                       (size_t) (first_row(g, l + 1, false) - i) * row, 0);
  }
  node_barrier(g);
}
