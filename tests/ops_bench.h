/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ops_bench.h  One op on one backend beside ops_reference.h: values, and gradients
 *  against finite differences.
 *
 *  Tolerance: largest difference <= 2e-5 x largest value. f32 sums of up to K = 2000
 *  terms in any order err by about sqrt(K) 2^-24 = 3e-6 of the largest; the
 *  division by a small deviation in BN costs another factor of up to 5. A wrong tap,
 *  sign, factor or missing accumulation is off by 1e-2 or more.
 *
 *  In bf16: <= 2e-2. A value has 8 bits, so each rounding errs by up to 2^-9 = 2e-3 of
 *  it; an op rounds a few times (weights, a sum that is added to, the result), and its
 *  sums are f32. Both sides begin with the same bf16 numbers. */
#ifndef ES_OPS_BENCH_H
#define ES_OPS_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "backends.h"
#include "ops_reference.h"

#define TOLERANCE 2e-5
#define TOLERANCE_BF16 2e-2

/** One row of the table. */
typedef struct test_case {
  const char *name;
  es_op_kind kind;
  es_shape in;
  int out_c, n, max_n, k, stride, pad;
  int groups;                            /**< 0 is 1 */
  bool bias, residual, relu, no_dx, add; /**< add: dx and dresidual are added to */
  double offset;                         /**< added to x: a mean far from zero */
} test_case;

/** A case on one backend: host arrays in double, and their copies there. */
typedef struct bench {
  const test_case *t;
  es_precision precision;
  es_backend *b;
  es_op *op;
  problem p;
  es_op_args a;
  int64_t in, out, weights, biases;
} bench;

static inline int groups_of(const test_case *t) {
  return t->groups > 0 ? t->groups : 1;
}

static inline void must(es_status st) {
  assert_int_equal(st, ES_OK);
}

/** To the backend's elements, so that both sides see the same numbers. */
static inline double rounded(const bench *e, double v) {
  const int bits = e->precision == ES_BF16 ? 8 : 24;
  int exponent;
  const double m = frexp(v, &exponent);
  return ldexp(rint(ldexp(m, bits)), exponent - bits);
}

static inline double *random_array(const bench *e, int64_t n, uint64_t seed,
                                   double offset) {
  double *v = malloc((size_t) (n + 1) * sizeof *v);
  assert_non_null(v);
  for (int64_t i = 0; i < n; i++) v[i] = rounded(e, noise(seed, (uint64_t) i) + offset);
  return v;
}

/** No two equal on a map of up to 61 pixels, in bf16 neither: at ties a maximum has no
 *  derivative. */
static inline void make_distinct(const bench *e, int64_t n, double *v) {
  for (int64_t i = 0; i < n; i++)
    v[i] = rounded(e, (double) (i * 37 % 61 - 30) / 30.0 + e->t->offset);
}

static inline float *to_float(const double *v, int64_t n) {
  float *f = malloc((size_t) (n + 1) * sizeof *f);
  assert_non_null(f);
  for (int64_t i = 0; i < n; i++) f[i] = (float) v[i];
  return f;
}

/** A buffer of the backend with the values of v, NULL for none. */
static inline es_buf buffer(es_backend *b, const double *v, int64_t n) {
  void *p = NULL;
  float *f = to_float(v, n);
  must(b->ops->alloc(b, (size_t) n * sizeof(float), "test", &p));
  must(b->ops->upload(b, p, f, (size_t) n));
  free(f);
  return p;
}

static inline es_act activation(const bench *e, es_shape s, const double *v) {
  es_backend *const b = e->b;
  const es_act_type t = {s, e->precision};
  const int n = e->t->n;
  void *p = NULL;
  float *f = to_float(v, n * size_of(s));
  must(b->ops->alloc(b, b->ops->act_bytes(b, t, e->t->max_n), "test", &p));
  must(b->ops->act_write(b, t, n, f, p));
  free(f);
  return p;
}

static inline void compare(const bench *e, const char *what, const double *want,
                           const float *got, int64_t n) {
  double largest = 0.0, worst = 0.0;
  for (int64_t i = 0; i < n; i++) {
    const double d = fabs(got[i] - want[i]);
    largest = fmax(largest, fabs(want[i]));
    worst = d <= worst ? worst : d; /* a NaN becomes the worst */
  }
  /* a mean of 1000 in f32 is off by 3e-5: an error of the input, not of the op */
  const double rounding = e->precision == ES_BF16 ? TOLERANCE_BF16 : TOLERANCE;
  const double tolerance = rounding + fabs(e->t->offset) * 1e-7;
  if (worst <= tolerance * largest || n == 0) return;
  fail_msg("%s on %s in %s: %s differs by %g, largest value %g", e->t->name,
           e->b->ops->name, es_precision_name(e->precision), what, worst, largest);
}

