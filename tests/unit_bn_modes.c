/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_bn_modes.c  Batch norm of every backend in each of its modes: statistics of
 *  the batch, collected or given by the convolution before, and constant ones; values,
 *  replay and gradients. Tolerances: ops_bench.h. */
#include "ops_bench.h"

static const test_case cases[] = {
    {"bn", ES_OP_BN, {5, 3, 4}, 5, 4, 4, .groups = 1},
    {"bn relu", ES_OP_BN, {17, 3, 3}, 17, 4, 5, .groups = 2, .relu = true},
    {"bn relu add", ES_OP_BN, {17, 3, 3}, 17, 3, 5, .relu = true, .add = true},
    {"bn residual", ES_OP_BN, {3, 2, 3}, 3, 4, 4, .groups = 2, .residual = true},
    {"bn residual relu", ES_OP_BN, {40, 2, 3}, 40, 2, 2, .residual = true, .relu = true},
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
    {"bn vectors", ES_OP_BN, {150, 1, 1}, 150, 6, 6, .groups = 2, .relu = true},
    {"bn mean 1000", ES_OP_BN, {2, 9, 9}, 2, 3, 3, .offset = 1000.0},
    {"bn no dx", ES_OP_BN, {4, 2, 2}, 4, 3, 3, .no_dx = true},
};

static void set_mode(bench *e, es_bn_mode mode) {
  e->a.bn.mode = e->p.mode = mode;
}

/** f64 buffer of the backend; its bits are uploaded as those of twice as many floats. */
static es_buf64 buffer64(es_backend *b, const double *v, int64_t n) {
  void *p = NULL;
  must(b->ops->alloc(b, (size_t) n * sizeof *v, "test", &p));
  must(b->ops->upload(b, p, (const float *) (const void *) v, 2 * (size_t) n));
  return p;
}

static void release64(es_backend *b, es_buf64 buffer) {
  void *p = buffer;
  b->ops->release(b, &p);
}

/** Sums and sums of squares of x by group, [groups][2 C]. The caller frees them. */
static double *moments_of(const bench *e) {
  const int c = e->p.desc.in.c, count = e->t->n / e->a.groups;
  const int64_t pixels = size_of(e->p.desc.in) / c;
  double *sums = calloc((size_t) (2 * (int64_t) e->a.groups * c), sizeof *sums);
  assert_non_null(sums);
  for (int64_t i = 0; i < e->in; i++) {
    const int64_t channel = i / pixels % c, group = i / pixels / c / count;
    sums[2 * group * c + channel] += e->p.x[i];
    sums[2 * group * c + c + channel] += e->p.x[i] * e->p.x[i];
  }
  return sums;
}

static void given_moments(bench *e, const double *sums) {
  const int64_t n = 2 * (int64_t) e->a.groups * e->p.desc.in.c;
  e->a.moments = buffer64(e->b, sums, n);
  set_mode(e, ES_BN_BATCH);
  check_forward(e);
  check_backward(e);
  release64(e->b, e->a.moments);
  e->a.moments = NULL;
}

/** Two forwards add up; values and gradients are those of the batch's statistics. */
static void collected(bench *e, const double *sums) {
  const int c = e->p.desc.in.c;
  const int64_t rows = e->in / c;
  double *got = calloc((size_t) (2 * c + 1), sizeof *got);
  assert_non_null(got);
  set_mode(e, ES_BN_COLLECT);
  assert_int_equal(e->op->forward(e->op, &e->a), ES_EARG); /* to nowhere */
  e->a.bn.collected = buffer64(e->b, got, 2 * c + 1);
  for (int i = 0; i < 2; i++) check_forward(e);
  check_backward(e);
  must(e->b->ops->download64(e->b, got, e->a.bn.collected, (size_t) (2 * c + 1)));
  assert_true(got[2 * c] == 2.0 * (double) rows);
  for (int j = 0; j < 2 * c; j++) {
    double want = 0, size = 0; /* of sums whose terms cancel, too */
    for (int g = 0; g < e->a.groups; g++) {
      want += 2 * sums[2 * g * c + j];
      size += 2 * sqrt((double) rows * sums[2 * g * c + c + j % c]);
    }
    assert_true(fabs(got[j] - want) <= 1e-6 * (size + fabs(want)));
  }
  release64(e->b, e->a.bn.collected);
  e->a.bn.collected = NULL;
  free(got);
}

static void all_modes(const char *backend, int threads, es_precision precision) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bench e = {.t = &cases[i], .precision = precision};
    if (!open_backend(&e, backend, threads)) return;
    setup(&e);
    double *sums = moments_of(&e);
    assert_int_equal(e.op->backward(e.op, &e.a), ES_EARG); /* no forward yet */
    for (es_bn_mode mode = ES_BN_RUNNING; mode <= ES_BN_FROZEN; mode++) {
      set_mode(&e, mode);
      check_forward(&e); /* leaves mean and variance as they are */
      check_replay(&e);
      check_backward(&e);
    }
    given_moments(&e, sums);
    collected(&e, sums);
    set_mode(&e, ES_BN_FROZEN); /* nothing of the batch's statistics is left */
    check_forward(&e);
    check_backward(&e);
    free(sums);
    teardown(&e);
    es_backend_close(&e.b);
  }
}

static void modes_of_every_backend(void **state) {
  (void) state;
  on_every_backend(all_modes);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(modes_of_every_backend)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
