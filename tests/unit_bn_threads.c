/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_bn_threads.c  Batch norm of maps whose sums are made in several pieces, on
 *  any number of threads: the same bits, and those sums that the formulas say. Sums in
 *  which two huge values cancel show the order of additions in their digits.
 *
 *  Tolerance of the sums: a run of f32 additions is short, so 1e-5 of the sum of absolute
 *  values; x and dy are taken as the backend has rounded them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "backends.h"
#include "ops_reference.h"

enum { GROUPS = 2, MOST = 5 };

typedef struct test_case {
  es_shape in;
  int n;
  bool relu;
} test_case;

static const test_case cases[] = {
    {{24, 40, 41}, 6, true}, /* narrow: several runs a piece, the last one short */
    {{150, 13, 13}, 10, false},
    {{2100, 1, 1}, 140, true}, /* few rows: columns are divided */
    {{4, 1, 1}, 2, false},     /* less than a piece for each thread */
};

/** What a forward and a backward leave, f32. */
typedef struct outcome {
  float *y, *dx; /* [n, C, H, W] */
  float *of[4];  /* [C] mean, var, dgain, dbias */
} outcome;

static void must(es_status st) {
  assert_int_equal(st, ES_OK);
}

static float *floats(int64_t n) {
  float *const v = calloc((size_t) n, sizeof *v);
  assert_non_null(v);
  return v;
}

static void *buffer(es_backend *b, size_t bytes) {
  void *p = NULL;
  must(b->ops->alloc(b, bytes, "test", &p));
  return p;
}

/** Values around 3, and gradients. */
static float *values(int64_t n, uint64_t seed, double mean) {
  float *const v = floats(n);
  for (int64_t i = 0; i < n; i++) v[i] = (float) (mean + noise(seed, (uint64_t) i));
  return v;
}

/** In all channels of each group a huge value near its first row, and its opposite near
 *  the last one. */
static void make_huge(const test_case *t, float *v) {
  const int64_t pixels = size_of(t->in) / t->in.c, count = t->n / GROUPS * pixels;
  for (int64_t k = 0; k < GROUPS * 2 * t->in.c; k++) {
    const int64_t g = k % GROUPS, last = k / GROUPS % 2, c = k / GROUPS / 2;
    const int64_t r = g * count + (last ? count - 1 : count > 5 ? 5 : 0);
    v[(r / pixels * t->in.c + c) * pixels + r % pixels] = last ? -0x1p40f : 0x1p40f;
  }
}

static es_op_desc describe(const test_case *t, es_precision precision) {
  return (es_op_desc){.kind = ES_OP_BN,
                      .name = "bn",
                      .in = t->in,
                      .out = t->in,
                      .precision = precision,
                      .max_n = t->n,
                      .need_dx = true,
                      .bn = {.relu = t->relu, .eps = 1e-5, .momentum = 1.0}};
}

/** x and dy become what the backend holds of them. */
static void run(const char *name, int threads, const test_case *t, es_precision precision,
                float *x, float *dy, outcome *o) {
  const es_op_desc d = describe(t, precision);
  const es_act_type type = {t->in, precision};
  const int64_t n = t->n * size_of(t->in);
  const size_t c = (size_t) t->in.c;
  es_backend *b = NULL;
  es_op *op = NULL;
  es_buf vector[6];
  es_act act[4];
  must(es_backend_open(name, NULL, threads, &b));
  for (int i = 0; i < 6; i++) vector[i] = buffer(b, c * sizeof(float));
  for (int i = 0; i < 4; i++) act[i] = buffer(b, b->ops->act_bytes(b, type, t->n));
  float *const gain = values((int64_t) c, 3, 1.5);
  must(b->ops->upload(b, vector[4], gain, c));
  must(b->ops->act_write(b, type, t->n, x, act[0]));
  must(b->ops->act_write(b, type, t->n, dy, act[1]));
  must(es_op_plan(b, &d, &op));
  const es_op_args a = {
      .n = t->n,
      .groups = GROUPS,
      .x = act[0],
      .dy = act[1],
      .y = act[2],
      .dx = act[3],
      .param = {.w = vector[4], .b = vector[5], .dw = vector[2], .db = vector[3]},
      .bn = {.mean = vector[0], .var = vector[1]}};
  must(op->forward(op, &a));
  must(op->backward(op, &a));
  o->y = floats(n);
  o->dx = floats(n);
  float *const to[4] = {x, dy, o->y, o->dx};
  for (int i = 0; i < 4; i++) must(b->ops->act_read(b, type, t->n, act[i], to[i]));
  for (int i = 0; i < 4; i++) {
    o->of[i] = floats((int64_t) c);
    must(b->ops->download(b, o->of[i], vector[i], c));
  }
  es_op_destroy(&op);
  for (int i = 0; i < 10; i++) {
    void *p = i < 6 ? (void *) vector[i] : act[i - 6];
    b->ops->release(b, &p);
  }
  es_backend_close(&b);
  free(gain);
}

