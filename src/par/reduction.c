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
 *  with backward. The sums of a node have a place of their own, as MPI libraries
 *  reduce long vectors in place (MPI_IN_PLACE) by a binary tree, whose root sends
 *  log2 nodes whole vectors; from one place to another every rank sends about two. */
#define _POSIX_C_SOURCE 200809L
#include "eigenstep/reduction.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include "eigenstep/mem.h"

/* Elements of a usual bucket: small enough to be in the cache still and to leave little
 * after the last op of backward, large enough for the bandwidth of a network. */
enum { BUCKET = 1 << 20 };

/* Elements of a lane in a bucket, at least: MPI libraries reduce less by a binary tree,
 * whose root sends log2 nodes times what it has. */
enum { LANE = 1 << 14 };

enum {
  BLOCK = 2048, /* elements added at a time: the sum stays in the first-level cache */
  TESTS = 4,    /* MPI_Testall a call: each test starts one stage of a reduction */
  SPINS = 100   /* polls of a waiting rank before it yields its core */
};

/* Counters of a rank, read by its node; in pages of their own. */
typedef struct counters {
  _Atomic int64_t filled; /**< buckets since the start */
  _Atomic int64_t waits;  /**< barriers it has reached */
} counters;

struct es_reduction {
  const es_comm *comm; /* borrowed */
  float **x;           /* borrowed [node_size] */
  int64_t n, bucket;
  int buckets, threads;
  int lanes;                 /* of this rank: ranges of each bucket */
  es_partition partition;    /* ranges owned, [buckets, lanes] */
  const es_shared *counters; /* borrowed: those of each rank of the node */
  MPI_Request *request;      /* owned [buckets * lanes + 1]: between nodes, and of the
                                flags */
  float *node_sum; /* owned: own ranges summed over the node, one after the other; NULL on
                      one node */
  int64_t placed;  /**< elements in node_sum in this round */
  int64_t round;   /**< rounds completed */
  int64_t waits;   /**< barriers */
  int filled, added; /**< buckets of this round: final here; summed on this node */
};

static counters *counters_of(const es_reduction *r, int rank) {
  return r->counters->part[rank];
}

/* Bucket i, its range of lane k of this rank; bucket 0 is the end of the array. */
static es_range range_of(const es_reduction *r, int i, int k) {
  const es_comm *const c = r->comm;
  const int64_t lane = c->node_rank + k * c->node_size;
  const int64_t end = r->n - i * r->bucket, room = end < r->bucket ? end : r->bucket;
  const int64_t first = room * lane / c->lanes, last = room * (lane + 1) / c->lanes;
  return (es_range){end - room + first, last - first};
}

int64_t es_reduction_bucket(int lanes) {
  const int64_t least = (int64_t) LANE * lanes;
  return least > BUCKET ? least : BUCKET;
}

size_t es_reduction_counters(void) {
  return sizeof(counters);
}

/* Ranges of this rank, and room for their sums over the node. */
static es_status allocate(es_reduction *r, es_range **own) {
  const int ranges = r->buckets * r->lanes;
  int64_t owned = 0;
  ES_TRY(ES_NEW(ranges + 1, &r->request));
  ES_TRY(ES_NEW(ranges, own));
  for (int i = 0; i < ranges; i++) {
    (*own)[i] = range_of(r, i / r->lanes, i % r->lanes);
    owned += (*own)[i].count;
  }
  for (int i = 0; i <= ranges; i++) r->request[i] = MPI_REQUEST_NULL;
  r->partition = (es_partition){.comm = r->comm,
                                .n = ranges,
                                .range = *own,
                                .contributes = r->comm->node_index == 0};
  return r->comm->nodes > 1 ? ES_NEW(owned, &r->node_sum) : ES_OK;
}

es_status es_reduction_create(const es_comm *c, const es_reduction_options *o,
                              es_reduction **out) {
  es_reduction *r = NULL;
  es_range *own = NULL;
  es_status st = ES_NEW(1, &r);
  if (st == ES_OK) {
    *r = (es_reduction){.comm = c,
                        .x = (float **) o->x->part,
                        .counters = o->counters,
                        .n = o->n,
                        .bucket = o->bucket,
                        .buckets = (int) ((o->n + o->bucket - 1) / o->bucket),
                        .lanes = es_comm_lanes(c),
                        .threads = o->threads};
    st = allocate(r, &own);
  }
  st = es_comm_agree(c, st);
  if (st != ES_OK) {
    if (r != NULL) es_free(&r->request);
    if (r != NULL) es_free(&r->node_sum);
    es_free(&own);
    es_free(&r);
    return st;
  }
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
  es_free(&(*r)->node_sum);
  es_free(r);
}

const es_partition *es_reduction_partition(const es_reduction *r) {
  return &r->partition;
}

/* to[0, n) = sum over the node in the order of ranks of elements [first, first + n). */
static void add_block(const es_reduction *r, int64_t first, int64_t n, float *to) {
  float sum[BLOCK];
  memcpy(sum, r->x[0] + first, (size_t) n * sizeof *sum);
  for (int rank = 1; rank < r->comm->node_size; rank++) {
    const float *const more = r->x[rank] + first;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) sum[i] += more[i];
  }
  memcpy(to, sum, (size_t) n * sizeof *sum);
}

static void add(const es_reduction *r, es_range own, float *to) {
#pragma omp parallel for num_threads(r->threads) schedule(static) if (r->threads > 1)
  for (int64_t at = 0; at < own.count; at += BLOCK)
    add_block(r, own.first + at, own.count - at < BLOCK ? own.count - at : BLOCK,
              to + at);
}

/* Sum own range i over the node, and begin its sum over nodes. */
static void begin(es_reduction *r, int i) {
  const es_comm *const c = r->comm;
  const es_range own = r->partition.range[i];
  float *const x = r->x[c->node_rank] + own.first;
  if (c->nodes == 1) {
    if (c->node_size > 1) add(r, own, x);
    return;
  }
  float *const sum = r->node_sum + r->placed;
  add(r, own, sum);
  if (own.count > 0)
    MPI_Iallreduce(sum, x, (int) own.count, MPI_FLOAT, MPI_SUM, c->lane[i % r->lanes],
                   &r->request[i]);
  r->placed += own.count;
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
  for (; r->added < filled; r->added++)
    for (int k = 0; k < r->lanes; k++) begin(r, r->added * r->lanes + k);
  int done = r->comm->nodes == 1;
  for (int i = 0; i < TESTS && !done; i++)
    MPI_Testall(r->added * r->lanes, r->request, &done, MPI_STATUSES_IGNORE);
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
  MPI_Request *const last = &r->request[r->partition.n];
  if (flags != NULL)
    MPI_Iallreduce(MPI_IN_PLACE, flags, n, MPI_INT64_T, MPI_MAX, r->comm->mpi, last);
  es_reduction_ready(r, 0);
  for (int polls = 0; r->added < r->buckets; advance(r)) back_off(r, &polls);
  MPI_Waitall(r->partition.n + 1, r->request, MPI_STATUSES_IGNORE);
  r->round++;
  r->filled = r->added = 0;
  r->placed = 0;
}

void es_reduction_barrier(es_reduction *r) {
  const es_comm *const c = r->comm;
  int polls = 0;
  r->waits++;
  atomic_store_explicit(&counters_of(r, c->node_rank)->waits, r->waits,
                        memory_order_release);
  for (int rank = 0; rank < c->node_size; rank++)
    while (atomic_load_explicit(&counters_of(r, rank)->waits, memory_order_acquire) <
           r->waits)
      back_off(r, &polls);
}
