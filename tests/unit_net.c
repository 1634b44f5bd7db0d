/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_net.c  Networks: gradients by differences, memory, BN modes, bad calls; on
 *  every backend of the build. */
#include "backends.h"
#include "net_rig.h"

static void slopes_of(const model_spec *m, double average) {
  rig t = rig_open("blas", m);
  check_slopes(&t, average);
  rig_close(&t);
}

static void gradients_match_slopes(void **state) {
  (void) state;
  slopes_of(&small_mlp, 1e-4);
  slopes_of(&small18, 5e-3);
  slopes_of(&small50, 0.01);
}

/** A gradient of the first's `times`, but for rounding: of itself, and of terms that
 * cancel, which are as large as the largest gradients. */
static void expect_times(const rig *t, float times) {
  float most = 0;
  for (int64_t i = 0; i < t->p->n; i++) most = fmaxf(most, fabsf(t->value[i]));
  for (int64_t i = 0; i < t->p->n; i++)
    assert_true(fabsf(t->grad[i] - times * t->value[i]) <=
                1e-5f * fabsf(t->value[i]) + 1e-6f * most);
}

/** The second gradient is added to the first, and both are the same: no activation
 * gradient is read before it is written. Renewed, a third one takes the place of all. */
static void gradients_accumulate(void **state) {
  (void) state;
  const model_spec *const models[] = {&small50, &small_mlp};
  const es_backend_ops *const *list;
  const size_t backends = backends_here(&list);
  for (size_t i = 0; i < 2 * backends; i++) {
    rig t = rig_open(list[i / 2]->name, models[i % 2]);
    gradient(&t);
    memcpy(t.value, t.grad, (size_t) t.p->n * sizeof *t.value);
    gradient(&t);
    expect_times(&t, 2);
    es_net_zero_grad(t.net);
    gradient(&t);
    expect_times(&t, 1);
    gradient(&t);
    expect_times(&t, 2);
    rig_close(&t);
  }
}

/** Where memory is unreadable between ops: the numbers are those of `blas`. Batch norms
 *  over four rows magnify rounding. */
static void far_agrees_with_blas(void **state) {
  (void) state;
  const model_spec *const models[] = {&small50, &small18, &small_mlp};
  const char *const name = backend_far_from_host();
  for (int m = 0; m < 3; m++) {
    rig blas = rig_open("blas", models[m]), far = rig_open(name, models[m]);
    gradient(&blas);
    gradient(&far);
    const double z = model_distance(N * D, far.z, blas.z);
    const double grad = model_distance(blas.p->n, far.grad, blas.grad);
    const double limit = 50 * backend_tolerance(name);
    if (!(z <= limit && grad <= limit)) fail_msg("%s: %g and %g apart", name, z, grad);
    rig_close(&far);
    rig_close(&blas);
  }
}

static void a_step_allocates_nothing(void **state) {
  (void) state;
  rig t = rig_open("blas", &small50);
  const int64_t before = es_mem_count();
  const size_t held = t.b->allocated;
  assert_int_equal(es_net_forward(t.net, N, 2, ES_BN_TRAIN, t.x, t.z), ES_OK);
  assert_int_equal(es_net_backward(t.net, t.r), ES_OK);
  assert_true(es_mem_count() == before && t.b->allocated == held);
  rig_close(&t);
}

/** What a listener heard: copies of the gradient as it was said to be final. */
typedef struct heard {
  rig *t;
  int64_t from; /**< last told, first n */
  float *final; /**< [p->n] */
  int calls;
} heard;

static es_status hear(void *ctx, int64_t from, es_mark mark) {
  heard *const h = ctx;
  es_backend *const b = h->t->b;
  h->calls++;
  if (from > h->from) return ES_EINTERNAL;
  const size_t count = (size_t) (h->from - from);
  h->from = from;
  ES_TRY(b->ops->wait(b, mark));
  return b->ops->download(b, h->final + from, h->t->p->grad + from, count);
}

/** What is told to be final does not change any more, and in the end all is. */
static void backward_tells_what_is_final(void **state) {
  (void) state;
  const model_spec *const models[] = {&small50, &small18, &small_mlp};
  for (int m = 0; m < 3; m++) {
    rig t = rig_open("blas", models[m]);
    heard h = {.t = &t, .from = t.p->n};
    const es_net_listener to = {.ready = hear, .ctx = &h};
    assert_int_equal(ES_NEW(t.p->n, &h.final), ES_OK);
    forward(&t, ES_BN_BATCH);
    assert_int_equal(es_net_backward_notify(t.net, t.r, &to), ES_OK);
    assert_true(h.from == 0 && h.calls > 3);
    assert_memory_equal(h.final, t.p->grad, (size_t) t.p->n * sizeof(float));
    es_free(&h.final);
    rig_close(&t);
  }
}

