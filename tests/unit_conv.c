/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_conv.c  Convolutions large enough to be worked off in several pieces, both
 *  passes, against sums as the formula reads; repeated, as a plan is used many times.
 *  Tolerance as in unit_ops.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "backends.h"
#include "eigenstep/mem.h"
#include "ops_reference.h"

typedef struct test_case {
  es_shape in;
  int out_c, n, k, stride, pad;
} test_case;

static const test_case cases[] = {
    {{40, 17, 17}, 48, 3, 3, 1, 1}, {{96, 13, 14}, 30, 4, 3, 2, 1},
    {{130, 9, 9}, 140, 5, 3, 1, 1}, {{300, 20, 21}, 64, 3, 1, 2, 0},
    {{3, 96, 96}, 16, 2, 7, 2, 3},  {{300, 3, 3}, 40, 3, 3, 1, 1},
};

typedef struct arrays {
  int64_t in, out, weights;
  double *x, *w, *dy, *y, *dx, *dw; /* the reference */
} arrays;

static double *array(int64_t n, uint64_t seed) {
  double *v = calloc((size_t) n, sizeof *v);
  assert_non_null(v);
  for (int64_t i = 0; i < n && seed > 0; i++) v[i] = (float) noise(seed, (uint64_t) i);
  return v;
}

/** dx, dw += of one output element with gradient g. */
static void element_back(const problem *p, int n, int o, int r, int q, double g,
                         const arrays *a) {
  const es_op_desc *d = &p->desc;
  for (int t = 0; t < d->in.c * d->window.k * d->window.k; t++) {
    const int c = t / (d->window.k * d->window.k);
    const int iy = r * d->window.stride - d->window.pad + t / d->window.k % d->window.k;
    const int ix = q * d->window.stride - d->window.pad + t % d->window.k;
    if (iy < 0 || iy >= d->in.h || ix < 0 || ix >= d->in.w) continue;
    const int64_t x = (((int64_t) n * d->in.c + c) * d->in.h + iy) * d->in.w + ix;
    const int64_t w = (int64_t) o * d->in.c * d->window.k * d->window.k + t;
    a->dx[x] += g * a->w[w];
    a->dw[w] += g * a->x[x];
  }
}

static void reference(const problem *p, const arrays *a) {
  const es_shape out = p->desc.out;
  reference_conv(p);
  for (int64_t i = 0; i < a->out; i++) {
    const int64_t pixel = i % ((int64_t) out.h * out.w),
                  map = i / ((int64_t) out.h * out.w);
    element_back(p, (int) (map / out.c), (int) (map % out.c), (int) (pixel / out.w),
                 (int) (pixel % out.w), a->dy[i], a);
  }
}

static float *device(es_backend *b, int64_t n) {
  void *p = NULL;
  assert_int_equal(b->ops->alloc(b, (size_t) n * sizeof(float), "test", &p), ES_OK);
  return p;
}

static float *host(const double *v, int64_t n) {
  float *f = malloc((size_t) n * sizeof *f);
  assert_non_null(f);
  for (int64_t i = 0; i < n; i++) f[i] = v != NULL ? (float) v[i] : 0.0f;
  return f;
}

/** f against `times` x want. */
static void compare(const char *what, const test_case *t, double times,
                    const double *want, float *f, int64_t n) {
  double largest = 0.0, worst = 0.0;
  for (int64_t i = 0; i < n; i++) {
    const double d = fabs(f[i] - times * want[i]);
    largest = fmax(largest, fabs(times * want[i]));
    worst = d <= worst ? worst : d;
  }
  free(f);
  if (worst > 2e-5 * largest)
    fail_msg("%s of %d -> %d, %d x %d stride %d differs by %g of %g", what, t->in.c,
             t->out_c, t->k, t->k, t->stride, worst, largest);
}

static void write_act(es_backend *b, es_shape s, int n, const double *v, es_act to) {
  float *f = host(v, n * size_of(s));
  assert_int_equal(b->ops->act_write(b, (es_act_type){s, ES_F32}, n, f, to), ES_OK);
  free(f);
}

static float *read_act(es_backend *b, es_shape s, int n, const es_act from) {
  float *f = host(NULL, n * size_of(s));
  assert_int_equal(b->ops->act_read(b, (es_act_type){s, ES_F32}, n, from, f), ES_OK);
  return f;
}

static void run(es_backend *b, const test_case *t, const es_op_desc *d, const arrays *a) {
  es_op *op = NULL;
  assert_int_equal(es_op_plan(b, d, &op), ES_OK);
  es_op_args args = {.n = t->n,
                     .groups = 1,
                     .x = device(b, a->in),
                     .y = device(b, a->out),
                     .dx = device(b, a->in),
                     .dy = device(b, a->out),
                     .param.w = device(b, a->weights),
                     .param.dw = device(b, a->weights)};
  float *w = host(a->w, a->weights);
  assert_int_equal(b->ops->upload(b, args.param.w, w, (size_t) a->weights), ES_OK);
  free(w);
  write_act(b, d->in, t->n, a->x, args.x);
  write_act(b, d->out, t->n, a->dy, args.dy);
  const int64_t allocations = es_mem_count();
  for (int i = 0; i < 2; i++) {
    assert_int_equal(op->forward(op, &args), ES_OK);
    assert_int_equal(op->backward(op, &args), ES_OK);
  }
  assert_int_equal(es_mem_count(), allocations);
  compare("y", t, 1.0, a->y, read_act(b, d->out, t->n, args.y), a->out);
  compare("dx", t, 1.0, a->dx, read_act(b, d->in, t->n, args.dx), a->in);
  float *dw = host(NULL, a->weights);
  assert_int_equal(b->ops->download(b, dw, args.param.dw, (size_t) a->weights), ES_OK);
  compare("dw", t, 2.0, a->dw, dw, a->weights); /* twice: gradients add up */
  void *there[] = {args.x, args.y, args.dx, args.dy, args.param.w, args.param.dw};
  for (size_t i = 0; i < sizeof there / sizeof *there; i++) b->ops->release(b, &there[i]);
  es_op_destroy(&op);
}

static void one_case(const test_case *t) {
  es_op_desc d = {.kind = ES_OP_CONV,
                  .in = t->in,
                  .max_n = t->n,
                  .window = {t->k, t->stride, t->pad},
                  .need_dx = true};
  assert_int_equal(es_op_out_shape(&d, t->out_c, &d.out), ES_OK);
  arrays a = {.in = t->n * size_of(d.in),
              .out = t->n * size_of(d.out),
              .weights = (int64_t) t->in.c * t->out_c * t->k * t->k};
  a.x = array(a.in, 1);
  a.w = array(a.weights, 2);
  a.dy = array(a.out, 3);
  a.y = array(a.out, 0);
  a.dx = array(a.in, 0);
  a.dw = array(a.weights, 0);
  const problem p = {.desc = d, .n = t->n, .groups = 1, .x = a.x, .w = a.w, .y = a.y};
  reference(&p, &a);
  const es_backend_ops *const *list;
  const size_t backends = backends_here(&list);
  for (size_t i = 0; i < backends; i++) {
    es_backend *b = NULL;
    assert_int_equal(es_backend_open(list[i]->name, NULL, 1, &b), ES_OK);
    run(b, t, &d, &a);
    assert_int_equal(b->ops->sync(b), ES_OK);
    es_backend_close(&b);
  }
  double *const owned[] = {a.x, a.w, a.dy, a.y, a.dx, a.dw};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}

static void large_convolutions(void **state) {
  (void) state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) one_case(&cases[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(large_convolutions)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
