/* SPDX-License-Identifier: BSD-3-Clause */
/** @file reduction.c  Bucketed sum over ranks: through shared memory inside a node,
 *  non-blocking all-reduces between nodes.
 *
 *  Inside a node each rank counts the buckets it has filled in shared memory, where the
 *  others read it: a store and some loads, no message. Between nodes, MPI makes progress
 *  on a non-blocking reduction only inside its calls (Open MPI 4.1: one that is never
 *  tested takes as long at the end as a blocking one), so every `ready` tests.
 *
 *  Between nodes ranges are all-reduced and each node updates the whole array: with a
 *  reduce-scatter and an all-gather half of the traffic (the gather) could not overlap
 *  with backward. */
#define _POSIX_C_SOURCE 200809L
#include "eigenstep/reduction.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include "eigenstep/mem.h"

enum {
  BLOCK = 2048, /* elements added at a time: the sum stays in the first-level cache */
  TESTS = 4,    /* MPI_Testall a call: each test starts one stage of a reduction */
  SPINS = 100   /* polls of a waiting rank before it yields its core */
};

/* Counters of a rank, read by its node; in pages of their own. */
typedef struct counters {
  _Atomic int64_t filled; /**< buckets since the start */
  _Atomic int64_t rounds; /**< rounds whose barrier it has reached */
} counters;

struct es_reduction {
  const es_comm *comm; /* borrowed */
  float **x;           /* borrowed [node_size] */
  int64_t n, bucket;
  int buckets, threads;
  es_partition partition;    /* ranges owned */
  const es_shared *counters; /* borrowed: those of each rank of the node */
  MPI_Request *request;      /* owned [buckets + 1]: between nodes, and of the flags */
  int64_t round;             /**< rounds completed */
  int filled, added; /**< buckets of this round: final here; summed on this node */
};

static counters *counters_of(const es_reduction *r, int rank) {
  return r->counters->part[rank];
}

/* This rank's range of bucket i; bucket 0 is the end of the array. */
static es_range range_of(const es_reduction *r, int i) {
  const es_comm *const c = r->comm;
  const int64_t end = r->n - i * r->bucket, room = end < r->bucket ? end : r->bucket;
  const int64_t first = room * c->node_rank / c->owners;
  const int64_t last = room * (c->node_rank + 1) / c->owners;
  return (es_range){end - room + first, last - first};
}

size_t es_reduction_counters(void) {
  return sizeof(counters);
}

es_status es_reduction_create(const es_comm *c, const es_reduction_options *o,
                              es_reduction **out) {
  es_reduction *r = NULL;
  es_range *own = NULL;
  const int buckets = (int) ((o->n + o->bucket - 1) / o->bucket);
  const bool owner = c->node_rank < c->owners;
  es_status st = ES_NEW(1, &r);
  if (st == ES_OK) st = ES_NEW(buckets + 1, &r->request);
  if (st == ES_OK) st = ES_NEW(buckets, &own);
  st = es_comm_agree(c, st);
  if (st != ES_OK) {
    if (r != NULL) es_free(&r->request);
    es_free(&own);
    es_free(&r);
    return st;
  }
  r->comm = c;
  r->x = (float **) o->x->part;
  r->counters = o->counters;
  r->n = o->n;
  r->bucket = o->bucket;
  r->buckets = buckets;
  r->threads = o->threads;
  for (int i = 0; i < buckets && owner; i++) own[i] = range_of(r, i);
  r->partition = (es_partition){.comm = c, .n = owner ? buckets : 0, .range = own};
  if (owner) {
    int node;
    MPI_Comm_rank(c->inter_node, &node);
    r->partition.contributes = node == 0;
  }
  for (int i = 0; i <= buckets; i++) r->request[i] = MPI_REQUEST_NULL;
  *out = r;
  return ES_OK;
}

void es_reduction_destroy(es_reduction **r) {
  if (*r == NULL) return;
  /* an error on all ranks ended this round early: what was begun must not be written into
   * memory that is freed */
  int64_t begun = (*r)->filled;
  es_comm_max_i64((*r)->comm, &begun, 1);
  if (begun > 0) es_reduction_finish(*r, NULL, 0);
  es_range *own = (es_range *) (*r)->partition.range;
  es_free(&own);
  es_free(&(*r)->request);
  es_free(r);
}

