/* SPDX-License-Identifier: BSD-3-Clause */
/** @file comm.c  Communicator duplicate and the collectives the code uses.
 *
 *  Large arrays are reduced in pieces below 2^31 elements, the limit of MPI 3 counts.
 *  MPI errors stay fatal: the code cannot recover from a failed MPI call. */
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/comm.h"
#include "eigenstep/mem.h"

/* Elements per MPI call: large enough for bandwidth, far below INT_MAX. */
#define PIECE ((int64_t) 1 << 28)
/* Items of an all-gather in one call, unless a single rank gives more. */
#define GATHERED ((int64_t) 1 << 24)

struct es_comm_own {
  MPI_Comm abort_comm; /* owned duplicate, for the barrier of failed ranks */
  int64_t *work;       /* owned [3 size], of es_comm_allgather */
};

/* One allocation for both. */
typedef struct comm_pair {
  es_comm comm;
  struct es_comm_own own;
} comm_pair;

/* Time of the busiest rank of a node of `size` ranks with `lanes` lanes, in passes of one
 * rank through the array: it adds `size` arrays in its lanes, reduces the sum between
 * nodes and updates what it belongs to, about eight passes more. */
static double lane_time(int size, int lanes) {
  const int most = (lanes - 1) / size + 1;
  return (double) most * (size + 8) / lanes;
}

/* Lanes for nodes of `least` to `most` ranks. With one for each rank of the smallest node
 * the ranks of larger nodes would wait for few of them. */
static int choose_lanes(int least, int most) {
  int best = least;
  double time = INFINITY;
  for (int lanes = least; lanes <= most; lanes++) {
    const double least_time = lane_time(least, lanes), most_time = lane_time(most, lanes);
    const double worst = least_time > most_time ? least_time : most_time;
    if (worst >= time) continue;
    time = worst;
    best = lanes;
  }
  return best;
}

int es_comm_lanes(const es_comm *c) {
  return c->node_rank < c->lanes ? (c->lanes - 1 - c->node_rank) / c->node_size + 1 : 0;
}

/* Split into nodes of at most `per_node` ranks, and number them. *least: ranks of the
 * smallest. */
static void find_nodes(es_comm *c, int per_node, int *least) {
  MPI_Comm whole;
  MPI_Comm_split_type(c->mpi, MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL, &whole);
  MPI_Comm_rank(whole, &c->place);
  MPI_Comm_split(whole, c->place / per_node, c->rank, &c->node);
  MPI_Comm_free(&whole);
  MPI_Comm_rank(c->node, &c->node_rank);
  MPI_Comm_size(c->node, &c->node_size);
  const int first = c->node_rank == 0, mine[2] = {-c->node_size, c->node_size};
  int upto, sizes[2];
  MPI_Allreduce(&first, &c->nodes, 1, MPI_INT, MPI_SUM, c->mpi);
  MPI_Scan(&first, &upto, 1, MPI_INT, MPI_SUM, c->mpi);
  c->node_index = upto - 1;
  MPI_Bcast(&c->node_index, 1, MPI_INT, 0, c->node);
  MPI_Allreduce(mine, sizes, 2, MPI_INT, MPI_MAX, c->mpi);
  *least = -sizes[0];
  c->lanes = choose_lanes(*least, sizes[1]);
}

/* Collective. As many lanes at once as the smallest node has ranks: of these a rank has
 * one at most. */
static void make_lanes(es_comm *c, int least) {
  int made = 0;
  for (int first = 0; first < c->lanes; first += least) {
    const int mine = c->node_rank + made * c->node_size;
    const bool now = mine < c->lanes && mine < first + least;
    MPI_Comm lane;
    MPI_Comm_split(c->mpi, now ? mine : MPI_UNDEFINED, c->node_index, &lane);
    if (now) c->lane[made++] = lane;
  }
}

es_status es_comm_create(MPI_Comm parent, es_comm **c) {
  return es_comm_create_nodes(parent, INT_MAX, c);
}

