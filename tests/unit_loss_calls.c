/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_loss_calls.c  What every loss keeps to, whatever it computes: running
 *  state, draws, numbers that are not finite, memory, refused calls. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "eigenstep/mem.h"
#include "loss_cases.h"

enum { N = 7, D = 4, ND = N * D };

static es_comm *comm; /* cmocka passes nothing else into a test */

static es_loss *make(const loss_case *k, int n, int d) {
  es_loss *l = loss_of(k, comm, n, n, d);
  assert_non_null(l);
  return l;
}

/** Copies the state of a loss, or puts the copy back. */
typedef struct copies {
  double data[1 + D * D];
  int n;
} copies;

static es_status copy_item(es_visitor *v, es_item *item) {
  copies *const c = v->ctx;
  const size_t bytes = (size_t) (es_item_count(item) * es_item_size(item->type));
  double *const at = c->data + c->n;
  c->n += (int) es_item_count(item);
  memcpy(v->loading ? item->data : at, v->loading ? at : item->data, bytes);
  return ES_OK;
}

/** A loss with a running state goes on from a copy of it as the original does; to measure
 *  pairs changes nothing. */
static void running_states_are_restored(void **state) {
  (void) state;
  double z[4 * ND], g[2][2 * ND], value, unused;
  int tested = 0;
  loss_views(5, N, D, z, z + ND);
  loss_views(6, N, D, z + 2 * ND, z + 3 * ND);
  for (int k = 0; k < LOSS_CASES; k++) {
    es_loss *l = make(&loss_cases[k], N, D), *other = make(&loss_cases[k], N, D);
    copies c = {{0}, 0};
    es_visitor save = {copy_item, 0, &c}, load = {copy_item, 1, &c};
    es_loss_batch first = {N, {z, z + ND}, {g[0], g[0] + ND}, 3};
    es_loss_batch next = {N, {z + 2 * ND, z + 3 * ND}, {g[0], g[0] + ND}, 4};
    assert_int_equal(es_loss_eval(l, &first, &unused), ES_OK);
    assert_int_equal(es_loss_visit(l, &save), ES_OK);
    assert_int_equal(es_loss_eval(l, &(es_loss_batch){.n = N, .z = {z, z + ND}}, &unused),
                     ES_OK);
    assert_int_equal(es_loss_eval(l, &next, &value), ES_OK);
    next.dz[0] = g[1];
    next.dz[1] = g[1] + ND;
    tested += c.n > 0;
    const bool stateful = c.n > 0;
    c.n = 0;
    if (stateful) { /* without its state it differs */
      assert_int_equal(es_loss_eval(other, &next, &unused), ES_OK);
      assert_true(unused != value);
    }
    assert_int_equal(es_loss_visit(other, &load), ES_OK);
    assert_int_equal(es_loss_eval(other, &next, &unused), ES_OK);
    assert_true(unused == value);
    assert_memory_equal(g[0], g[1], sizeof g[0]);
    es_loss_destroy(&other);
    es_loss_destroy(&l);
  }
  assert_true(tested >= 2);
}

/** What is drawn is a function of the seed and the step. */
static void draws_depend_on_the_step(void **state) {
  (void) state;
  const loss_case k = {"lejepa", {NULL}};
  double z[2 * ND], value[3];
  es_loss *l = make(&k, N, D);
  loss_views(5, N, D, z, z + ND);
  for (int i = 0; i < 3; i++) {
    const es_loss_batch b = {N, {z, z + ND}, {NULL, NULL}, i % 2};
    assert_int_equal(es_loss_eval(l, &b, &value[i]), ES_OK);
  }
  assert_true(value[0] == value[2] && value[0] != value[1]);
  es_loss_destroy(&l);
}

/** NaN and infinity reach the caller, who decides. */
static void bad_numbers_reach_the_value(void **state) {
  (void) state;
  double z[2 * ND], g[2 * ND], value;
  for (int k = 0; k < LOSS_CASES; k++) {
    loss_views(3, N, D, z, z + ND);
    z[5] = NAN;
    es_loss *l = make(&loss_cases[k], N, D);
    assert_int_equal(
        es_loss_eval(l, &(es_loss_batch){.n = N, .z = {z, z + ND}, .dz = {g, g + ND}},
                     &value),
        ES_OK);
    assert_true(!isfinite(value));
    es_loss_destroy(&l);
  }
}

static void bad_calls_are_refused(void **state) {
  (void) state;
  const loss_case good = {"barlow", {NULL}}, unknown = {"barlaw", {NULL}},
                  wrong = {"barlow", {"offdiag=-1"}};
  assert_null(loss_of(&unknown, comm, N, N, D));
  assert_non_null(strstr(es_log_last_error(), "barlow")); /* offered instead */
  assert_null(loss_of(&wrong, comm, N, N, D));
  es_loss *l = make(&good, N, D);
  double z[ND] = {0}, value = 42;
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = N + 1, .z = {z, z}, .dz = {NULL, NULL}},
                   &value),
      ES_EARG);
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = N, .z = {z, z}, .dz = {z, NULL}}, &value),
      ES_EARG);
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = 0, .z = {z, z}, .dz = {NULL, NULL}}, &value),
      ES_EARG);
  assert_true(value == 42);
  es_loss_destroy(&l);
}

static void evaluation_allocates_nothing(void **state) {
  (void) state;
  double z[2 * ND], g[2 * ND], value;
  loss_views(3, N, D, z, z + ND);
  for (int k = 0; k < LOSS_CASES; k++) {
    es_loss *l = make(&loss_cases[k], N, D);
    const int64_t before = es_mem_count();
    assert_int_equal(
        es_loss_eval(l, &(es_loss_batch){.n = N, .z = {z, z + ND}, .dz = {g, g + ND}},
                     &value),
        ES_OK);
    assert_true(es_mem_count() == before);
    es_loss_destroy(&l);
  }
  assert_true(es_mem_now() > 0); /* the communicator */
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(running_states_are_restored),
      cmocka_unit_test(draws_depend_on_the_step),
      cmocka_unit_test(bad_numbers_reach_the_value),
      cmocka_unit_test(bad_calls_are_refused),
      cmocka_unit_test(evaluation_allocates_nothing),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