const es_partition *es_reduction_partition(const es_reduction *r) {
  return &r->partition;
}

/* This rank's array = sum over the node in the order of ranks, elements [first, end). */
static void add_block(const es_reduction *r, int64_t first, int64_t end) {
  float sum[BLOCK];
  const size_t n = (size_t) (end - first);
  memcpy(sum, r->x[0] + first, n * sizeof *sum);
  for (int rank = 1; rank < r->comm->node_size; rank++) {
    const float *const more = r->x[rank] + first;
#pragma omp simd
    for (size_t i = 0; i < n; i++) sum[i] += more[i];
  }
  memcpy(r->x[r->comm->node_rank] + first, sum, n * sizeof *sum);
}

static void add(const es_reduction *r, es_range own) {
  const int64_t end = own.first + own.count;
  if (r->comm->node_size == 1) return;
#pragma omp parallel for num_threads(r->threads) schedule(static) if (r->threads > 1)
  for (int64_t at = own.first; at < end; at += BLOCK)
    add_block(r, at, at + BLOCK < end ? at + BLOCK : end);
}

/* Buckets of this round that all ranks of the node have filled. */
static int filled_by_all(const es_reduction *r) {
  int64_t least = r->filled;
  for (int rank = 0; rank < r->comm->node_size; rank++) {
    const int64_t theirs =
        atomic_load_explicit(&counters_of(r, rank)->filled, memory_order_acquire) -
        r->round * r->buckets;
    if (theirs < least) least = theirs;
  }
  return (int) least;
}

/* Sum the buckets that all ranks of the node have filled, start their reduction between
 * nodes, and let MPI make progress on those begun before. */
static void advance(es_reduction *r) {
  const int filled = filled_by_all(r);
  for (; r->added < filled; r->added++) {
    if (r->partition.n == 0) continue;
    const es_range own = r->partition.range[r->added];
    add(r, own);
    if (r->comm->nodes > 1 && own.count > 0)
      MPI_Iallreduce(MPI_IN_PLACE, r->x[r->comm->node_rank] + own.first, (int) own.count,
                     MPI_FLOAT, MPI_SUM, r->comm->inter_node, &r->request[r->added]);
  }
  int done = r->comm->nodes == 1;
  for (int i = 0; i < TESTS && !done; i++)
    MPI_Testall(r->added, r->request, &done, MPI_STATUSES_IGNORE);
}

void es_reduction_ready(es_reduction *r, int64_t from) {
  const int filled = from <= 0 ? r->buckets : (int) ((r->n - from) / r->bucket);
  if (filled > r->filled) {
    r->filled = filled;
    atomic_store_explicit(&counters_of(r, r->comm->node_rank)->filled,
                          r->round * r->buckets + filled, memory_order_release);
  }
  advance(r);
}

void es_reduction_progress(es_reduction *r) {
  advance(r);
}

/* Called between polls: after SPINS of them, yield the core, and let MPI make progress on
 * reductions that other ranks may still be waiting for. */
static void back_off(const es_reduction *r, int *polls) {
  int found;
  if (++*polls <= SPINS) return;
  sched_yield();
  MPI_Iprobe(MPI_ANY_SOURCE, 0, r->comm->node, &found, MPI_STATUS_IGNORE);
}

void es_reduction_finish(es_reduction *r, int64_t *flags, int n) {
  MPI_Request *const last = &r->request[r->buckets];
  if (flags != NULL)
    MPI_Iallreduce(MPI_IN_PLACE, flags, n, MPI_INT64_T, MPI_MAX, r->comm->mpi, last);
  es_reduction_ready(r, 0);
  for (int polls = 0; r->added < r->buckets; advance(r)) back_off(r, &polls);
  MPI_Waitall(r->buckets + 1, r->request, MPI_STATUSES_IGNORE);
}

void es_reduction_barrier(es_reduction *r) {
  const es_comm *const c = r->comm;
  int polls = 0;
  r->round++;
  r->filled = r->added = 0;
  atomic_store_explicit(&counters_of(r, c->node_rank)->rounds, r->round,
                        memory_order_release);
  for (int rank = 0; rank < c->node_size; rank++)
    while (atomic_load_explicit(&counters_of(r, rank)->rounds, memory_order_acquire) <
           r->round)
      back_off(r, &polls);
}