/* Collective over the new communicator. */
static es_status place(es_comm *c, int per_node) {
  int worst, least;
  MPI_Comm_rank(c->mpi, &c->rank);
  MPI_Comm_size(c->mpi, &c->size);
  find_nodes(c, per_node, &least);
  int mine = ES_NEW(es_comm_lanes(c), &c->lane);
  if (mine == ES_OK) mine = ES_NEW(3 * (size_t) c->size, &c->own->work);
  MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MIN, c->mpi);
  if (worst == ES_OK) make_lanes(c, least);
  return (es_status) worst;
}

es_status es_comm_create_nodes(MPI_Comm parent, int per_node, es_comm **c) {
  comm_pair *both = NULL;
  int worst, mine = es_alloc(sizeof *both, "communicator", (void **) &both);
  MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MIN, parent);
  if (worst != ES_OK) {
    es_free(&both);
    return (es_status) worst;
  }
  es_comm *n = &both->comm;
  n->own = &both->own;
  MPI_Comm_dup(parent, &n->mpi);
  MPI_Comm_dup(parent, &n->own->abort_comm);
  const es_status st = place(n, per_node);
  if (st != ES_OK) {
    es_free(&n->lane);
    es_comm_destroy(&n);
    return st;
  }
  *c = n;
  return ES_OK;
}

es_status es_comm_create_part(const es_comm *whole, MPI_Comm part, es_comm **c) {
  ES_TRY(es_comm_create(part, c));
  (*c)->place = whole->place;
  return ES_OK;
}

void es_comm_destroy(es_comm **c) {
  if (!*c) return;
  for (int k = 0; (*c)->lane != NULL && k < es_comm_lanes(*c); k++)
    MPI_Comm_free(&(*c)->lane[k]);
  es_free(&(*c)->lane);
  es_free(&(*c)->own->work);
  MPI_Comm_free(&(*c)->node);
  MPI_Comm_free(&(*c)->own->abort_comm);
  MPI_Comm_free(&(*c)->mpi);
  es_free(c);
}

/* Print the deferred error of the lowest failed rank: one sentence, however many ranks
 * failed. It is also sent to rank 0, which writes the log file and STATUS. */
static void report_lowest_error(const es_comm *c) {
  char text[512];
  snprintf(text, sizeof text, "%s", es_log_deferred());
  const int mine = text[0] != '\0' ? c->rank : c->size;
  int lowest;
  MPI_Allreduce(&mine, &lowest, 1, MPI_INT, MPI_MIN, c->mpi);
  es_log_flush_deferred(c->rank == lowest);
  if (lowest == 0 || lowest == c->size) return;
  MPI_Bcast(text, sizeof text, MPI_CHAR, lowest, c->mpi);
  if (c->rank == 0) es_log_set_error(text);
}

es_status es_comm_agree(const es_comm *c, es_status s) {
  /* ES_STOPPED = 1 must lose to every error (negative) but beat ES_OK = 0 in a minimum:
     -1 is free for it once the errors are doubled. */
  const int mine = s == ES_STOPPED ? -1 : 2 * (int) s;
  int worst;
  MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MIN, c->mpi);
  /* on MPI_COMM_SELF the error stays deferred until the parent communicator agrees */
  if (worst < -1 && c->size > 1) report_lowest_error(c);
  /* an error that was logged and then ignored must not stand for a later one */
  if (worst >= -1 && c->size > 1) es_log_flush_deferred(false);
  return worst == -1 ? ES_STOPPED : (es_status) (worst / 2);
}

es_status es_comm_agree_made(const es_comm *c, es_status s, void **p) {
  const es_status worst = es_comm_agree(c, s);
  if (worst != ES_OK && s == ES_OK) es_free(p);
  return worst;
}

/* Did all ranks reach this barrier within ES_ABORT_SECONDS? */
static bool all_have_failed(const es_comm *c) {
  const double end = MPI_Wtime() + ES_ABORT_SECONDS;
  MPI_Request all;
  int done = 0;
  MPI_Ibarrier(c->own->abort_comm, &all);
  while (!done && MPI_Wtime() < end) {
    MPI_Test(&all, &done, MPI_STATUS_IGNORE);
    if (!done) sched_yield();
  }
  return done;
}

bool es_comm_failed_alone(const es_comm *c) {
  return c->size > 1 && !all_have_failed(c);
}

void es_comm_abort(const es_comm *c, es_status s) {
  es_log_flush_deferred(true);
  es_warn_local("rank %d failed inside a collective step (%s); aborting all ranks",
                c->rank, es_status_name(s));
  MPI_Abort(c->mpi, 1);
}

