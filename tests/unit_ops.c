/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_ops.c  Every op of every backend of this build against ops_reference.h:
 *  values, and gradients against finite differences. Tolerances: ops_bench.h. A planned
 *  op has room for its images on their way from and to the host, however many. */
#include "ops_bench.h"

static const test_case cases[] = {
    {"1x1", ES_OP_CONV, {5, 4, 3}, 7, 3, 3, 1, 1, 0, .groups = 1},
    {"1x1 add", ES_OP_CONV, {16, 3, 3}, 9, 2, 4, 1, 1, 0, .add = true},
    {"1x1 stride 2", ES_OP_CONV, {6, 5, 7}, 4, 3, 5, 1, 2, 0, .groups = 1},
    {"1x1 stride 2 add", ES_OP_CONV, {6, 4, 4}, 4, 2, 2, 1, 2, 0, .add = true},
    {"1x1 pad", ES_OP_CONV, {3, 2, 2}, 4, 2, 2, 1, 1, 1, .groups = 1},
    {"3x3", ES_OP_CONV, {5, 6, 5}, 4, 3, 4, 3, 1, 1, .groups = 1},
    {"3x3 add", ES_OP_CONV, {4, 5, 4}, 3, 2, 2, 3, 1, 1, .add = true},
    {"3x3 no dx", ES_OP_CONV, {3, 5, 5}, 6, 2, 2, 3, 1, 1, .no_dx = true},
    {"3x3 no pad", ES_OP_CONV, {3, 5, 6}, 2, 2, 2, 3, 1, 0, .groups = 1},
    {"3x3 pad 2", ES_OP_CONV, {2, 4, 4}, 3, 2, 2, 3, 1, 2, .groups = 1},
    {"3x3 pad 4", ES_OP_CONV, {2, 2, 3}, 3, 1, 1, 3, 1, 4, .groups = 1},
    {"3x3 stride 2", ES_OP_CONV, {4, 7, 6}, 5, 3, 3, 3, 2, 1, .groups = 1},
    {"3x3 stride 2 add", ES_OP_CONV, {4, 6, 6}, 5, 2, 3, 3, 2, 1, .add = true},
    {"3x3 on 1x1", ES_OP_CONV, {6, 1, 1}, 5, 4, 4, 3, 1, 1, .groups = 1},
    {"3x3 on 1x2", ES_OP_CONV, {4, 1, 2}, 5, 3, 4, 3, 1, 1, .add = true},
    {"3x3 on 2x2", ES_OP_CONV, {4, 2, 2}, 5, 3, 3, 3, 1, 1, .groups = 1},
    {"3x3 stride 2 on 2x2", ES_OP_CONV, {4, 2, 2}, 5, 3, 3, 3, 2, 1, .groups = 1},
    {"3x3 stride 2 on 1x1", ES_OP_CONV, {4, 1, 1}, 5, 3, 3, 3, 2, 1, .groups = 1},
    {"7x7 stem", ES_OP_CONV, {3, 13, 12}, 4, 2, 2, 7, 2, 3, .no_dx = true},
    {"7x7 dx", ES_OP_CONV, {2, 9, 9}, 3, 1, 2, 7, 2, 3, .groups = 1},
    {"several chunks", ES_OP_CONV, {2, 40, 40}, 2, 2, 300, 3, 1, 1, .groups = 1},
    {"no images", ES_OP_CONV, {2, 4, 4}, 2, 0, 3, 3, 1, 1, .groups = 1},
    {"bn", ES_OP_BN, {5, 3, 4}, 5, 4, 4, .groups = 1},
    {"bn relu", ES_OP_BN, {17, 3, 3}, 17, 3, 5, .relu = true},
    {"bn residual relu", ES_OP_BN, {5, 3, 3}, 5, 4, 4, .residual = true, .relu = true},
    {"bn residual relu add",
     ES_OP_BN,
     {6, 2, 3},
     6,
     4,
     4,
     .groups = 2,
     .residual = true,
     .relu = true,
     .add = true},
    {"bn residual", ES_OP_BN, {3, 2, 3}, 3, 4, 4, .residual = true},
    {"bn groups", ES_OP_BN, {4, 2, 3}, 4, 6, 8, .groups = 2, .relu = true},
    {"bn vectors", ES_OP_BN, {300, 1, 1}, 300, 6, 6, .groups = 2},
    {"bn wide", ES_OP_BN, {150, 2, 3}, 150, 2, 2, .residual = true, .relu = true},
    {"bn mean 1000", ES_OP_BN, {2, 9, 9}, 2, 3, 3, .offset = 1000.0},
    {"bn no dx", ES_OP_BN, {4, 2, 2}, 4, 3, 3, .no_dx = true},
    {"linear", ES_OP_LINEAR, {11, 1, 1}, 7, 5, 6, .groups = 1},
    {"linear bias", ES_OP_LINEAR, {9, 1, 1}, 13, 4, 4, .bias = true},
    {"linear no images", ES_OP_LINEAR, {9, 1, 1}, 13, 0, 4, .bias = true},
    {"linear bias add", ES_OP_LINEAR, {9, 1, 1}, 3, 70, 80, .bias = true, .add = true},
    {"relu", ES_OP_RELU, {3, 4, 5}, 3, 3, 3, .groups = 1},
    {"relu add", ES_OP_RELU, {3, 2, 5}, 3, 2, 3, .add = true},
    {"maxpool 3x3 stride 2", ES_OP_MAXPOOL, {5, 8, 7}, 5, 2, 3, 3, 2, 1, .groups = 1},
    {"maxpool 2x2 add", ES_OP_MAXPOOL, {5, 6, 5}, 5, 2, 2, 2, 2, 0, .add = true},
    {"maxpool wide", ES_OP_MAXPOOL, {37, 4, 5}, 37, 2, 2, 3, 2, 1, .groups = 1},
    {"maxpool below zero", ES_OP_MAXPOOL, {2, 5, 5}, 2, 2, 2, 3, 1, 1, .offset = -5.0},
    {"avgpool", ES_OP_AVGPOOL, {7, 3, 4}, 7, 3, 3, .groups = 1},
    {"avgpool add", ES_OP_AVGPOOL, {3, 9, 9}, 3, 2, 3, .add = true},
    {"flatten", ES_OP_FLATTEN, {3, 4, 5}, 60, 3, 4, .groups = 1},
    {"flatten add", ES_OP_FLATTEN, {19, 2, 3}, 114, 3, 4, .add = true},
    {"flatten wide", ES_OP_FLATTEN, {70, 11, 6}, 4620, 1, 1, .groups = 1},
};

