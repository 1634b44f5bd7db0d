/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_net.c  Networks: gradients by differences, memory, BN modes, bad calls; on
 *  every backend of the build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "models.h"

enum { N = 8, SIDE = 12, D = 6, IMAGE = 3 * SIDE * SIDE, SEED = 3 };

static es_comm *comm; /* cmocka passes nothing else into a test */

static const model_spec small50 = {.encoder = "resnet50",
                                   .stem = 1,
                                   .base_width = 4,
                                   .widths = {10, D},
                                   .input = {3, SIDE, SIDE}};
static const model_spec small18 = {.encoder = "resnet18",
                                   .base_width = 4,
                                   .widths = {D},
                                   .bias = true,
                                   .input = {3, 3 * SIDE, 3 * SIDE}};
static const model_spec small_mlp = {.encoder = "mlp",
                                     .hidden = {9, 7},
                                     .widths = {8, D},
                                     .no_batchnorm = true,
                                     .input = {3, 4, 4}};

/** A model with what a test needs around it. */
typedef struct rig {
  es_backend *b;
  es_net *net;
  es_params *p;
  float *x;            /**< [N, C, H, W] */
  float z[N * D];      /**< output of the last forward */
  float r[N * D];      /**< L = sum(z r) */
  float *value, *grad; /**< host copies, [p->n] */
  size_t held;         /**< memory in use before */
} rig;

static rig rig_open(const char *backend, const model_spec *m) {
  rig t = {.held = es_mem_now()};
  const es_net_options o = {.max_n = N};
  const int64_t pixels = (int64_t) N * m->input.c * m->input.h * m->input.w;
  assert_int_equal(es_backend_open(backend, comm, 1, &t.b), ES_OK);
  assert_int_equal(model_build(t.b, &o, m, &t.net, NULL), ES_OK);
  t.p = es_net_params(t.net);
  assert_int_equal(es_params_init(t.p, SEED), ES_OK);
  assert_int_equal(ES_NEW(pixels, &t.x), ES_OK);
  assert_int_equal(ES_NEW(t.p->n, &t.value), ES_OK);
  assert_int_equal(ES_NEW(t.p->n, &t.grad), ES_OK);
  model_normal(SEED, 1, pixels, t.x);
  model_normal(SEED, 2, (int64_t) N * D, t.r);
  return t;
}

static void rig_close(rig *t) {
  es_free(&t->x);
  es_free(&t->value);
  es_free(&t->grad);
  es_net_destroy(&t->net);
  es_backend_close(&t->b);
  assert_true(es_mem_now() == t->held);
}

static double forward(rig *t, es_bn_mode mode) {
  assert_int_equal(es_net_forward(t->net, N, 2, mode, t->x, t->z), ES_OK);
  double loss = 0;
  for (int i = 0; i < N * D; i++) loss += (double) t->z[i] * t->r[i];
  return loss;
}

/** Forward and backward; the gradient is added to what is there. */
static void gradient(rig *t) {
  es_backend *const b = t->b;
  forward(t, ES_BN_BATCH);
  assert_int_equal(es_net_backward(t->net, t->r), ES_OK);
  assert_int_equal(b->ops->download(b, t->grad, t->p->grad, (size_t) t->p->n), ES_OK);
}

/** L at the parameters of tensor v moved by h along dir. */
static double moved(rig *t, int v, const float *dir, double h, float *work) {
  const es_tensor_info *const info = &t->p->tensor[v];
  for (int64_t i = 0; i < info->count; i++)
    work[i] = (float) (t->value[info->offset + i] + h * dir[i]);
  assert_int_equal(es_params_set(t->p, v, work), ES_OK);
  return forward(t, ES_BN_BATCH);
}

/** Difference of slope and gradient along a direction that is half the gradient's, half
 * random, over the norm of the gradient. A bias that the next batch norm removes has a
 * gradient of rounding errors: a thousandth of the whole gradient's norm is allowed for.
 */
static double slope_error(rig *t, int v, float *dir, float *work) {
  const es_tensor_info *const info = &t->p->tensor[v];
  const float *const g = t->grad + info->offset;
  model_normal(SEED, 100 + (uint64_t) v, info->count, dir);
  const double norm = model_norm(info->count, g), r = model_norm(info->count, dir);
  const double size = model_norm(info->count, t->value + info->offset) + 0.1;
  double along = 0;
  for (int64_t i = 0; i < info->count; i++) {
    dir[i] = (float) (g[i] / norm + dir[i] / r);
    along += (double) dir[i] * g[i];
  }
  const double h = 2e-4 * size;
  const double slope = (moved(t, v, dir, h, work) - moved(t, v, dir, -h, work)) / (2 * h);
  assert_int_equal(es_params_set(t->p, v, t->value + info->offset), ES_OK);
  return fabs(slope - along) / (norm + 1e-3 * model_norm(t->p->n, t->grad));
}

/** Batch norm's biases of +-4: a channel is on, or off, for nearly all pixels, so that
 * few ReLUs switch within a step. */
