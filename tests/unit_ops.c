/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_ops.c  Every op of every backend of this build against ops_reference.h:
 *  values, and gradients against finite differences.
 *
 *  Tolerance: largest difference <= 2e-5 x largest value. f32 sums of up to K = 2000
 *  terms in any order err by about sqrt(K) 2^-24 = 3e-6 of the largest; the
 *  division by a small deviation in BN costs another factor of up to 5. A wrong tap,
 *  sign, factor or missing accumulation is off by 1e-2 or more.
 *
 *  In bf16: <= 2e-2. A value has 8 bits, so each rounding errs by up to 2^-9 = 2e-3 of
 *  it; an op rounds a few times (weights, a sum that is added to, the result), and its
 *  sums are f32. Both sides begin with the same bf16 numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
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

/** A case on one backend: host arrays in double, and their copies there. */
typedef struct bench {
  const test_case *t;
  bool bf16;
  es_backend *b;
  es_op *op;
  problem p;
  es_op_args a;
  int64_t in, out, weights, biases;
} bench;

static int groups_of(const test_case *t) {
  return t->groups > 0 ? t->groups : 1;
}

static void must(es_status st) {
  assert_int_equal(st, ES_OK);
}

/** To the backend's elements, so that both sides see the same numbers. */
static double rounded(const bench *e, double v) {
  const int bits = e->bf16 ? 8 : 24;
  int exponent;
  const double m = frexp(v, &exponent);
  return ldexp(rint(ldexp(m, bits)), exponent - bits);
}

static double *random_array(const bench *e, int64_t n, uint64_t seed, double offset) {
  double *v = malloc((size_t) (n + 1) * sizeof *v);
  assert_non_null(v);
  for (int64_t i = 0; i < n; i++) v[i] = rounded(e, noise(seed, (uint64_t) i) + offset);
  return v;
}

/** No two equal on a map of up to 61 pixels, in bf16 neither: at ties a maximum has no
 *  derivative. */
static void make_distinct(const bench *e, int64_t n, double *v) {
  for (int64_t i = 0; i < n; i++)
    v[i] = rounded(e, (double) (i * 37 % 61 - 30) / 30.0 + e->t->offset);
}

static float *to_float(const double *v, int64_t n) {
  float *f = malloc((size_t) (n + 1) * sizeof *f);
  assert_non_null(f);
  for (int64_t i = 0; i < n; i++) f[i] = (float) v[i];
  return f;
}

/** A buffer of the backend with the values of v, NULL for none. */
static es_buf buffer(es_backend *b, const double *v, int64_t n) {
  void *p = NULL;
  float *f = to_float(v, n);
  must(b->ops->alloc(b, (size_t) n * sizeof(float), "test", &p));
  must(b->ops->upload(b, p, f, (size_t) n));
  free(f);
  return p;
}

static es_act activation(es_backend *b, es_shape s, int n, int max_n, const double *v) {
  void *p = NULL;
  float *f = to_float(v, n * size_of(s));
  must(b->ops->alloc(b, b->ops->act_bytes(b, s, max_n), "test", &p));
  must(b->ops->act_write(b, s, n, f, p));
  free(f);
  return p;
}

static void compare(const bench *e, const char *what, const double *want,
                    const float *got, int64_t n) {
  double largest = 0.0, worst = 0.0;
  for (int64_t i = 0; i < n; i++) {
    const double d = fabs(got[i] - want[i]);
    largest = fmax(largest, fabs(want[i]));
    worst = d <= worst ? worst : d; /* a NaN becomes the worst */
  }
  /* a mean of 1000 in f32 is off by 3e-5: an error of the input, not of the op */
  const double rounding = e->bf16 ? TOLERANCE_BF16 : TOLERANCE;
  const double tolerance = rounding + fabs(e->t->offset) * 1e-7;
  if (worst <= tolerance * largest || n == 0) return;
  fail_msg("%s on %s%s: %s differs by %g, largest value %g", e->t->name, e->b->ops->name,
           e->bf16 ? " in bf16" : "", what, worst, largest);
}

static void compare_buffer(const bench *e, const char *what, const double *want,
                           es_buf got, int64_t n) {
  float *f = malloc((size_t) (n + 1) * sizeof *f);
  must(e->b->ops->download(e->b, f, got, (size_t) n));
  compare(e, what, want, f, n);
  free(f);
}