static inline void compare_buffer(const bench *e, const char *what, const double *want,
                                  es_buf got, int64_t n) {
  float *f = malloc((size_t) (n + 1) * sizeof *f);
  must(e->b->ops->download(e->b, f, got, (size_t) n));
  compare(e, what, want, f, n);
  free(f);
}

static inline void compare_act(const bench *e, const char *what, const double *want,
                               es_shape s, es_act got) {
  const int64_t n = e->t->n * size_of(s);
  float *f = malloc((size_t) (n + 1) * sizeof *f);
  must(e->b->ops->act_read(e->b, (es_act_type){s, e->precision}, e->t->n, got, f));
  compare(e, what, want, f, n);
  free(f);
}

static inline void describe(bench *e) {
  const test_case *t = e->t;
  es_op_desc d = {
      .kind = t->kind,
      .name = t->name,
      .in = t->in,
      .max_n = t->max_n,
      .precision = e->precision,
      .window = {t->k, t->stride, t->pad},
      .bias = t->bias,
      .need_dx = !t->no_dx,
      .bn = {.residual = t->residual, .relu = t->relu, .eps = 1e-5, .momentum = 0.1}};
  must(es_op_out_shape(&d, t->out_c, &d.out));
  must(es_op_plan(e->b, &d, &e->op));
  e->p = (problem){.desc = d, .n = t->n, .groups = groups_of(t), .mode = ES_BN_TRAIN};
  e->in = t->n * size_of(d.in);
  e->out = t->n * size_of(d.out);
  const bool bn = t->kind == ES_OP_BN;
  if (t->kind == ES_OP_CONV) e->weights = (int64_t) d.out.c * d.in.c * t->k * t->k;
  if (t->kind == ES_OP_LINEAR) e->weights = (int64_t) d.out.c * d.in.c;
  if (bn) e->weights = d.in.c;
  e->biases = bn || t->bias ? d.out.c : 0;
}

static inline void setup(bench *e) {
  describe(e);
  problem *p = &e->p;
  const es_op_desc *d = &p->desc;
  const bool bn = d->kind == ES_OP_BN;
  const int64_t running = bn ? d->in.c : 0;
  p->x = random_array(e, e->in, 1, e->t->offset);
  if (d->kind == ES_OP_MAXPOOL) make_distinct(e, e->in, p->x);
  p->residual = random_array(e, e->in, 2, 0.0);
  p->w = random_array(e, e->weights, 3, bn ? 1.5 : 0.0);
  p->b = random_array(e, e->biases, 4, 0.0);
  p->mean = random_array(e, running, 5, e->t->offset);
  p->var = random_array(e, running, 6, 2.0);
  p->y = random_array(e, e->out, 7, 0.0);
  e->a = (es_op_args){
      .n = e->t->n,
      .groups = groups_of(e->t),
      .x = activation(e, d->in, p->x),
      .y = activation(e, d->out, p->y),
      .add_dx = e->t->add,
      .param.w = e->weights > 0 ? buffer(e->b, p->w, e->weights) : NULL,
      .param.b = e->biases > 0 ? buffer(e->b, p->b, e->biases) : NULL,
      .bn = {.mode = ES_BN_TRAIN,
             .residual = d->bn.residual ? activation(e, d->in, p->residual) : NULL,
             .add_dresidual = e->t->add,
             .mean = bn ? buffer(e->b, p->mean, running) : NULL,
             .var = bn ? buffer(e->b, p->var, running) : NULL}};
}

static inline void teardown(bench *e) {
  double *host[] = {e->p.x, e->p.residual, e->p.w, e->p.b, e->p.mean, e->p.var, e->p.y};
  for (size_t i = 0; i < sizeof host / sizeof *host; i++) free(host[i]);
  void *there[] = {e->a.x,       e->a.y,       e->a.bn.residual, e->a.param.w,
                   e->a.param.b, e->a.bn.mean, e->a.bn.var};
  for (size_t i = 0; i < sizeof there / sizeof *there; i++)
    e->b->ops->release(e->b, &there[i]);
  es_op_destroy(&e->op);
}

static inline void check_forward(bench *e) {
  const int64_t running = e->t->kind == ES_OP_BN ? e->p.desc.in.c : 0;
  reference_forward(&e->p);
  must(e->op->forward(e->op, &e->a));
  compare_act(e, "y", e->p.y, e->p.desc.out, e->a.y);
  compare_buffer(e, "running mean", e->p.mean, e->a.bn.mean, running);
  compare_buffer(e, "running variance", e->p.var, e->a.bn.var, running);
}