static void run_cases(const char *backend, int threads, es_precision precision) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bench e = {.t = &cases[i], .precision = precision};
    if (!open_backend(&e, backend, threads)) return;
    setup(&e);
    check_forward(&e);
    check_replay(&e);
    if (e.in < 5000) check_backward(&e); /* finite differences take a forward each */
    teardown(&e);
    es_backend_close(&e.b);
  }
}

static void ops_of_every_backend(void **state) {
  (void) state;
  on_every_backend(run_cases);
}

/** More images than pass at a time. */
static void check_room(es_backend *b) {
  enum { MANY = 900, SIDE = 41, NUMBERS = 3 * SIDE * SIDE };
  const es_shape image = {3, SIDE, SIDE};
  const es_act_type t = {image, ES_F32};
  const es_op_desc d = {
      .kind = ES_OP_RELU, .in = image, .out = image, .max_n = MANY, .need_dx = true};
  float *const x = calloc((size_t) MANY * NUMBERS, sizeof *x);
  float *const back = calloc((size_t) MANY * NUMBERS, sizeof *back);
  es_op *op = NULL;
  void *p = NULL;
  assert_true(x != NULL && back != NULL);
  for (int i = 0; i < MANY * NUMBERS; i++) x[i] = (float) i;
  assert_int_equal(es_op_plan(b, &d, &op), ES_OK);
  assert_int_equal(b->ops->alloc(b, b->ops->act_bytes(b, t, MANY), "test", &p), ES_OK);
  const size_t held = b->allocated;
  assert_int_equal(b->ops->act_write(b, t, MANY, x, p), ES_OK);
  assert_int_equal(b->ops->act_read(b, t, MANY, p, back), ES_OK);
  assert_memory_equal(x, back, (size_t) MANY * NUMBERS * sizeof *x);
  assert_true(b->allocated == held);
  b->ops->release(b, &p);
  es_op_destroy(&op);
  free(x);
  free(back);
}

static void room_for_images(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) {
    es_backend *b = NULL;
    assert_int_equal(es_backend_open(list[i]->name, NULL, 1, &b), ES_OK);
    check_room(b);
    es_backend_close(&b);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(ops_of_every_backend),
                                     cmocka_unit_test(room_for_images)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
