/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_conv_algo.c  Every way of the onednn backend to compute a convolution, each
 *  pass, setting and adding, against the backend `blas`; only some are chosen on any one
 *  machine. And how they pack weights, against its definition.
 *
 *  Tolerance of the largest difference: 1e-5 of the largest value in f32 (sums of up to
 *  4000 terms in other orders err by 2e-6 of it); 5e-5 by Winograd, whose interpolation
 *  multiplies rounding by 2 to 4; 2e-2 in bf16, as in unit_ops, and 1e-2 by Winograd. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "backend/onednn/conv_verify.h"
#include "backend/onednn/tune.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"

#ifdef HAVE_ONEDNN

enum { N = 10, MOST = 1 << 20 };

static const es_op_desc shapes[] = {
    {.in = {16, 5, 4}, .out = {24, 5, 4}, .window = {1, 1, 0}},
    {.in = {16, 6, 6}, .out = {8, 3, 3}, .window = {1, 2, 0}},
    {.in = {7, 5, 5}, .out = {9, 5, 5}, .window = {3, 1, 1}},
    {.in = {32, 8, 8}, .out = {32, 8, 8}, .window = {3, 1, 1}},
    {.in = {64, 6, 6}, .out = {64, 6, 6}, .window = {3, 1, 1}},
    {.in = {16, 7, 6}, .out = {24, 4, 3}, .window = {3, 2, 1}},
    {.in = {128, 2, 2}, .out = {64, 2, 2}, .window = {3, 1, 1}},
    {.in = {32, 2, 2}, .out = {32, 1, 1}, .window = {3, 2, 1}},
    {.in = {32, 1, 1}, .out = {16, 1, 1}, .window = {3, 1, 1}},
    {.in = {3, 15, 15}, .out = {16, 8, 8}, .window = {7, 2, 3}},
    /* more gathered rows than `unrolled` takes at a time, of either type; scattered */
    {.in = {64, 28, 28}, .out = {64, 28, 28}, .window = {3, 1, 1}},
    {.in = {64, 40, 40}, .out = {64, 20, 20}, .window = {3, 2, 1}},
    /* maps that tiles of `winograd-tiles` go beyond; of one tile; 2 x 2 on one side */
    {.in = {24, 7, 9}, .out = {40, 7, 9}, .window = {3, 1, 1}},
    {.in = {24, 16, 15}, .out = {17, 16, 15}, .window = {3, 1, 1}},
    {.in = {33, 3, 3}, .out = {20, 3, 3}, .window = {3, 1, 1}},
    {.in = {21, 2, 2}, .out = {40, 2, 2}, .window = {3, 1, 1}},
    {.in = {16, 4, 4}, .out = {24, 2, 2}, .window = {3, 1, 0}},
    {.in = {16, 2, 2}, .out = {24, 4, 4}, .window = {3, 1, 2}},
    {.in = {16, 4, 4}, .out = {48, 4, 4}, .window = {3, 1, 1}},
    {.in = {16, 11, 9}, .out = {24, 9, 7}, .window = {3, 1, 0}},
    {.in = {24, 5, 6}, .out = {16, 7, 8}, .window = {3, 1, 2}},
    /* one input channel: its filters are a column */
    {.in = {1, 9, 9}, .out = {64, 9, 9}, .window = {3, 1, 1}},
    {.in = {1, 1, 1}, .out = {128, 1, 1}, .window = {1, 1, 0}},
};

/** Buffers of one problem in f32, [N, C, H, W]; with results by `blas`. */
typedef struct problem {
  es_op_desc d;
  float *x, *dy, *dx, *w; /* given: dx and, as begin of dw, w are added to */
  float *y;               /* results; the others are sums, and gradients alone */
  float *dx_of[2], *dw_of[2];
} problem;

/** How often what is not everywhere to be had was tried. */
typedef struct tries {
  int winograd, packed_weights;
} tries;

static int64_t size_of(es_shape s) {
  return (int64_t) N * s.c * s.h * s.w;
}

static int64_t weights_of(const es_op_desc *d) {
  return (int64_t) d->out.c * d->in.c * d->window.k * d->window.k;
}

/** Numbers that bf16 has exactly, so that both sides begin with the same. */
static float *numbers(uint64_t stream, int64_t n) {
  float *p = NULL;
  assert_int_equal(ES_NEW(n, &p), ES_OK);
  es_rng r = es_rng_at(7, stream, 0, 0);
  for (int64_t i = 0; i < n; i++)
    p[i] = (float) (rint(64 * es_rng_range(&r, -1, 1)) / 64);
  return p;
}