/** Expected: the derivative, plus what was there where the op adds. */
static inline double *expected(const bench *e, const double *dy, double *v, int64_t n,
                               bool add, const double *before) {
  double *g = random_array(e, n, 0, 0.0);
  problem p = e->p;
  if (!es_bn_is_constant(p.mode)) /* repeated forwards leave the running averages alone */
    p.mode = ES_BN_BATCH;
  p.y = random_array(e, e->out, 0, 0.0);
  reference_gradient(&p, dy, v, n, g);
  for (int64_t i = 0; i < n && add; i++) g[i] += before[i];
  free(p.y);
  return g;
}

static inline void check_act_gradient(bench *e, const char *what, const double *dy,
                                      const double *before, double *v, es_act got) {
  double *want = expected(e, dy, v, e->in, e->t->add, before);
  compare_act(e, what, want, e->p.desc.in, got);
  free(want);
}

static inline void check_buffer_gradient(bench *e, const char *what, const double *dy,
                                         const double *before, double *v, int64_t n,
                                         es_buf got) {
  double *want = expected(e, dy, v, n, !e->a.param.set_dw, before);
  compare_buffer(e, what, want, got, n);
  free(want);
}

/** The arguments without what backward says not to read. */
static inline es_op_args needed_by_backward(const bench *e) {
  const es_op_needs needs = es_op_needs_of(e->b, &e->p.desc);
  es_op_args a = e->a;
  a.bn.residual = NULL;
  if (!needs.x) a.x = NULL;
  if (!needs.y) a.y = NULL;
  return a;
}

/** y once more where the op replays; unit_replay compares bits. */
static inline void check_replay(const bench *e) {
  assert_int_equal(e->op->replay != NULL, es_op_needs_of(e->b, &e->p.desc).replay);
  if (e->op->replay == NULL) return;
  float *other = to_float(e->p.x, e->in);
  const es_act_type out = {e->p.desc.out, e->precision};
  must(e->b->ops->act_write(e->b, out, e->t->n, other, e->a.y));
  must(e->op->replay(e->op, &e->a));
  compare_act(e, "y again", e->p.y, e->p.desc.out, e->a.y);
  free(other);
}

/** Gradients as the last forward has it, against finite differences of its formula. */
static inline void check_backward(bench *e) {
  const es_op_desc *d = &e->p.desc;
  const int64_t most = e->in + e->weights + e->biases;
  double *dy = random_array(e, e->out, 8, 0.0), *before = random_array(e, most, 9, 0.0);
  es_op_args *a = &e->a;
  es_param_args *p = &a->param;
  a->dy = activation(e, d->out, dy);
  a->dx = e->t->no_dx ? NULL : activation(e, d->in, before);
  a->bn.dresidual = d->bn.residual ? activation(e, d->in, before) : NULL;
  p->dw = e->weights > 0 ? buffer(e->b, before, e->weights) : NULL;
  p->db = e->biases > 0 ? buffer(e->b, before, e->biases) : NULL;
  /* pixels equal in bf16 give gradients of 0, but for rounding: these are added */
  p->set_dw = e->op->sets_gradients && !e->t->add && e->t->offset == 0;
  const es_op_args needed = needed_by_backward(e);
  must(e->op->backward(e->op, &needed));
  if (a->dx != NULL) check_act_gradient(e, "dx", dy, before, e->p.x, a->dx);
  if (d->bn.residual)
    check_act_gradient(e, "dresidual", dy, before, e->p.residual, a->bn.dresidual);
  if (p->dw != NULL)
    check_buffer_gradient(e, "dw", dy, before, e->p.w, e->weights, p->dw);
  if (p->db != NULL) check_buffer_gradient(e, "db", dy, before, e->p.b, e->biases, p->db);
  void *there[] = {a->dy, a->dx, a->bn.dresidual, p->dw, p->db};
  for (size_t i = 0; i < sizeof there / sizeof *there; i++)
    e->b->ops->release(e->b, &there[i]);
  free(dy);
  free(before);
}

/** Open the backend of a case; false: this processor has not this precision. */
static inline bool open_backend(bench *e, const char *name, int threads) {
  es_precision got = ES_F32;
  must(es_backend_open(name, NULL, threads, &e->b));
  must(es_backend_precision(e->b, e->precision, &got));
  if (got == e->precision) return true;
  es_backend_close(&e->b);
  return false;
}

/** Call `run` for each backend of the build in each precision that it has here, with one
 *  thread and with three. */
static inline void on_every_backend(void (*run)(const char *name, int threads,
                                                es_precision precision)) {
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++)
    for (int threads = 1; threads <= 3; threads += 2) {
      run(list[i]->name, threads, ES_F32);
      if (list[i]->bf16 != NULL) run(list[i]->name, threads, ES_BF16);
    }
}

#endif