es_status es_comm_abort_if_alone(const es_comm *c, es_status s) {
  if (s < ES_OK && es_comm_failed_alone(c)) es_comm_abort(c, s);
  return s;
}

es_status es_comm_assert_equal(const es_comm *c, const void *data, size_t bytes,
                               const char *what) {
  /* Rank 0 broadcasts its bytes in chunks, so that no rank needs a second copy. */
  enum { CHUNK = 1 << 16 };
  char piece[CHUNK];
  int64_t length = (int64_t) bytes;
  es_comm_bcast(c, &length, sizeof length, 0);
  int equal = length == (int64_t) bytes;
  for (int64_t at = 0; at < length; at += CHUNK) {
    const size_t n = (size_t) (length - at < CHUNK ? length - at : CHUNK);
    if (c->rank == 0) memcpy(piece, (const char *) data + at, n);
    es_comm_bcast(c, piece, n, 0);
    equal = equal && memcmp((const char *) data + at, piece, n) == 0;
  }
  const int mine = equal ? c->size : c->rank;
  int first;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, c->mpi);
  if (first == c->size) return ES_OK;
  if (c->rank == 0)
    es_error("%s: got different values on ranks 0 and %d, expected the same on all %d "
             "ranks",
             what, first, c->size);
  return ES_EINTERNAL;
}

void es_comm_local_range(const es_comm *c, int64_t n, int64_t *first, int64_t *count) {
  const int64_t base = n / c->size, extra = n % c->size;
  *first = c->rank * base + (c->rank < extra ? c->rank : extra);
  *count = base + (c->rank < extra ? 1 : 0);
}

void es_comm_scan(const es_comm *c, int64_t mine, int64_t *offset, int64_t *total) {
  int64_t upto = 0, all = 0;
  MPI_Scan(&mine, &upto, 1, MPI_INT64_T, MPI_SUM, c->mpi);
  if (offset) *offset = upto - mine;
  all = upto;
  es_comm_bcast(c, &all, sizeof all, c->size - 1);
  if (total) *total = all;
}

static void reduce(MPI_Comm mpi, void *x, int64_t n, int64_t size, MPI_Datatype type,
                   MPI_Op op) {
  for (int64_t at = 0; at < n; at += PIECE) {
    const int m = (int) (n - at < PIECE ? n - at : PIECE);
    MPI_Allreduce(MPI_IN_PLACE, (char *) x + at * size, m, type, op, mpi);
  }
}

void es_comm_sum_f32(const es_comm *c, float *x, int64_t n) {
  reduce(c->mpi, x, n, sizeof *x, MPI_FLOAT, MPI_SUM);
}

void es_comm_sum_f64(const es_comm *c, double *x, int64_t n) {
  reduce(c->mpi, x, n, sizeof *x, MPI_DOUBLE, MPI_SUM);
}

void es_comm_sum_lane_f64(const es_comm *c, int k, double *x, int64_t n) {
  reduce(c->lane[k], x, n, sizeof *x, MPI_DOUBLE, MPI_SUM);
}

void es_comm_sum_i64(const es_comm *c, int64_t *x, int64_t n) {
  reduce(c->mpi, x, n, sizeof *x, MPI_INT64_T, MPI_SUM);
}

void es_comm_max_f64(const es_comm *c, double *x, int64_t n) {
  reduce(c->mpi, x, n, sizeof *x, MPI_DOUBLE, MPI_MAX);
}

void es_comm_max_i64(const es_comm *c, int64_t *x, int64_t n) {
  reduce(c->mpi, x, n, sizeof *x, MPI_INT64_T, MPI_MAX);
}

static void broadcast(MPI_Comm mpi, void *data, size_t bytes, int root) {
  for (size_t at = 0; at < bytes; at += (size_t) PIECE) {
    const size_t left = bytes - at;
    const int m = (int) (left < (size_t) PIECE ? left : (size_t) PIECE);
    MPI_Bcast((char *) data + at, m, MPI_BYTE, root, mpi);
  }
}

void es_comm_bcast(const es_comm *c, void *data, size_t bytes, int root) {
  broadcast(c->mpi, data, bytes, root);
}

