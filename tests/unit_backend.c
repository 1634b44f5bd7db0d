/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_backend.c  Opening backends by name, descriptions that do not fit, plain
 *  vectors, memory in balance; on every backend of this build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include "backends.h"
#include "eigenstep/mem.h"

enum { N = 10007 };

/** assert_float_equal takes a NaN for anything. */
static void near(double got, double want, double tolerance) {
  if (!(fabs(got - want) <= tolerance)) fail_msg("got %.9g, expected %.9g", got, want);
}

static void names(void **state) {
  (void) state;
  es_backend *b = NULL;
  assert_int_equal(es_backend_open("blsa", NULL, 1, &b), ES_ECONFIG);
  assert_non_null(strstr(es_log_last_error(), "did you mean 'blas'"));
  const es_backend_ops *const *list;
  const size_t n = es_backend_list(&list);
  if (strcmp(list[n - 1]->name, "guard") == 0) { /* behind it would be cuda */
    assert_int_equal(es_backend_open("cuda", NULL, 1, &b), ES_ENOTSUP);
    assert_non_null(strstr(es_log_last_error(), "backend 'cuda' is not in this build"));
  }
  const bool fast = strcmp(list[0]->name, "onednn") == 0; /* in this build? */
  if (!fast) assert_int_equal(es_backend_open("onednn", NULL, 1, &b), ES_ENOTSUP);
  assert_int_equal(es_backend_open("blas", NULL, 0, &b), ES_EARG);
  assert_null(b);
  assert_int_equal(es_backend_open("auto", NULL, 1, &b), ES_OK);
  assert_string_equal(b->ops->name, fast ? "onednn" : "blas");
  es_backend_close(&b);
  assert_null(b);
  es_backend_close(&b);
}

/** A table with one entry missing is refused, and the message says which. */
static void missing_entries(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = es_backend_list(&list);
  for (size_t i = 0; i < n; i++) assert_int_equal(es_backend_complete(list[i]), ES_OK);
  es_backend_ops part = *list[0];
  part.zero = NULL;
  assert_int_equal(es_backend_complete(&part), ES_EINTERNAL);
  assert_non_null(strstr(es_log_last_error(), "lacks zero"));
  part = *list[0];
  part.plan[ES_OP_AVGPOOL] = NULL;
  assert_int_equal(es_backend_complete(&part), ES_EINTERNAL);
  assert_non_null(strstr(es_log_last_error(), "lacks the op avgpool"));
}

static void refused(es_backend *b, es_op_desc d, const char *message) {
  es_op *op = NULL;
  assert_int_equal(es_op_plan(b, &d, &op), ES_EARG);
  assert_null(op);
  if (strstr(es_log_last_error(), message) == NULL)
    fail_msg("got '%s', expected '... %s ...'", es_log_last_error(), message);
}

static void descriptions(void **state) {
  (void) state;
  es_backend *b = NULL;
  assert_int_equal(es_backend_open("blas", NULL, 1, &b), ES_OK);
  const es_op_desc conv = {.kind = ES_OP_CONV,
                           .name = "c",
                           .in = {3, 8, 8},
                           .out = {4, 8, 8},
                           .max_n = 2,
                           .window = {3, 1, 1}};
  es_op_desc d = conv;
  d.out.h = 7;
  refused(b, d, "expected 4 x 8 x 8");
  d = conv;
  d.max_n = 0;
  refused(b, d, "max_n = 0");
  d = conv;
  d.window.stride = 0;
  refused(b, d, "stride = 0");
  d = conv;
  d.window.k = 11;
  refused(b, d, "does not fit a map of 8 x 8");
  d = conv;
  d.in.c = 0;
  refused(b, d, "expected positive sizes");
  d = conv;
  d.max_n = 1 << 30;
  refused(b, d, "pixels");
  d = conv;
  d.kind = ES_OP_LINEAR;
  refused(b, d, "flatten first");
  d = conv;
  d.kind = ES_OP_MAXPOOL;
  d.window.pad = 2;
  refused(b, d, "pad <= k / 2");
  d = (es_op_desc){.kind = ES_OP_BN, .in = {3, 2, 2}, .out = {3, 2, 2}, .max_n = 1};
  refused(b, d, "eps = 0");
  es_backend_close(&b);
}

