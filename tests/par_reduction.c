/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_reduction.c  Sums while the arrays are being filled, on one node and on
 *  several, against sums in double; flags; the partition of the array; shared memory. */
#define _XOPEN_SOURCE 700
#include "par.h"

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include "eigenstep/mem.h"
#include "eigenstep/reduction.h"
#include "eigenstep/rng.h"

enum { ROUNDS = 3, SEED = 11 };

/** All ranks one node, every rank a node, and nodes of two and three, the last of which
 * may have one rank only. */
static const int per_node[] = {INT_MAX, 1, 2, 3};

static float element(int rank, int round, int64_t i) {
  es_rng r = es_rng_at(SEED, ES_STREAM_TEST, (uint64_t) (1000 * round + rank), 0);
  return (float) (es_rng_normal(&r) + 0.001 * (double) (i % 977) * (rank - 1.3));
}

/** Is own range r the sum over ranks, to the round-off of adding c->size floats? */
static bool is_sum(const es_comm *c, const float *x, es_range r, int round) {
  for (int64_t i = r.first; i < r.first + r.count; i++) {
    double sum = 0, size = 0;
    for (int rank = 0; rank < c->size; rank++) {
      sum += element(rank, round, i);
      size += fabs(element(rank, round, i));
    }
    if (!(fabs(x[i] - sum) <= 0.6e-7 * c->size * size)) return false;
  }
  return true;
}

/** Are the ranges that count the array, each element once, and does every node hold the
 * bits of the one that counts? Both are left in `twice`, [2 n]. */
static bool is_divided(const es_partition *d, const float *x, int64_t n, double *twice) {
  bool ok = true;
  memset(twice, 0, (size_t) (2 * n) * sizeof *twice);
  for (int k = 0; k < d->n; k++)
    for (int64_t i = d->range[k].first; i < d->range[k].first + d->range[k].count; i++) {
      twice[i] += 1;
      twice[n + i] = x[i];
    }
  es_partition_sum(d, twice, 2 * n);
  for (int64_t i = 0; i < n; i++) ok = ok && twice[i] == 1;
  for (int k = 0; k < d->n; k++)
    for (int64_t i = d->range[k].first; i < d->range[k].first + d->range[k].count; i++)
      ok = ok && (float) twice[n + i] == x[i];
  return ok;
}

/** Fill from the end in uneven pieces, and report each. */
static void fill(const es_comm *c, es_reduction *r, float *x, int64_t n, int round) {
  int64_t from = n;
  for (int64_t piece = 1; from > 0; piece = 3 * piece + c->rank) {
    const int64_t start = from > piece ? from - piece : 0;
    for (int64_t i = start; i < from; i++) x[i] = element(c->rank, round, i);
    from = start;
    es_reduction_ready(r, from);
  }
}

static bool rounds(const es_comm *c, es_reduction *r, float *x, int64_t n,
                   double *twice) {
  const es_partition *const d = es_reduction_partition(r);
  double first[2 * 512];
  bool ok = true;
  for (int round = 0; round < ROUNDS; round++) {
    int64_t flags[2] = {c->rank == round % c->size ? 7 : -c->rank, c->rank};
    const int numbers = round == 1 ? 0 : round; /* rounds 0 and ROUNDS - 1 differ */
    fill(c, r, x, n, numbers);
    es_reduction_finish(r, round == 1 ? NULL : flags, 2);
    if (round != 1) ok = ok && flags[0] == 7 && flags[1] == c->size - 1;
    for (int k = 0; k < d->n; k++) ok = ok && is_sum(c, x, d->range[k], numbers);
    ok = is_divided(d, x, n, twice) && ok;
    if (n <= 512 && round == 0) memcpy(first, twice, (size_t) (2 * n) * sizeof *twice);
    if (n <= 512 && round == 1) /* the same numbers: the same bits */
      ok = memcmp(first, twice, (size_t) (2 * n) * sizeof *twice) == 0 && ok;
    es_reduction_barrier(r);
  }
  return ok;
}

/** Collective. A reduction of n floats and the memory it works on, s[2]. */
static bool make(const es_comm *c, int64_t n, int64_t bucket, int threads,
                 es_shared *s[2], es_reduction **r) {
  const es_shared_request want[] = {{(size_t) n * sizeof(float), true},
                                    {es_reduction_counters(), true}};
  if (es_shared_create(c, want, 2, "x", s) != ES_OK || s[0] == NULL) return false;
  const es_reduction_options o = {
      .x = s[0], .counters = s[1], .n = n, .bucket = bucket, .threads = threads};
  return es_reduction_create(c, &o, r) == ES_OK;
}

static bool sums_on(const es_comm *c, int64_t n, int64_t bucket, int threads) {
  es_shared *s[2] = {NULL};
  es_reduction *r = NULL;
  double *twice = NULL;
  bool ok = par_all(c, ES_NEW(2 * n, &twice) == ES_OK);
  ok = ok && make(c, n, bucket, threads, s, &r);
  ok = ok && rounds(c, r, s[0]->part[c->node_rank], n, twice);
  ok = par_all(c, ok);
  es_reduction_destroy(&r);
  for (int i = 0; i < 2; i++) es_shared_destroy(&s[i]);
  es_free(&twice);
  return ok;
}

