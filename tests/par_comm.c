/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_comm.c  Collectives: agreement, shares, scans, sums, uneven gather;
 *  stop and phases on top of them. */
#include <signal.h>
#include <string.h>
#include <time.h>
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"
#include "eigenstep/phases.h"
#include "eigenstep/stop.h"
#include "par.h"

static void agree_gives_the_worst_status_everywhere(void **state) {
  const es_comm *c = *state;
  const int last = c->size - 1;
  bool ok = es_comm_agree(c, ES_OK) == ES_OK;
  ok = es_comm_agree(c, c->rank == last ? ES_EIO : ES_OK) == ES_EIO && ok;
  ok = es_comm_agree(c, c->rank == last ? ES_STOPPED : ES_OK) == ES_STOPPED && ok;
  const es_status mixed = c->rank == 0 ? ES_EARG : ES_STOPPED;
  ok = es_comm_agree(c, mixed) == ES_EARG && ok;
  ok = es_comm_agree(c, c->rank == 0 ? ES_EINTERNAL : ES_EARG) == ES_EINTERNAL && ok;
  assert_true(par_all(c, ok));
}

/* Where one rank has no memory the others keep none of theirs. */
static void allocations_are_agreed_on(void **state) {
  const es_comm *c = *state;
  const size_t before = es_mem_now();
  const int64_t none = c->rank == c->size - 1 ? INT64_MAX : 5;
  double *x = NULL;
  bool ok = ES_COMM_NEW(c, 5, &x) == ES_OK && x != NULL;
  es_free(&x);
  ok = ES_COMM_NEW(c, none, &x) == ES_ENOMEM && x == NULL && ok;
  ok = es_mem_now() == before && ok;
  assert_true(par_all(c, ok));
}

static void place_on_the_node(void **state) {
  const es_comm *c = *state;
  int64_t firsts = c->node_rank == 0;
  es_comm_sum_i64(c, &firsts, 1);
  const bool ok = firsts == c->nodes && c->node_rank < c->node_size &&
                  c->node_size <= c->size && c->rank < c->size;
  assert_true(par_all(c, ok));
}

/** Every node has every lane once, at the place of the node. */
static bool lanes_are_whole(const es_comm *c) {
  int64_t held[64] = {0};
  bool ok = c->lanes >= 1 && c->lanes <= 64 && es_comm_lanes(c) <= c->lanes;
  for (int k = 0; ok && k < es_comm_lanes(c); k++) {
    int place, size;
    MPI_Comm_rank(c->lane[k], &place);
    MPI_Comm_size(c->lane[k], &size);
    ok = place == c->node_index && size == c->nodes;
    held[c->node_rank + k * c->node_size]++;
  }
  es_comm_sum_i64(c, held, 64);
  for (int l = 0; ok && l < 64; l++) ok = held[l] == (l < c->lanes ? c->nodes : 0);
  return par_all(c, ok);
}

static void lanes_divide_the_work_of_nodes(void **state) {
  const es_comm *c = *state;
  for (int per_node = 1; per_node <= 4; per_node++) {
    es_comm *part = NULL;
    assert_int_equal(es_comm_create_nodes(c->mpi, per_node, &part), ES_OK);
    const bool uneven = c->size > per_node && c->size % per_node != 0;
    const bool ok = lanes_are_whole(part);
    const int lanes = part->lanes, least = c->size % per_node;
    es_comm_destroy(&part);
    assert_true(ok);
    if (uneven)
      assert_in_range(lanes, least, per_node);
    else
      assert_int_equal(lanes, c->size < per_node ? c->size : per_node);
    if (uneven && least == 1) assert_true(lanes > 1); /* else one rank adds all */
  }
}

static void shares_cover_everything_once(void **state) {
  const es_comm *c = *state;
  const int64_t sizes[] = {0, 1, 3, 7, 100, 1000003};
  bool ok = true;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    int64_t first, count, offset, total, span[2];
    es_comm_local_range(c, sizes[s], &first, &count);
    es_comm_scan(c, count, &offset, &total);
    span[0] = count;
    span[1] = -count;
    es_comm_max_i64(c, span, 2);
    ok = ok && offset == first && total == sizes[s] && span[0] + span[1] <= 1;
  }
  assert_true(par_all(c, ok));
}

/** Two parts of the job: ranks keep the place that tells them their device; parts of a
 *  node have a node rank of their own. */
static void parts_keep_their_place(void **state) {
  const es_comm *c = *state;
  es_comm *part = NULL, *self = NULL;
  MPI_Comm half;
  MPI_Comm_split(c->mpi, c->rank % 2, c->rank, &half);
  assert_true(par_all(c, es_comm_create_part(c, half, &part) == ES_OK));
  MPI_Comm_free(&half);
  assert_true(par_all(c, es_comm_create_part(part, MPI_COMM_SELF, &self) == ES_OK));
  const bool ok = c->place == c->node_rank && part->place == c->place &&
                  self->place == c->place && part->node_rank == c->rank / 2 &&
                  self->node_rank == 0;
  es_comm_destroy(&self);
  es_comm_destroy(&part);
  assert_true(par_all(c, ok));
}