static void executions(void **state) {
  (void) state;
  es_backend *b = NULL;
  es_op *op = NULL;
  assert_int_equal(es_backend_open("blas", NULL, 1, &b), ES_OK);
  const es_op_desc d = {.kind = ES_OP_BN,
                        .name = "bn1",
                        .in = {3, 1, 1},
                        .out = {3, 1, 1},
                        .max_n = 4,
                        .bn = {.eps = 1e-5, .momentum = 0.1}};
  assert_int_equal(es_op_plan(b, &d, &op), ES_OK);
  assert_true(op->bytes > 0);
  es_op_args a = {.n = 5, .groups = 1};
  assert_int_equal(op->forward(op, &a), ES_EARG);
  assert_non_null(strstr(es_log_last_error(), "bn1: got 5 images, expected 0 to 4"));
  a = (es_op_args){.n = 3, .groups = 2};
  assert_int_equal(op->forward(op, &a), ES_EARG);
  a.groups = ES_BN_GROUPS + 1;
  assert_int_equal(op->forward(op, &a), ES_EARG);
  es_op_destroy(&op);
  assert_null(op);
  es_op_destroy(&op);
  es_backend_close(&b);
}

/** The statistics of one value: finite, and the running variance as if it were biased. */
static void bn_of_one_value(void **state) {
  (void) state;
  es_backend *b = NULL;
  es_op *op = NULL;
  assert_int_equal(es_backend_open("blas", NULL, 1, &b), ES_OK);
  const es_op_desc d = {.kind = ES_OP_BN,
                        .in = {1, 1, 1},
                        .out = {1, 1, 1},
                        .max_n = 1,
                        .need_dx = true,
                        .bn = {.eps = 1e-5, .momentum = 0.25}};
  assert_int_equal(es_op_plan(b, &d, &op), ES_OK);
  float x = 3, y = 0, dx = 9, dy = 1, gain = 2, bias = 0.5, dgain = 1, dbias = 1;
  float mean = 1, var = 4;
  const es_op_args a = {.n = 1,
                        .groups = 1,
                        .x = &x,
                        .y = &y,
                        .dx = &dx,
                        .dy = &dy,
                        .param.w = &gain,
                        .param.b = &bias,
                        .param.dw = &dgain,
                        .param.db = &dbias,
                        .bn.mean = &mean,
                        .bn.var = &var};
  assert_int_equal(op->forward(op, &a), ES_OK);
  near(y, 0.5, 0);
  near(mean, 1.5, 0);
  near(var, 3, 0);
  assert_int_equal(op->backward(op, &a), ES_OK);
  near(dx, 0, 1e-3); /* 632 dy cancels */
  near(dgain, 1, 0);
  near(dbias, 2, 0);
  es_op_destroy(&op);
  es_backend_close(&b);
}

/** Plan d and run it forward and back on host arrays (the memory of `blas` is the
 *  host's). */
static void run_blas(const es_op_desc *d, const es_op_args *a) {
  es_backend *b = NULL;
  es_op *op = NULL;
  assert_int_equal(es_backend_open("blas", NULL, 1, &b), ES_OK);
  assert_int_equal(es_op_plan(b, d, &op), ES_OK);
  assert_int_equal(op->forward(op, a), ES_OK);
  assert_int_equal(op->backward(op, a), ES_OK);
  es_op_destroy(&op);
  es_backend_close(&b);
}

/** Where values are equal, the first wins and gets the whole gradient, as in PyTorch. */
static void maxpool_of_equals(void **state) {
  (void) state;
  float x[4] = {-2, -2, -2, -2}, y[1], dx[4], dy[1] = {3};
  run_blas(&(es_op_desc){.kind = ES_OP_MAXPOOL,
                         .in = {1, 2, 2},
                         .out = {1, 1, 1},
                         .max_n = 1,
                         .window = {2, 2, 0},
                         .need_dx = true},
           &(es_op_args){.n = 1, .groups = 1, .x = x, .y = y, .dx = dx, .dy = dy});
  near(y[0], -2, 0);
  for (int i = 0; i < 4; i++) near(dx[i], i == 0 ? 3 : 0, 0);
}

/** A NaN is not turned into a zero on its way to where it is noticed. */
static void nan_survives(void **state) {
  (void) state;
  float x[4] = {1, NAN, 2, -1}, y[4] = {0}, dx[4], dy[4] = {0};
  const es_op_args a = {.n = 1, .groups = 1, .x = x, .y = y, .dx = dx, .dy = dy};
  run_blas(
      &(es_op_desc){.kind = ES_OP_RELU, .in = {1, 2, 2}, .out = {1, 2, 2}, .max_n = 1},
      &a);
  assert_true(isnan(y[1]) && y[2] == 2 && y[3] == 0);
  run_blas(&(es_op_desc){.kind = ES_OP_MAXPOOL,
                         .in = {1, 2, 2},
                         .out = {1, 1, 1},
                         .max_n = 1,
                         .window = {2, 2, 0}},
           &a);
  assert_true(isnan(y[0]));
  float gain = 1, bias = 0, dgain = 0, dbias = 0, mean = 0, var = 1;
  es_op_args bn = a;
  bn.param.w = &gain;
  bn.param.b = &bias;
  bn.param.dw = &dgain;
  bn.param.db = &dbias;
  bn.bn.mean = &mean;
  bn.bn.var = &var;
  run_blas(&(es_op_desc){.kind = ES_OP_BN,
                         .in = {1, 2, 2},
                         .out = {1, 2, 2},
                         .max_n = 1,
                         .bn = {.relu = true, .eps = 1e-5, .momentum = 0.1}},
           &bn);
  assert_true(isnan(y[0]) && isnan(y[1]) && isnan(mean));
}