static void ranges_hold_the_sums(void **state) {
  const es_comm *c = *state;
  static const struct {
    int64_t n, bucket;
    int threads;
  } cases[] = {{1, 1, 1},    {3, 8, 1},        {5, 2, 1},          {500, 7, 1},
               {512, 64, 2}, {20000, 3001, 1}, {20000, 1 << 20, 2}};
  for (size_t k = 0; k < sizeof per_node / sizeof per_node[0]; k++) {
    es_comm *part = NULL;
    assert_int_equal(es_comm_create_nodes(c->mpi, per_node[k], &part), ES_OK);
    const int expected = per_node[k] == INT_MAX ? 1 : (c->size - 1) / per_node[k] + 1;
    assert_true(par_all(c, part->nodes == expected && part->rank == c->rank));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
      assert_true(sums_on(part, cases[i].n, cases[i].bucket, cases[i].threads));
    es_comm_destroy(&part);
  }
}

/** One part for all: what one rank writes the others read. */
static void a_node_has_one_part(void **state) {
  const es_comm *c = *state;
  const es_shared_request want = {100 * sizeof(int), false};
  es_shared *s = NULL;
  assert_int_equal(es_shared_create(c, &want, 1, "s", &s), ES_OK);
  int *const x = s->part[0];
  bool ok = s->parts == 1 && (uintptr_t) x % 64 == 0;
  for (int i = 0; i < 100; i++) ok = ok && x[i] == 0;
  es_comm_barrier(c);
  x[c->rank] = 10 + c->rank;
  es_comm_barrier(c);
  for (int i = 0; i < c->size; i++) ok = ok && x[i] == 10 + i;
  assert_true(par_all(c, ok));
  es_shared_destroy(&s);
  assert_null(s);
}

/** Where one of several does not fit none is made, and nothing stays counted. */
static void no_room_is_no_error(void **state) {
  const es_comm *c = *state;
  const es_shared_request little = {64, true};
  const es_shared_request some[] = {little, {(size_t) 1 << 45, true}, little};
  es_shared *s[3] = {NULL};
  const size_t before = es_mem_now();
  if (c->size == 1) return; /* private memory */
  assert_int_equal(es_shared_create(c, some, 3, "much", s), ES_OK);
  assert_true(s[0] == NULL && s[1] == NULL && s[2] == NULL);
  assert_true(par_all(c, es_mem_now() == before));
  /* the system may refuse what seemed to be free: here by its limit on sizes of files */
  const es_shared_request limited[] = {little, {(size_t) 4 << 20, false}, little};
  struct rlimit most;
  getrlimit(RLIMIT_FSIZE, &most);
  const struct rlimit low = {1 << 20, most.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &low);
  assert_int_equal(es_shared_create(c, limited, 3, "some", s), ES_OK);
  setrlimit(RLIMIT_FSIZE, &most);
  assert_true(s[0] == NULL && s[1] == NULL && s[2] == NULL);
  assert_true(par_all(c, es_mem_now() == before));
  assert_int_equal(es_shared_create(c, &little, 1, "little", s), ES_OK);
  assert_non_null(s[0]);
  assert_true(par_all(c, es_mem_now() >= before + 64));
  es_shared_destroy(&s[0]);
  assert_true(par_all(c, es_mem_now() == before));
}

static void tick(int signal) {
  (void) signal;
}

/** A profiler's timer interrupts system calls: that is no lack of room. */
static void signals_are_no_lack_of_room(void **state) {
  const es_comm *c = *state;
  const es_shared_request want = {(size_t) 24 << 20, true};
  const struct itimerval fast = {{0, 200}, {0, 200}}, off = {{0, 0}, {0, 0}};
  const struct sigaction ours = {.sa_handler = tick};
  struct sigaction theirs;
  es_shared *s = NULL;
  bool ok = sigaction(SIGALRM, &ours, &theirs) == 0;
  ok = ok && setitimer(ITIMER_REAL, &fast, NULL) == 0;
  const es_status st = es_shared_create(c, &want, 1, "s", &s);
  ok = setitimer(ITIMER_REAL, &off, NULL) == 0 && ok;
  ok = sigaction(SIGALRM, &theirs, NULL) == 0 && ok;
  const bool made = st == ES_OK && s != NULL;
  es_shared_destroy(&s);
  assert_true(par_all(c, ok && made));
}

/** Sums between nodes end without `finish`, while this rank waits for something else. */
static void sums_progress_while_a_rank_waits(void **state) {
  const es_comm *c = *state;
  enum { N = 50000 };
  es_comm *part = NULL;
  es_shared *s[2] = {NULL};
  es_reduction *r = NULL;
  assert_int_equal(es_comm_create_nodes(c->mpi, 1, &part), ES_OK);
  bool ok = par_all(c, make(part, N, 1 << 12, 1, s, &r));
  float *const x = ok ? s[0]->part[part->node_rank] : NULL;
  if (ok) fill(part, r, x, N, 0);
  const double end = MPI_Wtime() + 20;
  bool done = false;
  while (ok && !done && MPI_Wtime() < end) {
    es_reduction_progress(r);
    const es_partition *const d = es_reduction_partition(r);
    done = true;
    for (int k = 0; k < d->n && done; k++) done = is_sum(part, x, d->range[k], 0);
  }
  done = par_all(c, done);
  if (ok) es_reduction_finish(r, NULL, 0);
  if (ok) es_reduction_barrier(r);
  es_reduction_destroy(&r);
  for (int i = 0; i < 2; i++) es_shared_destroy(&s[i]);
  es_comm_destroy(&part);
  assert_true(ok && done);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranges_hold_the_sums),
      cmocka_unit_test(a_node_has_one_part),
      cmocka_unit_test(no_room_is_no_error),
      cmocka_unit_test(signals_are_no_lack_of_room),
      cmocka_unit_test(sums_progress_while_a_rank_waits),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