static void sums_over_ranks(void **state) {
  const es_comm *c = *state;
  const int p = c->size;
  float f[3] = {1, (float) c->rank, 0.5f};
  double d[2] = {c->rank + 1.0, -1};
  int64_t i[2] = {(int64_t) 1 << 40, c->rank};
  double top = -c->rank;
  es_comm_sum_f32(c, f, 3);
  es_comm_sum_f64(c, d, 2);
  es_comm_sum_i64(c, i, 2);
  es_comm_max_f64(c, &top, 1);
  es_comm_sum_f64(c, NULL, 0);
  const double ranks = p * (p - 1) / 2.0;
  const bool ok = f[0] == (float) p && f[1] == (float) ranks &&
                  f[2] == 0.5f * (float) p && d[0] == ranks + p && d[1] == -p &&
                  i[0] == p * ((int64_t) 1 << 40) && i[1] == p * (p - 1) / 2 && top == 0;
  assert_true(par_all(c, ok));
}

static void scan_and_broadcast(void **state) {
  const es_comm *c = *state;
  int64_t offset, total, word = c->rank;
  es_comm_scan(c, 10 + c->rank, &offset, &total);
  es_comm_scan(c, 1, NULL, NULL);
  es_comm_bcast(c, &word, sizeof word, c->size - 1);
  const int64_t r = c->rank, p = c->size;
  const bool ok = offset == 10 * r + r * (r - 1) / 2 &&
                  total == 10 * p + p * (p - 1) / 2 && word == p - 1;
  assert_true(par_all(c, ok));
}

static void gather_of_uneven_parts(void **state) {
  const es_comm *c = *state;
  /* Rank r gives 2 r pairs (so rank 0 none), each marked with its rank. */
  int32_t mine[64][2], all[256][2];
  for (int i = 0; i < 2 * c->rank; i++) {
    mine[i][0] = c->rank;
    mine[i][1] = i;
  }
  bool ok = es_comm_allgather(c, mine, 2 * c->rank, sizeof mine[0], all) == ES_OK;
  int at = 0;
  for (int r = 0; ok && r < c->size; r++)
    for (int i = 0; i < 2 * r; i++, at++) ok = ok && all[at][0] == r && all[at][1] == i;
  assert_true(par_all(c, ok));
  const int64_t bad = c->rank == c->size - 1 ? -1 : 0;
  ok = es_comm_allgather(c, mine, bad, sizeof mine[0], all) == ES_EARG;
  assert_true(par_all(c, ok));
}

/** More than one call gathers, in place or not. */
static void gather_of_large_parts(void **state) {
  const es_comm *c = *state;
  const int64_t least = (int64_t) 1 << 23, n = least + c->rank;
  const int64_t before = c->rank * least + c->rank * (c->rank - 1) / 2;
  unsigned char *mine = NULL, *all = NULL;
  bool ok =
      ES_NEW(n, &mine) == ES_OK && ES_NEW((least + c->size) * c->size, &all) == ES_OK;
  assert_true(par_all(c, ok));
  for (int64_t i = 0; i < n; i++) mine[i] = (unsigned char) (31 * c->rank + i % 251);
  for (int in_place = 0; in_place < 2; in_place++) {
    memset(all, 255, (size_t) ((least + c->size) * c->size));
    if (in_place) memcpy(all + before, mine, (size_t) n);
    ok = es_comm_allgather(c, in_place ? all + before : mine, n, 1, all) == ES_OK && ok;
    const unsigned char *at = all;
    for (int r = 0; r < c->size; r++)
      for (int64_t i = 0; i < least + r; i++, at++)
        ok = ok && *at == (unsigned char) (31 * r + i % 251);
  }
  es_free(&mine);
  es_free(&all);
  assert_true(par_all(c, ok));
}

/** Ranks that give nothing have no place in `all`. */
static void gather_in_place_with_empty_parts(void **state) {
  const es_comm *c = *state;
  int64_t all[64];
  assert_true(c->size <= 64);
  for (int r = 0; r < c->size; r++) all[r] = r == c->rank ? 10 + r : -1;
  int64_t *const mine = c->rank % 2 == 0 ? &all[c->rank / 2] : NULL;
  if (mine != NULL) *mine = 10 + c->rank;
  bool ok = es_comm_allgather(c, mine, mine != NULL, sizeof *all, all) == ES_OK;
  for (int r = 0; r < c->size; r += 2) ok = ok && all[r / 2] == 10 + r;
  assert_true(par_all(c, ok));
}