static es_buf vector(es_backend *b, const float *v) {
  void *p = NULL;
  assert_int_equal(b->ops->alloc(b, N * sizeof *v, "test", &p), ES_OK);
  assert_int_equal(b->ops->upload(b, p, v, N), ES_OK);
  return p;
}

/** SGD as its formula reads, against the fused op. */
static void check_sgd(es_backend *b, bool nesterov, es_buf p, const es_buf g, es_buf m) {
  static float p0[N], g0[N], m0[N], p1[N], m1[N];
  const es_backend_ops *o = b->ops;
  const es_sgd_args a = {.lr = 0.1,
                         .scale = 0.7,
                         .momentum = 0.9,
                         .weight_decay = 0.01,
                         .nesterov = nesterov};
  assert_int_equal(o->download(b, p0, p, N), ES_OK);
  assert_int_equal(o->download(b, g0, g, N), ES_OK);
  assert_int_equal(o->download(b, m0, m, N), ES_OK);
  assert_int_equal(o->sgd(b, N, &a, p, g, m), ES_OK);
  assert_int_equal(o->download(b, p1, p, N), ES_OK);
  assert_int_equal(o->download(b, m1, m, N), ES_OK);
  for (int i = 0; i < N; i++) {
    const double d = a.scale * (g0[i] + a.weight_decay * p0[i]);
    const double moment = a.momentum * m0[i] + d;
    near(m1[i], moment, 1e-6);
    const double step = nesterov ? d + a.momentum * moment : moment;
    near(p1[i], p0[i] - a.lr * step, 1e-6);
  }
}

/** AdamW as its formula reads, against the fused op. */
static void check_adamw(es_backend *b, es_buf p, const es_buf g, es_buf m, es_buf v) {
  const es_buf moments[2] = {m, v};
  static float p0[N], g0[N], m0[N], v0[N], p1[N], m1[N], v1[N];
  const es_backend_ops *o = b->ops;
  const es_adamw_args a = {.lr = 0.1,
                           .beta1 = 0.9,
                           .beta2 = 0.99,
                           .eps = 1e-3,
                           .weight_decay = 0.2,
                           .step = 3};
  assert_int_equal(o->download(b, p0, p, N), ES_OK);
  assert_int_equal(o->download(b, g0, g, N), ES_OK);
  assert_int_equal(o->download(b, m0, m, N), ES_OK);
  assert_int_equal(o->download(b, v0, v, N), ES_OK);
  assert_int_equal(o->adamw(b, N, &a, p, g, moments), ES_OK);
  assert_int_equal(o->download(b, p1, p, N), ES_OK);
  assert_int_equal(o->download(b, m1, m, N), ES_OK);
  assert_int_equal(o->download(b, v1, v, N), ES_OK);
  for (int i = 0; i < N; i++) {
    const double mean = a.beta1 * m0[i] + (1 - a.beta1) * g0[i];
    const double square = a.beta2 * v0[i] + (1 - a.beta2) * g0[i] * g0[i];
    near(m1[i], mean, 1e-6);
    near(v1[i], square, 1e-6);
    const double root = sqrt(square / (1 - pow(a.beta2, 3))) + a.eps;
    const double step = a.lr * mean / (1 - pow(a.beta1, 3)) / root;
    const double want = (1 - a.lr * a.weight_decay) * p0[i] - step;
    near(p1[i], want, 1e-6 * (fabs(p0[i]) + fabs(step)));
  }
}