/** A dry run tells what the real network takes; gradients share their memory. */
/** A backend's table that counts the calls that wait. */
static es_backend_ops counting;
static int waited;

static es_status count_sync(es_backend *b) {
  (void) b;
  waited++;
  return ES_OK;
}

static es_status count_download(es_backend *b, float *dst, const es_buf src, size_t n) {
  (void) b;
  (void) dst;
  (void) src;
  (void) n;
  waited++;
  return ES_OK;
}

static es_status count_wait(es_backend *b, es_mark m) {
  (void) b;
  waited += m > 0;
  return ES_OK;
}

static es_status hear_nothing(void *ctx, int64_t from, es_mark mark) {
  int *const marks = ctx;
  *marks += mark > 0 && from >= 0;
  return ES_OK;
}

/** Backward waits for nothing: a device executes it while the host goes on. */
static void backward_does_not_wait(void **state) {
  (void) state;
  rig t = rig_open(backend_far_from_host(), &small50);
  const es_backend_ops *const own = t.b->ops;
  int marks = 0;
  const es_net_listener to = {.ready = hear_nothing, .ctx = &marks};
  forward(&t, ES_BN_TRAIN);
  counting = *own;
  counting.sync = count_sync;
  counting.download = count_download;
  counting.wait = count_wait;
  t.b->ops = &counting;
  waited = 0;
  assert_int_equal(es_net_backward_notify(t.net, t.r, &to), ES_OK);
  t.b->ops = own;
  assert_int_equal(waited, 0);
  assert_true(marks > 100); /* ops with parameters */
  const es_net_listener unmarked = {
      .ready = hear_nothing, .ctx = &marks, .without_marks = true};
  const int before = marks;
  assert_int_equal(es_net_backward_notify(t.net, t.r, &unmarked), ES_OK);
  assert_int_equal(marks, before);
  rig_close(&t);
}

static void dry_run_tells_the_sizes(void **state) {
  (void) state;
  const model_spec *const models[] = {&small50, &small18, &small_mlp};
  for (int m = 0; m < 3; m++) {
    rig t = rig_open("blas", models[m]);
    const es_net_options o = {.max_n = N, .plan_only = true};
    const size_t held = t.b->allocated;
    es_net *dry;
    es_net_cost real, told;
    assert_int_equal(model_build(t.b, &o, models[m], &dry, NULL), ES_OK);
    assert_true(t.b->allocated == held);
    es_net_cost_of(t.net, &real);
    es_net_cost_of(dry, &told);
    assert_true(told.parameters == real.parameters && told.flops == real.flops);
    assert_true(told.activation_bytes == real.activation_bytes);
    assert_true(told.passing_bytes == real.passing_bytes);
    assert_true(told.parameter_bytes == real.parameter_bytes);
    assert_true((size_t) (real.activation_bytes + real.passing_bytes +
                          real.parameter_bytes + real.plan_bytes) <= held);
    assert_true(3 * real.passing_bytes < 2 * real.activation_bytes);
    assert_int_equal(es_net_forward(dry, N, 2, ES_BN_TRAIN, t.x, t.z), ES_EARG);
    es_net_destroy(&dry);
    rig_close(&t);
  }
}

/** One call with two groups is two calls: statistics are taken view by view. */
static void groups_are_separate_batches(void **state) {
  (void) state;
  rig t = rig_open("blas", &small50);
  float half[N * D];
  forward(&t, ES_BN_BATCH);
  for (int g = 0; g < 2; g++)
    assert_int_equal(es_net_forward(t.net, N / 2, 1, ES_BN_BATCH, t.x + g * IMAGE * N / 2,
                                    half + g * D * N / 2),
                     ES_OK);
  assert_true(model_distance((int64_t) N * D, half, t.z) < 1e-4);
  assert_int_equal(es_net_forward(t.net, N, 1, ES_BN_BATCH, t.x, half), ES_OK);
  assert_true(model_distance((int64_t) N * D, half, t.z) > 1e-3);
  rig_close(&t);
}