static void assert_equal_finds_a_difference(void **state) {
  const es_comm *c = *state;
  static char text[200000];
  memset(text, 'a', sizeof text);
  bool ok = es_comm_assert_equal(c, text, sizeof text, "text") == ES_OK;
  ok = es_comm_assert_equal(c, text, 0, "empty") == ES_OK && ok;
  if (c->size > 1) {
    const bool odd = c->rank == c->size - 1;
    const size_t length = sizeof text - (odd ? 1 : 0);
    ok = es_comm_assert_equal(c, text, length, "length") == ES_EINTERNAL && ok;
    if (odd) text[sizeof text - 1] = 'b';
    ok = es_comm_assert_equal(c, text, sizeof text, "last byte") == ES_EINTERNAL && ok;
  }
  assert_true(par_all(c, ok));
}

static void phases_name_the_slowest(void **state) {
  const es_comm *c = *state;
  es_clock clock = {.mark = 0};
  clock.seconds[ES_PHASE_LOSS] = c->rank + 1.0;
  es_phase_stats s;
  es_phases_reduce(c, &clock, &s);
  const int l = ES_PHASE_LOSS;
  const bool ok = s.min[l] == 1 && s.max[l] == c->size && s.slowest[l] == c->size - 1 &&
                  s.mean[l] == (c->size + 1) / 2.0 && s.max[ES_PHASE_DATA] == 0;
  assert_true(par_all(c, ok));
}

/** A loop of short steps, then one of steps of 20 ms: a request is seen after some of
 *  them, not after as many as the first loop made between two looks. */
static void each_loop_learns_how_often_to_look(void **state) {
  const es_comm *c = *state;
  const bool last = c->rank == c->size - 1;
  const struct timespec pause = {.tv_nsec = 20000000};
  es_stop s = {.every = 1};
  if (es_stop_agree(&s, c) == ES_STOP_SIGNAL) skip(); /* as below */
  bool ok = true;
  es_stop_begin(&s);
  while (s.stride < 1000) ok = es_stop_at(&s, c, ES_OK) == ES_OK && ok;
  es_stop_begin(&s);
  ok = es_stop_at(&s, c, ES_OK) == ES_OK && ok;
  s.deadline = last ? es_now() - 1 : 0;
  int steps = 0;
  while (steps < 100 && es_stop_at(&s, c, ES_OK) == ES_OK) {
    nanosleep(&pause, NULL);
    steps++;
  }
  ok = ok && steps < 50 && s.cause == ES_STOP_WALLTIME;
  es_stop_begin(NULL);
  assert_true(par_all(c, ok));
}

static void one_rank_is_enough_to_stop(void **state) {
  const es_comm *c = *state;
  static bool asked; /* a stop by signal stays for the life of the process */
  if (asked) skip();
  es_stop s = {.every = 1};
  es_stop_install();
  bool ok = es_stop_agree(&s, c) == ES_STOP_NONE;
  const bool last = c->rank == c->size - 1;
  if (last) raise(SIGUSR2);
  ok = es_stop_agree(&s, c) == ES_STOP_CHECKPOINT && ok;
  ok = es_stop_agree(&s, c) == ES_STOP_NONE && ok;
  s.deadline = es_now() + (last ? -1 : 1000);
  ok = es_stop_agree(&s, c) == ES_STOP_WALLTIME && ok;
  s.deadline = 0;
  strcpy(s.file, "/dev/null");
  s.every = 3;
  s.calls = 1;
  ok = es_stop_agree(&s, c) == ES_STOP_NONE && ok;
  ok = es_stop_agree(&s, c) == ES_STOP_NONE && ok;
  ok = es_stop_agree(&s, c) == ES_STOP_FILE && ok;
  if (last) raise(SIGUSR1);
  if (last) raise(SIGUSR2);
  ok = es_stop_agree(&s, c) == ES_STOP_SIGNAL && ok;
  asked = true;
  assert_true(par_all(c, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agree_gives_the_worst_status_everywhere),
      cmocka_unit_test(allocations_are_agreed_on),
      cmocka_unit_test(place_on_the_node),
      cmocka_unit_test(lanes_divide_the_work_of_nodes),
      cmocka_unit_test(shares_cover_everything_once),
      cmocka_unit_test(parts_keep_their_place),
      cmocka_unit_test(sums_over_ranks),
      cmocka_unit_test(scan_and_broadcast),
      cmocka_unit_test(gather_of_uneven_parts),
      cmocka_unit_test(gather_of_large_parts),
      cmocka_unit_test(gather_in_place_with_empty_parts),
      cmocka_unit_test(assert_equal_finds_a_difference),
      cmocka_unit_test(phases_name_the_slowest),
      cmocka_unit_test(each_loop_learns_how_often_to_look),
      cmocka_unit_test(one_rank_is_enough_to_stop),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