/** r[4], four sums in the backend's memory, read at once: dot and gram add to them. */
static void check_sums(es_backend *b, const es_buf p, const es_buf q,
                       const double want[3]) {
  const es_backend_ops *o = b->ops;
  double got[4] = {1, 1, 1, 1};
  void *room = NULL;
  assert_int_equal(o->alloc(b, sizeof got, "test", &room), ES_OK);
  es_buf64 r = room;
  for (int i = 1; i <= 2; i++) {
    assert_int_equal(o->dot(b, N, p, q, r), ES_OK);
    assert_int_equal(o->gram(b, N, p, q, r + 1), ES_OK);
    assert_int_equal(o->download64(b, got, r, 4), ES_OK);
    near(got[0], i * want[1], 1e-9);
    for (int k = 0; k < 3; k++) near(got[1 + k], i * want[k], 1e-9 * fabs(want[k]));
  }
  assert_int_equal(o->zero(b, r, sizeof got), ES_OK);
  assert_int_equal(o->download64(b, got, r, 4), ES_OK);
  for (int k = 0; k < 4; k++) near(got[k], 0, 0);
  o->release(b, &room);
}

/** All elements but the last, to one place further on. */
static void check_copy(es_backend *b, es_buf dst, const es_buf src) {
  static float before[N], source[N], after[N];
  assert_int_equal(b->ops->download(b, before, dst, N), ES_OK);
  assert_int_equal(b->ops->download(b, source, src, N), ES_OK);
  assert_int_equal(b->ops->copy(b, dst + 1, src, N - 2), ES_OK);
  assert_int_equal(b->ops->download(b, after, dst, N), ES_OK);
  assert_true(after[0] == before[0] && after[N - 1] == before[N - 1]);
  assert_true(before[1] != source[0]);
  assert_memory_equal(after + 1, source, (N - 2) * sizeof *source);
}

static void check_vectors(es_backend *b) {
  static float x[N], y[N], back[N];
  double want[3] = {0};
  for (int i = 0; i < N; i++) {
    x[i] = sinf((float) i);
    y[i] = cosf(3.0f * (float) i) + 0.5f;
    want[0] += (double) x[i] * (double) x[i];
    want[1] += (double) x[i] * (double) y[i];
    want[2] += (double) y[i] * (double) y[i];
  }
  const es_backend_ops *o = b->ops;
  es_buf p = vector(b, x), q = vector(b, y), m = vector(b, x), v = vector(b, x);
  assert_int_equal(o->zero(b, v, N * sizeof(float)), ES_OK);
  check_sums(b, p, q, want);
  check_sgd(b, false, p, q, m);
  check_sgd(b, true, p, q, m);
  check_adamw(b, p, q, m, v);
  assert_int_equal(o->scale(b, N - 1, -2.0, q + 1), ES_OK);
  assert_int_equal(o->zero(b, q + 5, 3 * sizeof(float)), ES_OK);
  assert_int_equal(o->download(b, back, q, N), ES_OK);
  for (int i = 0; i < N; i++)
    near(back[i], i == 0 ? y[i] : (i >= 5 && i < 8 ? 0 : -2 * y[i]), 0);
  check_copy(b, v, q);
  void *all[] = {p, q, m, v, NULL};
  for (int i = 0; i < 5; i++) o->release(b, &all[i]);
  assert_null(all[0]);
}

/** Activations survive the way there and back, whatever the layout. */
static void check_activations(es_backend *b) {
  static float x[3 * 19 * 5 * 7], back[3 * 19 * 5 * 7];
  const es_act_type t = {{19, 5, 7}, ES_F32};
  void *p = NULL;
  for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = (float) i;
  assert_int_equal(b->ops->alloc(b, b->ops->act_bytes(b, t, 3), "test", &p), ES_OK);
  assert_int_equal(b->ops->act_write(b, t, 3, x, p), ES_OK);
  assert_int_equal(b->ops->act_read(b, t, 3, p, back), ES_OK);
  assert_memory_equal(x, back, sizeof x);
  b->ops->release(b, &p);
}

static void memory_and_vectors(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) {
    es_backend *b = NULL;
    const size_t before = es_mem_now();
    assert_int_equal(es_backend_open(list[i]->name, NULL, 2, &b), ES_OK);
    size_t own[2]; /* what it works with: nothing is left behind */
    for (int k = 0; k < 2; own[k++] = b->allocated) {
      check_vectors(b);
      check_activations(b);
      assert_int_equal(b->ops->sync(b), ES_OK);
    }
    assert_int_equal(own[1], b->ops->host ? 0 : own[0]);
    es_backend_close(&b);
    assert_int_equal(es_mem_now(), before);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names),
      cmocka_unit_test(descriptions),
      cmocka_unit_test(executions),
      cmocka_unit_test(missing_entries),
      cmocka_unit_test(maxpool_of_equals),
      cmocka_unit_test(nan_survives),
      cmocka_unit_test(bn_of_one_value),
      cmocka_unit_test(memory_and_vectors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