static void *room(es_backend *b, size_t bytes) {
  void *p = NULL;
  assert_int_equal(b->ops->alloc(b, bytes, "test", &p), ES_OK);
  return p;
}

static es_act act(es_backend *b, const es_op_desc *d, es_shape s, const float *nchw) {
  const es_act_type t = {s, d->precision};
  es_act a = room(b, b->ops->act_bytes(b, t, N));
  assert_int_equal(b->ops->act_write(b, t, N, nchw, a), ES_OK);
  return a;
}

static es_op_args arguments(es_backend *b, const problem *p, bool add) {
  es_op_args a = {.n = N, .groups = 1, .add_dx = add, .param.set_dw = !add};
  a.x = act(b, &p->d, p->d.in, p->x);
  a.dy = act(b, &p->d, p->d.out, p->dy);
  a.dx = act(b, &p->d, p->d.in, p->dx);
  a.y = act(b, &p->d, p->d.out, p->dy);
  a.param.w = room(b, (size_t) weights_of(&p->d) * sizeof(float));
  a.param.dw = room(b, (size_t) weights_of(&p->d) * sizeof(float));
  memcpy(a.param.w, p->w, (size_t) weights_of(&p->d) * sizeof(float));
  memcpy(a.param.dw, p->w, (size_t) weights_of(&p->d) * sizeof(float)); /* added to */
  return a;
}

static void release(es_backend *b, es_op_args *a) {
  void *all[6] = {a->x, a->dy, a->dx, a->y, a->param.w, a->param.dw};
  for (int i = 0; i < 6; i++) b->ops->release(b, &all[i]);
}

static problem solve(const es_op_desc *shape) {
  problem p = {.d = *shape};
  es_backend *b = NULL;
  es_op *op = NULL;
  p.d.kind = ES_OP_CONV;
  p.d.max_n = N;
  p.d.need_dx = true;
  p.x = numbers(1, size_of(p.d.in));
  p.dy = numbers(2, size_of(p.d.out));
  p.dx = numbers(3, size_of(p.d.in));
  p.w = numbers(4, weights_of(&p.d));
  p.y = numbers(5, size_of(p.d.out));
  assert_int_equal(es_backend_open("blas", NULL, 1, &b), ES_OK);
  assert_int_equal(es_op_plan(b, &p.d, &op), ES_OK);
  for (int add = 0; add < 2; add++) {
    es_op_args a = arguments(b, &p, add);
    p.dx_of[add] = numbers(5, size_of(p.d.in));
    p.dw_of[add] = numbers(5, weights_of(&p.d));
    if (!add) memset(a.param.dw, 0, (size_t) weights_of(&p.d) * sizeof(float));
    assert_int_equal(op->forward(op, &a), ES_OK);
    assert_int_equal(op->backward(op, &a), ES_OK);
    assert_int_equal(b->ops->act_read(b, (es_act_type){p.d.out, ES_F32}, N, a.y, p.y),
                     ES_OK);
    assert_int_equal(
        b->ops->act_read(b, (es_act_type){p.d.in, ES_F32}, N, a.dx, p.dx_of[add]), ES_OK);
    memcpy(p.dw_of[add], a.param.dw, (size_t) weights_of(&p.d) * sizeof(float));
    release(b, &a);
  }
  es_op_destroy(&op);
  es_backend_close(&b);
  return p;
}

static void forget(problem *p) {
  float **all[9] = {&p->x,        &p->dy,       &p->dx,       &p->w,       &p->y,
                    &p->dx_of[0], &p->dx_of[1], &p->dw_of[0], &p->dw_of[1]};
  for (int i = 0; i < 9; i++) es_free(all[i]);
}

static void compare(bool bf16, const es_conv_algo_ops *ops, int64_t n, const float *got,
                    const float *want) {
  double worst = 0, largest = 0;
  for (int64_t i = 0; i < n; i++) {
    worst = fmax(worst, fabs((double) got[i] - want[i]));
    largest = fmax(largest, fabs((double) want[i]));
  }
  const bool points = ops == &es_conv_algo_winograd;
  const double limit = bf16 ? (points ? 1e-2 : 2e-2) : (points ? 5e-5 : 1e-5);
  if (!(worst <= limit * largest))
    fail_msg("%s: %g of the largest, expected at most %g", ops->name, worst / largest,
             limit);
}

