/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_reduction.c  Sums while the arrays are being filled, on one node and on
 *  several, against sums in double; flags; the partition of the array; shared memory. */
#include "par.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/reduction.h"
#include "eigenstep/rng.h"

enum { ROUNDS = 3, SEED = 11 };

/** All ranks one node, every rank a node, and nodes of two, the last of which may have
 * one rank only. */
static const int per_node[] = {INT_MAX, 1, 2};

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

static bool sums_on(const es_comm *c, int64_t n, int64_t bucket, int threads) {
  es_shared *x = NULL;
  es_reduction *r = NULL;
  double *twice = NULL;
  bool ok = par_all(c, ES_NEW(2 * n, &twice) == ES_OK);
  ok = ok && es_shared_create(c, (size_t) n * sizeof(float), true, "x", &x) == ES_OK;
  ok = ok && x != NULL && es_reduction_create(c, x, n, bucket, threads, &r) == ES_OK;
  ok = ok && rounds(c, r, x->part[c->node_rank], n, twice);
  ok = par_all(c, ok);
  es_reduction_destroy(&r);
  es_shared_destroy(&x);
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
  es_shared *s = NULL;
  assert_int_equal(es_shared_create(c, 100 * sizeof(int), false, "s", &s), ES_OK);
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

/** More than the machine has is refused by a warning, and nothing breaks. */
static void no_room_is_no_error(void **state) {
  const es_comm *c = *state;
  es_shared *s = NULL;
  if (c->size == 1) return; /* private memory */
  assert_int_equal(es_shared_create(c, (size_t) 1 << 45, true, "much", &s), ES_OK);
  assert_null(s);
  assert_int_equal(es_shared_create(c, 64, true, "little", &s), ES_OK);
  assert_non_null(s);
  es_shared_destroy(&s);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranges_hold_the_sums),
      cmocka_unit_test(a_node_has_one_part),
      cmocka_unit_test(no_room_is_no_error),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
