/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_guard.c  The guard backend does guard: the host can neither read nor write
 *  its memory, nor run past its end, and may exchange data through the backend. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "eigenstep/backend.h"

enum { N = 4096 }; /* whole pages, so that the end of the buffer is that of the pages */

static sigjmp_buf after_fault;

static void on_fault(int signal_number) {
  siglongjmp(after_fault, signal_number);
}

/** Does `touch` of p[i] fault? */
static bool faults(void (*touch)(volatile float *), volatile float *p) {
  struct sigaction act, old_segv, old_bus;
  memset(&act, 0, sizeof act);
  act.sa_handler = on_fault;
  sigaction(SIGSEGV, &act, &old_segv);
  sigaction(SIGBUS, &act, &old_bus);
  volatile bool fault = true;
  if (sigsetjmp(after_fault, 1) == 0) {
    touch(p);
    fault = false;
  }
  sigaction(SIGSEGV, &old_segv, NULL);
  sigaction(SIGBUS, &old_bus, NULL);
  return fault;
}

static void reads(volatile float *p) {
  (void) *p;
}

static void writes(volatile float *p) {
  *p = 1.0f;
}

static void buffers(void **state) {
  (void) state;
  static float values[N], back[N];
  es_backend *b = NULL;
  void *p = NULL;
  assert_int_equal(es_backend_open("guard", NULL, 1, &b), ES_OK);
  assert_int_equal(b->ops->alloc(b, sizeof values, "test", &p), ES_OK);
  for (int i = 0; i < N; i++) values[i] = (float) i;
  for (int pass = 0; pass < 2; pass++) {
    assert_true(faults(reads, p));
    assert_true(faults(writes, (float *) p + N - 1));
    assert_int_equal(b->ops->upload(b, p, values, N), ES_OK);
    assert_true(faults(reads, p));
    assert_int_equal(b->ops->download(b, back, p, N), ES_OK);
    assert_memory_equal(values, back, sizeof values);
  }
  assert_false(faults(reads, values));
  b->ops->release(b, &p);
  es_backend_close(&b);
}

/** An upload one element too long runs into the page behind the buffer. */
static es_backend *the_backend;
static void too_long(volatile float *p) {
  static float values[N + 1];
  (void) the_backend->ops->upload(the_backend, (float *) p, values, N + 1);
}

static void end_of_buffer(void **state) {
  (void) state;
  void *p = NULL;
  assert_int_equal(es_backend_open("guard", NULL, 1, &the_backend), ES_OK);
  assert_int_equal(the_backend->ops->alloc(the_backend, N * sizeof(float), "test", &p),
                   ES_OK);
  assert_true(faults(too_long, p));
  the_backend->ops->release(the_backend, &p);
  es_backend_close(&the_backend);
}

/** An op may touch what it was given, and only while it runs. */
static void ops(void **state) {
  (void) state;
  es_backend *b = NULL;
  es_op *op = NULL;
  void *x = NULL, *y = NULL;
  float host[N] = {0};
  assert_int_equal(es_backend_open("guard", NULL, 1, &b), ES_OK);
  const es_op_desc d = {
      .kind = ES_OP_RELU, .in = {N, 1, 1}, .out = {N, 1, 1}, .max_n = 1};
  assert_int_equal(es_op_plan(b, &d, &op), ES_OK);
  assert_int_equal(b->ops->alloc(b, sizeof host, "x", &x), ES_OK);
  assert_int_equal(b->ops->alloc(b, sizeof host, "y", &y), ES_OK);
  es_op_args a = {.n = 1, .groups = 1, .x = x, .y = y};
  assert_int_equal(op->forward(op, &a), ES_OK);
  assert_true(faults(reads, x));
  assert_true(faults(reads, y));
  a.x = host; /* memory of the host is not the device's */
  assert_int_equal(op->forward(op, &a), ES_EARG);
  assert_true(faults(reads, y));
  b->ops->release(b, &x);
  b->ops->release(b, &y);
  es_op_destroy(&op);
  assert_int_equal(b->allocated, 0);
  es_backend_close(&b);
}

/** Only marks that were given out can be waited for. */
static void marks(void **state) {
  (void) state;
  es_backend *b = NULL;
  es_mark first = 0, second = 0;
  assert_int_equal(es_backend_open("guard", NULL, 1, &b), ES_OK);
  assert_int_equal(b->ops->wait(b, 0), ES_EARG);
  assert_int_equal(b->ops->wait(b, 1), ES_EARG);
  assert_int_equal(b->ops->record(b, &first), ES_OK);
  assert_int_equal(b->ops->record(b, &second), ES_OK);
  assert_true(second > first);
  assert_int_equal(b->ops->wait(b, second), ES_OK);
  assert_int_equal(b->ops->wait(b, first), ES_OK);
  assert_int_equal(b->ops->wait(b, second + 1), ES_EARG);
  es_backend_close(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(buffers),
      cmocka_unit_test(end_of_buffer),
      cmocka_unit_test(ops),
      cmocka_unit_test(marks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