/** Run one way adding, setting and adding: it must not depend on what it left behind. */
static bool try_algo(es_backend *b, const es_conv_algo_ops *ops, es_pass pass,
                     const problem *p, tries *had) {
  static float got[MOST];
  es_conv_algo *w = NULL;
  if (!ops->fits(&p->d, pass)) return false;
  const es_status st = es_conv_algo_create(ops, b, &p->d, pass, N, &w);
  if (st == ES_ENOTSUP) return false;
  assert_int_equal(st, ES_OK);
  bool right = false;
  assert_int_equal(es_conv_verify(w, &right), ES_OK);
  assert_true(right);
  had->winograd += ops == &es_conv_algo_winograd;
  had->packed_weights += w->weights.form.width > 0;
  for (int turn = 0; turn < 3; turn++) {
    const bool add = turn != 1;
    es_op_args a = arguments(b, p, add);
    assert_int_equal(es_conv_algo_ready(w, a.param.w, 0), ES_OK);
    assert_int_equal(ops->run(w, &a), ES_OK);
    if (pass == ES_FORWARD) {
      assert_int_equal(
          b->ops->act_read(b, (es_act_type){p->d.out, p->d.precision}, N, a.y, got),
          ES_OK);
      compare(p->d.precision == ES_BF16, ops, size_of(p->d.out), got, p->y);
    } else if (pass == ES_DATA) {
      assert_int_equal(
          b->ops->act_read(b, (es_act_type){p->d.in, p->d.precision}, N, a.dx, got),
          ES_OK);
      compare(p->d.precision == ES_BF16, ops, size_of(p->d.in), got, p->dx_of[add]);
    } else {
      compare(p->d.precision == ES_BF16, ops, weights_of(&p->d), a.param.dw,
              p->dw_of[add]);
    }
    release(b, &a);
  }
  es_conv_algo_destroy(&w);
  return true;
}

/** What this library and processor are known to have must have been tried. */
static void expect(bool bf16, const tries *had) {
  char name[96];
  es_prim_engine_name(name, sizeof name);
  print_message("%s: winograd %d times, weights in packed_weights %d times\n", name,
                had->winograd, had->packed_weights);
  assert_true(had->winograd >= 40);
  if (strncmp(name, "oneDNN 2.", 9) != 0 || !es_prim_engine_bf16()) return;
  if (strstr(name, "_bf16") != NULL || strstr(name, "_amx") != NULL)
    assert_true(!bf16 || had->packed_weights > 0);
}

static void try_all(es_precision wanted, int threads) {
  const es_conv_algo_ops *const *list;
  const size_t algos = es_conv_algo_list(&list);
  es_backend *b = NULL;
  tries had = {0};
  es_precision got = ES_F32;
  assert_int_equal(es_backend_open("onednn", NULL, threads, &b), ES_OK);
  assert_int_equal(es_backend_precision(b, wanted, &got), ES_OK);
  if (got != wanted) print_message("this processor has no bf16\n");
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    problem p = solve(&shapes[i]);
    p.d.precision = got;
    for (int pass = 0; pass < ES_PASSES; pass++) {
      int worked = 0;
      for (size_t k = 0; k < algos; k++)
        worked += try_algo(b, list[k], (es_pass) pass, &p, &had);
      assert_true(worked >= 1);
    }
    forget(&p);
  }
  expect(got == ES_BF16, &had);
  es_backend_close(&b);
}

static void in_f32(void **state) {
  (void) state;
  try_all(ES_F32, 1);
}

static void in_bf16(void **state) {
  (void) state;
  try_all(ES_BF16, 1);
}

static void on_two_threads(void **state) {
  (void) state;
  try_all(ES_F32, 2);
  try_all(ES_BF16, 2);
}

