/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_loss.c  A batch spread over ranks has the value and the gradient that it has
 *  on one rank, for uneven shares and ranks without pairs, plain or preconditioned. */
#include <math.h>
#include "eigenstep/precondition.h"
#include "loss_cases.h"
#include "par.h"

enum { N = 13, LESS = 9, D = 5 };

/** How n pairs are dealt: even, in pieces that grow, all to the last rank. */
static void share(const es_comm *c, int form, int n, int *first, int *count) {
  int64_t begin, size;
  es_comm_local_range(c, n, &begin, &size);
  *first = (int) begin;
  *count = (int) size;
  const int p = c->size, r = c->rank, total = p * (p + 1) / 2;
  if (form == 1) { /* the weights 0, 2, 3, ... leave rank 0 without pairs if p > 1 */
    const int lo = p > 1 && r > 0 ? (r * (r + 1) / 2 - 1) * n / (total - 1) : 0;
    const int hi = p > 1 ? ((r + 1) * (r + 2) / 2 - 1) * n / (total - 1) : n;
    *first = lo;
    *count = hi - lo;
  }
  if (form == 2) {
    *first = 0;
    *count = r == p - 1 ? n : 0;
  }
}

/** Collective. Loss and gradient; where the loss has a C, the gradient divided by it. */
static es_status evaluate(es_loss *l, int n, const double *z1, const double *z2,
                          double *value, double *d1, double *d2) {
  const es_precondition_params par = {.eps = l->ops->matrix == NULL ? 0 : 0.1};
  es_precondition *p = NULL;
  es_status st = es_precondition_create(&par, l, l->comm, &p);
  if (st == ES_OK)
    st = es_loss_eval(l, &(es_loss_batch){.n = n, .z = {z1, z2}, .dz = {d1, d2}}, value);
  if (st == ES_OK)
    st = es_precondition_apply(
        p, 0.1, &(es_loss_batch){.n = n, .z = {NULL, NULL}, .dz = {d1, d2}});
  es_precondition_destroy(&p);
  return st;
}

/** Error of this rank's part of n pairs against all of them on one rank, over the largest
 *  entry. */
static double error_of(es_loss *one, es_loss *all, int n, int form) {
  double z1[N * D], z2[N * D], whole1[N * D], whole2[N * D], d1[N * D], d2[N * D];
  double expected, got;
  int first, count;
  loss_views(11 + n, n, D, z1, z2);
  share(all->comm, form, n, &first, &count);
  es_status st = evaluate(one, n, z1, z2, &expected, whole1, whole2);
  if (st == ES_OK)
    st = evaluate(all, count, z1 + first * D, z2 + first * D, &got, d1, d2);
  if (st != ES_OK) return INFINITY;
  double worst = fabs(got - expected) / fabs(expected), top = 0;
  for (int i = 0; i < n * D; i++) top = fmax(top, fmax(fabs(whole1[i]), fabs(whole2[i])));
  for (int i = 0; i < count * D; i++) {
    worst = worse(worst, fabs(d1[i] - whole1[first * D + i]) / top);
    worst = worse(worst, fabs(d2[i] - whole2[first * D + i]) / top);
  }
  return worst;
}

/** The larger error of a batch and of a smaller one after it. */
static double difference(const es_comm *c, const es_comm *self, const loss_case *k,
                         int form) {
  int first, count;
  share(c, form, N, &first, &count);
  es_loss *one = loss_of(k, self, N, N, D), *all = loss_of(k, c, count, N, D);
  const double whole = error_of(one, all, N, form);
  const double less = error_of(one, all, LESS, form);
  es_loss_destroy(&one);
  es_loss_destroy(&all);
  return worse(whole, less);
}

/** On nodes of so many ranks, which hold matrices together. */
static double difference_on(const es_comm *c, int per_node) {
  es_comm *self, *nodes;
  double worst = 0;
  assert_true(par_all(c, es_comm_create(MPI_COMM_SELF, &self) == ES_OK));
  assert_true(par_all(c, es_comm_create_nodes(c->mpi, per_node, &nodes) == ES_OK));
  for (int k = 0; k < LOSS_CASES; k++)
    for (int form = 0; form < 3; form++)
      worst = worse(worst, difference(nodes, self, &loss_cases[k], form));
  es_comm_destroy(&nodes);
  es_comm_destroy(&self);
  return worst;
}

static void ranks_give_the_loss_of_one(void **state) {
  const es_comm *c = *state;
  for (int per_node = 1; per_node <= c->size; per_node++)
    assert_true(par_all(c, difference_on(c, per_node) < 1e-12));
}

static void all_ranks_hold_the_same_value(void **state) {
  const es_comm *c = *state;
  double z1[N * D], z2[N * D];
  bool ok = true;
  for (int k = 0; k < LOSS_CASES; k++) {
    int first, count;
    double value = 0;
    loss_views(17, N, D, z1, z2);
    share(c, 1, N, &first, &count);
    es_loss *l = loss_of(&loss_cases[k], c, count, N, D);
    ok = es_loss_eval(l,
                      &(es_loss_batch){.n = count,
                                       .z = {z1 + first * D, z2 + first * D},
                                       .dz = {NULL, NULL}},
                      &value) == ES_OK &&
         ok;
    ok = es_comm_assert_equal(c, &value, sizeof value, "loss") == ES_OK && ok;
    es_loss_destroy(&l);
  }
  assert_true(par_all(c, ok));
}