static void release(outcome *o) {
  free(o->y);
  free(o->dx);
  for (int i = 0; i < 4; i++) free(o->of[i]);
}

/** Mean and gradients of a channel; with momentum 1 the running mean is the last group's.
 */
static void expect_sums(const test_case *t, const float *x, const float *dy, int channel,
                        const outcome *o) {
  const int64_t pixels = size_of(t->in) / t->in.c, count = t->n / GROUPS * pixels;
  double mean = 0, var = 0, dgain = 0, dbias = 0, size = 0;
  for (int g = 0; g < GROUPS; g++) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < 2 * count; i++) {
      const int64_t r = g * count + i % count;
      const int64_t at = (r / pixels * t->in.c + channel) * pixels + r % pixels;
      const double v = x[at];
      if (i < count) sum += v / (double) count; /* first round: the mean */
      if (i < count) continue;
      square += (v - sum) * (v - sum) / (double) count;
    }
    mean = sum;
    var = square;
    for (int64_t i = 0; i < count; i++) {
      const int64_t r = g * count + i;
      const int64_t at = (r / pixels * t->in.c + channel) * pixels + r % pixels;
      const double hat = (x[at] - mean) / sqrt(var + 1e-5);
      dbias += dy[at];
      dgain += dy[at] * hat;
      size += fabs(dy[at]) * (1.0 + fabs(hat));
    }
  }
  const double unbiased = count > 1 ? var * (double) count / (double) (count - 1) : var;
  assert_true(fabs(o->of[0][channel] - mean) <= 1e-5 * (1.0 + fabs(mean)));
  assert_true(fabs(o->of[1][channel] - unbiased) <= 1e-5 * (1.0 + unbiased));
  if (t->relu) return;
  assert_true(fabs(o->of[2][channel] - dgain) <= 1e-5 * size);
  assert_true(fabs(o->of[3][channel] - dbias) <= 1e-5 * size);
}

static void expect_same(const test_case *t, const outcome *a, const outcome *b) {
  const size_t n = (size_t) (t->n * size_of(t->in)) * sizeof(float);
  assert_memory_equal(a->y, b->y, n);
  assert_memory_equal(a->dx, b->dx, n);
  for (int i = 0; i < 4; i++)
    assert_memory_equal(a->of[i], b->of[i], (size_t) t->in.c * sizeof(float));
}

static void one(const char *name, const test_case *t, es_precision precision, bool huge) {
  const int64_t n = t->n * size_of(t->in);
  float *x = values(n, 1, 3.0), *dy = values(n, 2, 0.1);
  outcome first, o;
  if (huge) make_huge(t, x);
  if (huge) make_huge(t, dy);
  run(name, 1, t, precision, x, dy, &first);
  for (int c = 0; c < t->in.c && !huge; c += 7) expect_sums(t, x, dy, c, &first);
  for (int threads = 2; threads <= MOST; threads++) {
    run(name, threads, t, precision, x, dy, &o);
    expect_same(t, &first, &o);
    release(&o);
  }
  release(&first);
  free(x);
  free(dy);
}

static void threads_of_host_backends(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) {
    const bool narrow = list[i]->bf16 != NULL && list[i]->has_bf16();
    if (!list[i]->host) continue;
    for (size_t k = 0; k < 2 * sizeof cases / sizeof *cases; k++) {
      one(list[i]->name, &cases[k / 2], ES_F32, k % 2);
      if (narrow) one(list[i]->name, &cases[k / 2], ES_BF16, k % 2);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(threads_of_host_backends)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