/** Every element where packed.h says, and 0 around; of numbers that bf16 has exactly. */
static void pack(const es_packed *p) {
  const int64_t by = p->bf16 ? 2 : 1, high = (p->rows + 16 * by - 1) / (16 * by) * 16;
  const int64_t packed_weights = (p->cols + p->width - 1) / p->width;
  const int64_t words = packed_weights * high * p->width;
  float *from = numbers(9, p->rows * p->cols);
  uint32_t *to = NULL;
  assert_int_equal(ES_NEW(words, &to), ES_OK);
  memset(to, 0x55, (size_t) words * sizeof *to);
  es_packed_pack(p, 1, from, to);
  for (int64_t i = 0; i < words * by; i++) {
    const int64_t w = i / by, c = w / (high * p->width) * p->width + w % p->width;
    const int64_t r = w / p->width % high * by + i % by;
    const bool in = r < p->rows && c < p->cols;
    const float want =
        !in ? 0.0f : (p->transposed ? from[c * p->rows + r] : from[r * p->cols + c]);
    uint32_t bits = to[w];
    if (p->bf16) bits = i % 2 == 0 ? bits << 16 : bits & 0xffff0000u;
    float got;
    memcpy(&got, &bits, sizeof got);
    assert_true(got == want);
  }
  es_free(&from);
  es_free(&to);
}

static void packing(void **state) {
  (void) state;
  static const int64_t sizes[][2] = {{64, 128}, {33, 70}, {1, 1}, {50, 16}, {31, 193}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int kind = 0; kind < 4; kind++)
      for (int width = 16; width <= 64; width += 16)
        pack(&(es_packed){.rows = sizes[i][0],
                          .cols = sizes[i][1],
                          .width = width,
                          .bf16 = kind % 2,
                          .transposed = kind / 2});
}

/** Candidates leave no memory behind, whatever they asked for. */
static void tuning(void **state) {
  (void) state;
  const es_backend_options o = {.name = "onednn", .threads = 1, .tune = true};
  es_op_desc d = shapes[3];
  const es_op_desc *list = &d;
  es_backend *b = NULL;
  d.kind = ES_OP_CONV;
  d.max_n = N;
  d.need_dx = true;
  assert_int_equal(es_backend_open_with(&o, NULL, &b), ES_OK);
  const size_t before = b->allocated;
  assert_int_equal(b->ops->tune(b, &list, 1), ES_OK);
  assert_true(((const es_onednn *) b->impl)->tuned->n == ES_PASSES);
  assert_true(b->allocated == before);
  es_backend_close(&b);
}

/** Results of the library as one with a fault in a vector's tail leaves them. */
static es_status wrong_at_the_end(es_conv_algo *w, const es_op_args *a) {
  const es_op_desc *const d = &w->desc;
  ES_TRY(es_conv_algo_product.run(w, a));
  for (int o = 0; o < d->out.c; o++)
    a->param.dw[(o + 1) * d->in.c - 1] += 1; /* of the last input channel */
  return ES_OK;
}

static es_status too_long(es_conv_algo *w, const es_op_args *a) {
  ES_TRY(es_conv_algo_product.run(w, a));
  a->param.dw[w->desc.out.c * w->desc.in.c + 3] = 0;
  return ES_OK;
}

static bool passes(es_backend *b, es_status (*run)(es_conv_algo *, const es_op_args *)) {
  es_conv_algo_ops ops = es_conv_algo_product;
  es_op_desc d = shapes[1];
  es_conv_algo *w = NULL;
  bool right = false;
  d.kind = ES_OP_CONV;
  d.max_n = N;
  ops.run = run;
  assert_int_equal(es_conv_algo_create(&ops, b, &d, ES_WEIGHTS, N, &w), ES_OK);
  assert_int_equal(es_conv_verify(w, &right), ES_OK);
  es_conv_algo_destroy(&w);
  return right;
}

/** A library's error in the last channel, or behind its result, is found; strided 1x1
 * weight gradients, where oneDNN 2.6 has one, are not left to it. */
static void wrong_results_are_found(void **state) {
  (void) state;
  es_backend *b = NULL;
  es_op_desc d = shapes[1];
  d.kind = ES_OP_CONV;
  assert_int_equal(es_backend_open("onednn", NULL, 1, &b), ES_OK);
  assert_true(passes(b, es_conv_algo_product.run));
  assert_false(passes(b, wrong_at_the_end));
  assert_false(passes(b, too_long));
  assert_false(es_conv_algo_direct.fits(&d, ES_WEIGHTS));
  es_backend_close(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packing), cmocka_unit_test(in_f32),
      cmocka_unit_test(in_bf16), cmocka_unit_test(on_two_threads),
      cmocka_unit_test(tuning),  cmocka_unit_test(wrong_results_are_found)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void) {
  return 77; /* this build has no onednn */
}
#endif