static void one_rank_with_too_many_pairs_stops_all(void **state) {
  const es_comm *c = *state;
  const loss_case k = {"barlow", {NULL}};
  double z[2 * D] = {0}, value;
  es_loss *l = loss_of(&k, c, 1, c->size, D);
  const int n = c->rank == c->size - 1 ? 2 : 1;
  const bool ok =
      es_loss_eval(l, &(es_loss_batch){.n = n, .z = {z, z}, .dz = {NULL, NULL}},
                   &value) == ES_EARG;
  es_loss_destroy(&l);
  assert_true(par_all(c, ok));
}

/** Collective. Each rank evaluates all of a batch that is zero on the ranks of one kind:
 *  rank 0, or the others. Its factors decide for all: 0 worked, 1 failed, 2 unlike. */
static int replicated(const es_comm *c, const es_comm *self, const loss_case *k,
                      bool root_is_zero) {
  const es_loss_size size = {.n_max = N, .pairs = N, .dim = D, .replicas = c};
  double z1[N * D], z2[N * D], value = 0;
  loss_views(19, N, D, z1, z2);
  if ((c->rank == 0) == root_is_zero) {
    memset(z1, 0, sizeof z1);
    memset(z2, 0, sizeof z2);
  }
  es_loss *l = loss_of_size(k, self, &size);
  const es_status st = es_loss_eval(
      l, &(es_loss_batch){.n = N, .z = {z1, z2}, .dz = {NULL, NULL}}, &value);
  es_loss_destroy(&l);
  int64_t range[2] = {st == ES_OK, st != ES_OK};
  es_comm_max_i64(c, range, 2);
  return range[0] + range[1] == 2 ? 2 : (int) range[1];
}

/* Rounding decides whether a factor exists; with parallel.deterministic each rank rounds
 * for itself. */
static void replicas_decide_as_one(void **state) {
  const es_comm *c = *state;
  static const loss_case factors[] = {{"wmse", {NULL}}, {"wmse", {"normalize=false"}}};
  es_comm *self;
  assert_true(par_all(c, es_comm_create(MPI_COMM_SELF, &self) == ES_OK));
  bool ok = true;
  for (int k = 0; k < 2; k++) {
    ok = replicated(c, self, &factors[k], false) == 0 && ok;
    ok = replicated(c, self, &factors[k], true) == 1 && ok;
  }
  es_comm_destroy(&self);
  assert_true(par_all(c, ok));
}

/* Bytes that making what can decompose matrices of order WIDE takes on this rank, and
 * what es_loss_bytes and es_loss_shared say of it. */
enum { WIDE = 64 };
static size_t taken(const es_comm *c, int per_node, double *bytes, double *shared) {
  es_config *cfg = NULL;
  es_loss_choice which = {0};
  es_loss *l = NULL;
  const es_loss_size size = {.n_max = 1, .pairs = c->size, .dim = WIDE};
  es_status st = es_config_create(&cfg);
  if (st == ES_OK) st = es_select_loss(cfg, "barlow_logdet", &which);
  const size_t before = es_mem_now();
  if (st == ES_OK) st = es_loss_create(&which, &size, c, &l);
  const size_t all = es_mem_now() - before;
  *bytes = st == ES_OK ? es_loss_bytes(&which, &size, c->size, per_node) : NAN;
  *shared = st == ES_OK ? es_loss_shared(&which, &size, per_node) : NAN;
  es_loss_destroy(&l);
  es_free(&which.par);
  es_config_destroy(&cfg);
  return all;
}

/* What rank 0 alone decomposes with, 4 D^2 numbers and more, is its own: no other rank,
 * and no node, holds or reserves it. */
static void only_the_rank_that_decomposes_has_room_for_it(void **state) {
  const es_comm *c = *state;
  const double work = 8.0 * 4 * WIDE * WIDE, spare = 3 * 4096; /* pages, parameters */
  bool ok = true;
  for (int per_node = 1; per_node <= c->size; per_node++) {
    es_comm *nodes;
    double bytes, shared;
    ok = par_all(c, es_comm_create_nodes(c->mpi, per_node, &nodes) == ES_OK) && ok;
    const double mine = (double) taken(nodes, nodes->node_size, &bytes, &shared);
    if (c->rank == 0) ok = ok && mine > work && fabs(mine - bytes) < spare;
    if (c->rank > 0) ok = ok && mine < work && fabs(bytes - mine - work) < 2 * spare;
    ok = ok && shared < work;
    es_comm_destroy(&nodes);
  }
  assert_true(par_all(c, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranks_give_the_loss_of_one),
      cmocka_unit_test(all_ranks_hold_the_same_value),
      cmocka_unit_test(one_rank_with_too_many_pairs_stops_all),
      cmocka_unit_test(replicas_decide_as_one),
      cmocka_unit_test(only_the_rank_that_decomposes_has_room_for_it),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
