/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ring.c  Blocks of samples travel round the ring of ranks. */
#include "ring.h"

#include "eigenstep/mem.h"

int es_ntk_ring_steps(const es_ntk_ring *r) {
  return r->comm->size / 2 + 1;
}

int es_ntk_ring_rank(const es_ntk_ring *r, int t) {
  return (r->comm->rank - t + r->comm->size) % r->comm->size;
}

/* Pairs of a rank. */
static void range_of(const es_ntk_ring *r, int rank, int64_t *first, int64_t *n) {
  es_comm other = *r->comm;
  other.rank = rank;
  es_comm_local_range(&other, r->pairs, first, n);
}

int es_ntk_ring_samples(const es_ntk_ring *r, int rank) {
  int64_t first, n;
  range_of(r, rank, &first, &n);
  return (int) (2 * n);
}

int64_t es_ntk_ring_number(const es_ntk_ring *r, int rank, int i) {
  int64_t first, n;
  range_of(r, rank, &first, &n);
  return i < n ? first + i : r->pairs + first + i - n;
}

es_ntk_part es_ntk_ring_part(const es_ntk_ring *r, int t) {
  const int own = r->comm->rank, other = es_ntk_ring_rank(r, t);
  const int rows = es_ntk_ring_samples(r, own), columns = es_ntk_ring_samples(r, other);
  es_ntk_part p = {.i1 = rows, .j1 = columns, .triangle = t == 0};
  if (t == 0 || 2 * t != r->comm->size) return p;
  if (own < other)
    p.j1 = columns / 2;
  else
    p.i0 = rows / 2;
  return p;
}

/* Samples of another rank. */
typedef struct visitor {
  float *x, *g; /* owned */
} visitor;

static int64_t most_samples(const es_ntk_ring *r) {
  return es_ntk_ring_samples(r, 0); /* the first ranks have most */
}

static es_status visitor_open(const es_ntk_ring *r, const es_ntk_layer *l, visitor *v) {
  ES_TRY(ES_NEW(most_samples(r) * l->x_size, &v->x));
  return ES_NEW(most_samples(r) * l->g_size, &v->g);
}

static void visitor_close(visitor *v) {
  es_free(&v->x);
  es_free(&v->g);
}

/* Collective. The samples that were here in step t - 1 go on; those of step t come. */
static es_ntk_block receive(const es_ntk_ring *r, const es_ntk_layer *l, int t,
                            const es_ntk_block *here, visitor *to) {
  const es_ntk_block next = {es_ntk_ring_samples(r, es_ntk_ring_rank(r, t)), to->x,
                             to->g};
  es_comm_ring_f32(r->comm, here->x, here->n * l->x_size, to->x, next.n * l->x_size);
  es_comm_ring_f32(r->comm, here->g, here->n * l->g_size, to->g, next.n * l->g_size);
  return next;
}

es_status es_ntk_ring_add(const es_ntk_ring *r, const es_ntk_layer *l,
                          const es_ntk_block *own, double *const *theta) {
  const int steps = es_ntk_ring_steps(r);
  visitor room[2] = {{NULL, NULL}, {NULL, NULL}};
  es_status st = ES_OK;
  for (int k = 0; k < 2 && k < steps - 1 && st == ES_OK; k++)
    st = visitor_open(r, l, &room[k]);
  st = es_comm_agree(r->comm, st);
  es_ntk_block here = *own;
  for (int t = 0; t < steps && st == ES_OK; t++) {
    if (t > 0) here = receive(r, l, t, &here, &room[(t - 1) % 2]);
    const es_ntk_part part = es_ntk_ring_part(r, t);
    st = es_comm_agree(r->comm, es_ntk_product(l, own, &here, &part, theta[t]));
  }
  visitor_close(&room[0]);
  visitor_close(&room[1]);
  return st;
}

int64_t es_ntk_ring_bytes(const es_ntk_ring *r, const es_ntk_layer *l) {
  const int steps = es_ntk_ring_steps(r), visitors = steps - 1 < 2 ? steps - 1 : 2;
  return (int64_t) sizeof(float) * visitors * most_samples(r) * (l->x_size + l->g_size);
}