void es_comm_bcast_lane(const es_comm *c, int k, void *data, size_t bytes, int root) {
  broadcast(c->lane[k], data, bytes, root);
}

/* What a rank gives: items, and the bytes from `all` to `mine` there. */
typedef struct part {
  int64_t count, at;
} part;

typedef struct gathering {
  const es_comm *comm;
  const void *mine; /* MPI_IN_PLACE on all ranks or on none */
  const part *of;   /* [size] */
  int *sent;        /* [2 size] counts and displacements of a call */
  MPI_Datatype item;
} gathering;

/* Collective. Ranks [first, end) give theirs; displacements are from that of `first`. */
static void gather_some(const gathering *g, int first, int end, void *to) {
  const es_comm *const c = g->comm;
  int *const sent = g->sent, *const at = sent + c->size;
  for (int r = 0, next = 0; r < c->size; r++) {
    sent[r] = r >= first && r < end ? (int) g->of[r].count : 0;
    at[r] = next;
    next += sent[r];
  }
  MPI_Allgatherv(g->mine, sent[c->rank], g->item, to, sent, at, g->item, c->mpi);
}

/* Collective. All parts, of as many ranks at a time as MPI's int displacements allow. */
static void gather_all(gathering *g, size_t size, char *all) {
  const int ranks = g->comm->size;
  MPI_Type_contiguous((int) size, MPI_BYTE, &g->item);
  MPI_Type_commit(&g->item);
  for (int first = 0, end; first < ranks; first = end) {
    int64_t n = g->of[first].count;
    for (end = first + 1; end < ranks && n + g->of[end].count <= GATHERED; end++)
      n += g->of[end].count;
    gather_some(g, first, end, all);
    all += (size_t) n * size;
  }
  MPI_Type_free(&g->item);
}

/* The same on all ranks: do those that give anything have it where it belongs? */
static bool is_in_place(const part *of, int ranks, size_t size) {
  int64_t before = 0;
  bool yes = true;
  for (int r = 0; r < ranks; r++) {
    yes = yes && (of[r].count == 0 || of[r].at == before * (int64_t) size);
    before += of[r].count;
  }
  return yes;
}

es_status es_comm_allgather(const es_comm *c, const void *mine, int64_t count,
                            size_t size, void *all) {
  const bool fits = count >= 0 && count <= INT_MAX && size <= INT_MAX;
  if (!fits)
    es_error("all-gather: got %lld items of %zu bytes, expected 0 to %d of each",
             (long long) count, size, INT_MAX);
  ES_TRY(es_comm_agree(c, fits ? ES_OK : ES_EARG));
  const part given = {count, (int64_t) ((uintptr_t) mine - (uintptr_t) all)};
  part *const of = (part *) c->own->work;
  MPI_Allgather(&given, 2, MPI_INT64_T, of, 2, MPI_INT64_T, c->mpi);
  gathering g = {.comm = c,
                 .mine = is_in_place(of, c->size, size) ? MPI_IN_PLACE : mine,
                 .of = of,
                 .sent = (int *) (c->own->work + 2 * (size_t) c->size)};
  gather_all(&g, size, all);
  return ES_OK;
}

void es_comm_ring_f32(const es_comm *c, const float *mine, int64_t n, float *theirs,
                      int64_t m) {
  const int next = (c->rank + 1) % c->size, before = (c->rank + c->size - 1) % c->size;
  int64_t pieces = ((n > m ? n : m) + PIECE - 1) / PIECE;
  es_comm_max_i64(c, &pieces, 1);
  for (int64_t at = 0; pieces > 0; pieces--, at += PIECE) {
    const int64_t out = n - at < PIECE ? n - at : PIECE;
    const int64_t in = m - at < PIECE ? m - at : PIECE;
    MPI_Sendrecv(mine + (out > 0 ? at : 0), out > 0 ? (int) out : 0, MPI_FLOAT, next, 0,
                 theirs + (in > 0 ? at : 0), in > 0 ? (int) in : 0, MPI_FLOAT, before, 0,
                 c->mpi, MPI_STATUS_IGNORE);
  }
}

void es_comm_barrier(const es_comm *c) {
  MPI_Barrier(c->mpi);
}