static void compare_act(const bench *e, const char *what, const double *want, es_shape s,
                        es_act got) {
  const int64_t n = e->t->n * size_of(s);
  float *f = malloc((size_t) (n + 1) * sizeof *f);
  must(e->b->ops->act_read(e->b, s, e->t->n, got, f));
  compare(e, what, want, f, n);
  free(f);
}

static void describe(bench *e) {
  const test_case *t = e->t;
  es_op_desc d = {.kind = t->kind,
                  .name = t->name,
                  .in = t->in,
                  .max_n = t->max_n,
                  .k = t->k,
                  .stride = t->stride,
                  .pad = t->pad,
                  .bias = t->bias,
                  .need_dx = !t->no_dx,
                  .residual = t->residual,
                  .relu = t->relu,
                  .eps = 1e-5,
                  .momentum = 0.1};
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

static void setup(bench *e) {
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
      .mode = ES_BN_TRAIN,
      .x = activation(e->b, d->in, e->t->n, d->max_n, p->x),
      .y = activation(e->b, d->out, e->t->n, d->max_n, p->y),
      .residual =
          d->residual ? activation(e->b, d->in, e->t->n, d->max_n, p->residual) : NULL,
      .w = e->weights > 0 ? buffer(e->b, p->w, e->weights) : NULL,
      .b = e->biases > 0 ? buffer(e->b, p->b, e->biases) : NULL,
      .mean = bn ? buffer(e->b, p->mean, running) : NULL,
      .var = bn ? buffer(e->b, p->var, running) : NULL,
      .add_dx = e->t->add,
      .add_dresidual = e->t->add};
}

static void teardown(bench *e) {
  double *host[] = {e->p.x, e->p.residual, e->p.w, e->p.b, e->p.mean, e->p.var, e->p.y};
  for (size_t i = 0; i < sizeof host / sizeof *host; i++) free(host[i]);
  void *there[] = {e->a.x,   e->a.y,  e->a.residual, e->a.w,         e->a.b,  e->a.mean,
                   e->a.var, e->a.dx, e->a.dy,       e->a.dresidual, e->a.dw, e->a.db};
  for (size_t i = 0; i < sizeof there / sizeof *there; i++)
    e->b->ops->release(e->b, &there[i]);
  es_op_destroy(&e->op);
}

static void check_forward(bench *e) {
  const int64_t running = e->t->kind == ES_OP_BN ? e->p.desc.in.c : 0;
  reference_forward(&e->p);
  must(e->op->forward(e->op, &e->a));
  compare_act(e, "y", e->p.y, e->p.desc.out, e->a.y);
  compare_buffer(e, "running mean", e->p.mean, e->a.mean, running);
  compare_buffer(e, "running variance", e->p.var, e->a.var, running);
}

/** Expected: the derivative, plus what was there where the op adds. */
static double *expected(const bench *e, const double *dy, double *v, int64_t n, bool add,
                        const double *before) {
  double *g = random_array(e, n, 0, 0.0);
  problem p = e->p;
  p.mode = ES_BN_BATCH; /* repeated forwards leave the running averages alone */
  p.y = random_array(e, e->out, 0, 0.0);
  reference_gradient(&p, dy, v, n, g);
  for (int64_t i = 0; i < n && add; i++) g[i] += before[i];
  free(p.y);
  return g;
}

static void check_act_gradient(bench *e, const char *what, const double *dy,
                               const double *before, double *v, es_act got) {
  double *want = expected(e, dy, v, e->in, e->t->add, before);
  compare_act(e, what, want, e->p.desc.in, got);
  free(want);
}

static void check_buffer_gradient(bench *e, const char *what, const double *dy,
                                  const double *before, double *v, int64_t n,
                                  es_buf got) {
  double *want = expected(e, dy, v, n, !e->a.set_dw, before);
  compare_buffer(e, what, want, got, n);
  free(want);
}

/** The arguments without what backward says not to read. */
static es_op_args needed_by_backward(const bench *e) {
  const es_op_needs needs = es_op_needs_of(e->b, &e->p.desc);
  es_op_args a = e->a;
  a.residual = NULL;
  if (!needs.x) a.x = NULL;
  if (!needs.y) a.y = NULL;
  return a;
}