static void set_apart(es_params *p) {
  float bias[128];
  for (int v = 0; v < p->n_tensors; v++) {
    const es_tensor_info *const info = &p->tensor[v];
    if (info->ndim != 1 || info->state || info->init != ES_INIT_ZERO) continue;
    for (int i = 0; i < info->count; i++) bias[i] = (i + v) % 3 == 0 ? -4 : 4;
    assert_int_equal(es_params_set(p, v, bias), ES_OK);
  }
}

/** Single precision and the ReLUs that do switch bound the accuracy, of single tensors
 * more than on average; a gradient that misses a term is off by tens of percent. */
static void check_slopes(const char *backend, const model_spec *m, double average) {
  double sum = 0;
  int n = 0;
  rig t = rig_open(backend, m);
  float *dir, *work;
  assert_int_equal(ES_NEW(t.p->n, &dir), ES_OK);
  assert_int_equal(ES_NEW(t.p->n, &work), ES_OK);
  set_apart(t.p);
  gradient(&t);
  assert_int_equal(t.b->ops->download(t.b, t.value, t.p->value, (size_t) t.p->n), ES_OK);
  for (int v = 0; v < t.p->n_tensors; v++) {
    if (t.p->tensor[v].state) continue;
    const double error = slope_error(&t, v, dir, work);
    if (!(error < 20 * average)) fail_msg("%s: error %g", t.p->tensor[v].name, error);
    sum += error;
    n++;
  }
  assert_true(sum / n < average);
  es_free(&dir);
  es_free(&work);
  rig_close(&t);
}

static void gradients_match_slopes(void **state) {
  (void) state;
  check_slopes("blas", &small_mlp, 1e-4);
  check_slopes("blas", &small18, 5e-3);
  check_slopes("blas", &small50, 0.01);
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
  const size_t backends = es_backend_list(&list);
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

/** `guard` makes memory unreadable between ops; its numbers are those of `blas`. */
static void guard_agrees_with_blas(void **state) {
  (void) state;
  const model_spec *const models[] = {&small50, &small18, &small_mlp};
  for (int m = 0; m < 3; m++) {
    rig blas = rig_open("blas", models[m]), guard = rig_open("guard", models[m]);
    gradient(&blas);
    gradient(&guard);
    assert_memory_equal(blas.z, guard.z, sizeof blas.z);
    assert_memory_equal(blas.grad, guard.grad, (size_t) blas.p->n * sizeof(float));
    rig_close(&guard);
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

static es_status hear(void *ctx, int64_t from) {
  heard *const h = ctx;
  es_backend *const b = h->t->b;
  h->calls++;
  if (from > h->from) return ES_EINTERNAL;
  const size_t count = (size_t) (h->from - from);
  h->from = from;
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
    assert_int_equal(es_net_backward_tell(t.net, t.r, &to), ES_OK);
    assert_true(h.from == 0 && h.calls > 3);
    assert_memory_equal(h.final, t.p->grad, (size_t) t.p->n * sizeof(float));
    es_free(&h.final);
    rig_close(&t);
  }
}

/** A dry run tells what the real network takes; gradients share their memory. */
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
  assert_int_equal(es_net_backward(t.net, t.r), ES_EARG);
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
  double norm;
  assert_int_equal(t.b->ops->dot(t.b, (size_t) t.p->n, t.p->grad, t.p->grad, &norm),
                   ES_OK);
  assert_true(norm == 0);
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
  assert_int_equal(es_net_conv(net, x, "c", 4, 3, 2, 1, &y), ES_OK);
  assert_int_equal(es_net_conv(net, x, "c", 4, 3, 2, 1, &y2), ES_EARG);
  assert_int_equal(es_net_bn(net, y, "b", x, true, &y2), ES_EARG);
  assert_int_equal(es_net_bn(net, y, "b", y, true, &y2), ES_EARG);
  assert_int_equal(es_net_bn(net, 99, "b", -1, true, &y2), ES_EARG);
  assert_int_equal(es_net_alloc(net), ES_EARG); /* the output is a map */
  assert_int_equal(es_net_conv(net, x, "unused", 4, 3, 2, 1, &y2), ES_OK);
  assert_int_equal(es_net_avgpool(net, y, &y), ES_OK);
  assert_int_equal(es_net_alloc(net), ES_EARG); /* "unused" is */
  es_net_destroy(&net);
  rig_close(&t);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_match_slopes),
      cmocka_unit_test(gradients_accumulate),
      cmocka_unit_test(guard_agrees_with_blas),
      cmocka_unit_test(a_step_allocates_nothing),
      cmocka_unit_test(backward_tells_what_is_final),
      cmocka_unit_test(dry_run_tells_the_sizes),
      cmocka_unit_test(groups_are_separate_batches),
      cmocka_unit_test(running_averages),
      cmocka_unit_test(intermediate_values_can_be_read),
      cmocka_unit_test(a_rank_may_have_no_images),
      cmocka_unit_test(bad_calls_are_refused),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