/** Running averages: train moves them towards the batch, the others do not touch them. */
static void running_averages(void **state) {
  (void) state;
  rig t = rig_open("blas", &small50);
  const int v = es_params_find(t.p, "bn1.running_var");
  assert_true(v >= 0 && t.p->tensor[v].state && t.p->tensor[v].count == 4);
  float before[4], after[4];
  assert_int_equal(es_params_get(t.p, v, before), ES_OK);
  assert_true(before[0] == 1 && before[1] == 1);
  forward(&t, ES_BN_BATCH);
  assert_int_equal(es_params_get(t.p, v, after), ES_OK);
  assert_memory_equal(before, after, sizeof before);
  double batch = 0, running = 0;
  for (int i = 0; i < 200; i++) batch = forward(&t, ES_BN_TRAIN);
  assert_int_equal(es_params_get(t.p, v, after), ES_OK);
  assert_true(after[0] != before[0]);
  running = forward(&t, ES_BN_RUNNING);
  assert_true(running != batch && isfinite(running));
  rig_close(&t);
}

static void intermediate_values_can_be_read(void **state) {
  (void) state;
  rig t = rig_open("blas", &small_mlp);
  float x[N * 48], z[N * D];
  forward(&t, ES_BN_BATCH);
  assert_int_equal(es_net_read(t.net, 0, x), ES_EARG); /* nobody needs the map again */
  assert_int_equal(es_net_read(t.net, 1, x), ES_OK);
  assert_memory_equal(x, t.x, sizeof x); /* flattened */
  int last = 1;
  while (es_net_read(t.net, last + 1, x) == ES_OK) last++;
  assert_int_equal(es_net_shape(t.net, last).c, D);
  assert_int_equal(es_net_read(t.net, last, z), ES_OK);
  assert_memory_equal(z, t.z, sizeof z);
  rig_close(&t);
}

static void a_rank_may_have_no_images(void **state) {
  (void) state;
  rig t = rig_open("blas", &small_mlp);
  assert_int_equal(es_net_forward(t.net, 0, 2, ES_BN_TRAIN, t.x, t.z), ES_OK);
  assert_int_equal(es_net_backward(t.net, t.r), ES_OK);
  assert_int_equal(t.b->ops->download(t.b, t.grad, t.p->grad, (size_t) t.p->n), ES_OK);
  assert_true(model_norm(t.p->n, t.grad) == 0);
  rig_close(&t);
}

static void bad_calls_are_refused(void **state) {
  (void) state;
  rig t = rig_open("blas", &small_mlp);
  assert_int_equal(es_net_backward(t.net, t.r), ES_EARG);
  assert_int_equal(es_net_forward(t.net, N + 1, 1, ES_BN_TRAIN, t.x, t.z), ES_EARG);
  assert_int_equal(es_net_forward(t.net, N, 3, ES_BN_TRAIN, t.x, t.z), ES_EARG);
  es_net *net;
  int x, y, y2;
  const es_net_options o = {.max_n = 2};
  assert_int_equal(es_net_create(t.b, &o, &net), ES_OK);
  assert_int_equal(es_net_input(net, (es_shape){3, 8, 8}, &x), ES_OK);
  assert_int_equal(es_net_input(net, (es_shape){3, 8, 8}, &y), ES_EARG);
  assert_int_equal(es_net_linear(net, x, "l", 4, false, &y), ES_EARG);
  assert_int_equal(es_net_conv(net, x, "c", 4, (es_window){3, 2, 1}, &y), ES_OK);
  assert_int_equal(es_net_conv(net, x, "c", 4, (es_window){3, 2, 1}, &y2), ES_EARG);
  assert_int_equal(es_net_bn(net, y, "b", x, true, &y2), ES_EARG);
  assert_int_equal(es_net_bn(net, y, "b", y, true, &y2), ES_EARG);
  assert_int_equal(es_net_bn(net, 99, "b", -1, true, &y2), ES_EARG);
  assert_int_equal(es_net_alloc(net), ES_EARG); /* the output is a map */
  assert_int_equal(es_net_conv(net, x, "unused", 4, (es_window){3, 2, 1}, &y2), ES_OK);
  assert_int_equal(es_net_avgpool(net, y, &y), ES_OK);
  assert_int_equal(es_net_alloc(net), ES_EARG); /* "unused" is */
  es_net_destroy(&net);
  rig_close(&t);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_match_slopes),
      cmocka_unit_test(gradients_accumulate),
      cmocka_unit_test(far_agrees_with_blas),
      cmocka_unit_test(a_step_allocates_nothing),
      cmocka_unit_test(backward_tells_what_is_final),
      cmocka_unit_test(backward_does_not_wait),
      cmocka_unit_test(dry_run_tells_the_sizes),
      cmocka_unit_test(groups_are_separate_batches),
      cmocka_unit_test(running_averages),
      cmocka_unit_test(intermediate_values_can_be_read),
      cmocka_unit_test(a_rank_may_have_no_images),
      cmocka_unit_test(bad_calls_are_refused),
  };
  return rig_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
