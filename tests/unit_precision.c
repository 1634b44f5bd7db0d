/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_precision.c  In which precision a backend's networks may compute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "backends.h"
#include "eigenstep/backend.h"

/** Here no rank computes in bf16. */
static void refused_in_bf16(es_backend *b) {
  es_op *op = NULL;
  const es_shape s = {3, 1, 1};
  const es_op_desc d = {
      .kind = ES_OP_RELU, .in = s, .out = s, .max_n = 1, .precision = ES_BF16};
  assert_int_equal(es_op_plan(b, &d, &op), ES_ENOTSUP);
  assert_null(op);
}

/** A processor without it on one rank is none for all; a backend without it refuses. */
static void precision(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) {
    es_backend *b = NULL;
    es_precision got = ES_BF16;
    assert_int_equal(es_backend_open(list[i]->name, NULL, 1, &b), ES_OK);
    assert_int_equal(es_backend_precision(b, ES_F32, &got), ES_OK);
    assert_int_equal(got, ES_F32);
    if (b->ops->bf16 == NULL) {
      assert_int_equal(es_backend_precision(b, ES_BF16, &got), ES_ECONFIG);
      assert_non_null(strstr(es_log_last_error(), "which computes in f32 only"));
    } else {
      assert_int_equal(es_backend_precision(b, ES_BF16, &got), ES_OK);
      assert_int_equal(got == ES_BF16, b->ops->has_bf16());
      b->lacks_bf16 = 1;
      assert_int_equal(es_backend_precision(b, ES_BF16, &got), ES_OK);
      assert_int_equal(got, ES_F32);
    }
    refused_in_bf16(b);
    es_backend_close(&b);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(precision)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