/** y once more where the op replays; unit_replay compares bits. */
static void check_replay(const bench *e) {
  assert_int_equal(e->op->replay != NULL, es_op_needs_of(e->b, &e->p.desc).replay);
  if (e->op->replay == NULL) return;
  float *other = to_float(e->p.x, e->in);
  must(e->b->ops->act_write(e->b, e->p.desc.out, e->t->n, other, e->a.y));
  must(e->op->replay(e->op, &e->a));
  compare_act(e, "y again", e->p.y, e->p.desc.out, e->a.y);
  free(other);
}

static void check_backward(bench *e) {
  const es_op_desc *d = &e->p.desc;
  const int64_t most = e->in + e->weights + e->biases;
  double *dy = random_array(e, e->out, 8, 0.0), *before = random_array(e, most, 9, 0.0);
  es_op_args *a = &e->a;
  a->dy = activation(e->b, d->out, e->t->n, d->max_n, dy);
  if (!e->t->no_dx) a->dx = activation(e->b, d->in, e->t->n, d->max_n, before);
  if (d->residual) a->dresidual = activation(e->b, d->in, e->t->n, d->max_n, before);
  if (e->weights > 0) a->dw = buffer(e->b, before, e->weights);
  if (e->biases > 0) a->db = buffer(e->b, before, e->biases);
  a->set_dw = e->op->sets_gradients && !e->t->add;
  const es_op_args needed = needed_by_backward(e);
  must(e->op->backward(e->op, &needed));
  if (a->dx != NULL) check_act_gradient(e, "dx", dy, before, e->p.x, a->dx);
  if (a->dresidual != NULL)
    check_act_gradient(e, "dresidual", dy, before, e->p.residual, a->dresidual);
  if (a->dw != NULL)
    check_buffer_gradient(e, "dw", dy, before, e->p.w, e->weights, a->dw);
  if (a->db != NULL) check_buffer_gradient(e, "db", dy, before, e->p.b, e->biases, a->db);
  free(dy);
  free(before);
}

/** BN by the running averages, and by the batch without touching them. */
static void check_other_modes(bench *e) {
  for (es_bn_mode mode = ES_BN_BATCH; mode <= ES_BN_RUNNING; mode++) {
    e->a.mode = e->p.mode = mode;
    check_forward(e);
  }
  if (e->t->n > 0) assert_int_equal(e->op->backward(e->op, &e->a), ES_EARG);
}

/** Sums and sums of squares that the convolution before has taken. */
static void check_given_moments(bench *e) {
  const int c = e->p.desc.in.c, count = e->t->n / e->a.groups;
  const int64_t pixels = size_of(e->p.desc.in) / c, all = 2 * (int64_t) e->a.groups * c;
  double *sums = calloc((size_t) all, sizeof *sums);
  assert_non_null(sums);
  for (int64_t i = 0; i < e->in; i++) {
    const int64_t channel = i / pixels % c, group = i / pixels / c / count;
    sums[2 * group * c + channel] += e->p.x[i];
    sums[2 * group * c + c + channel] += e->p.x[i] * e->p.x[i];
  }
  e->a.moments = sums;
  e->a.mode = e->p.mode = ES_BN_BATCH;
  check_forward(e);
  e->a.moments = NULL;
  free(sums);
}

static void run_cases(const char *backend, int threads, bool bf16) {
  const es_backend_options o = {.name = backend, .threads = threads, .bf16 = bf16};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bench e = {.t = &cases[i], .bf16 = bf16};
    must(es_backend_open_with(&o, NULL, &e.b));
    setup(&e);
    check_forward(&e);
    check_replay(&e);
    if (e.in < 5000) check_backward(&e); /* finite differences take a forward each */
    if (e.t->kind == ES_OP_BN) check_given_moments(&e);
    if (e.t->kind == ES_OP_BN) check_other_modes(&e);
    teardown(&e);
    es_backend_close(&e.b);
  }
}

static void ops_of_every_backend(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = es_backend_list(&list);
  for (size_t i = 0; i < n; i++) {
    const int precisions = strcmp(list[i]->name, "onednn") == 0 ? 2 : 1;
    for (int threads = 1; threads <= 3; threads += 2)
      for (int p = 0; p < precisions; p++) run_cases(list[i]->name, threads, p == 1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(ops_of_every_backend)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
