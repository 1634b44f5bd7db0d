/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_frozen.c  Networks whose batch norm has constant statistics: how they are
 *  collected, gradients against slopes, batches against single images, backends against
 *  `blas`. */
#include "backends.h"
#include "net_rig.h"

enum { CHANNELS = 4 }; /* of the first batch norm of small50 */

static const model_spec mlp_with_bn = {.encoder = "mlp",
                                       .hidden = {9, 7},
                                       .widths = {8, 8, D},
                                       .bias = true,
                                       .input = {3, 4, 4}};
static const model_spec *const models[] = {&mlp_with_bn, &small18, &small50};
enum { MODELS = sizeof models / sizeof *models };

static int64_t pixels(const rig *t) {
  const es_shape s = es_net_shape(t->net, 0);
  return (int64_t) s.c * s.h * s.w;
}

/** Statistics of all images, in `parts` forward passes. */
static void freeze(rig *t, int parts) {
  const int n = N / parts;
  assert_int_equal(es_net_freeze_begin(t->net), ES_OK);
  for (int i = 0; i < parts; i++)
    assert_int_equal(
        es_net_forward(t->net, n, 1, ES_BN_COLLECT, t->x + i * n * pixels(t), t->z),
        ES_OK);
  assert_int_equal(es_net_freeze_end(t->net, NULL), ES_OK);
}

static rig frozen_rig(const char *backend, const model_spec *m) {
  rig t = rig_open(backend, m);
  set_apart(t.p);
  freeze(&t, 1);
  t.mode = ES_BN_FROZEN;
  return t;
}

static void gradients_match_slopes(void **state) {
  (void) state;
  /* measured with different compiler options: up to 0.0012, 0.0015, 0.0037 */
  static const double average[MODELS] = {5e-3, 5e-3, 0.01};
  for (int m = 0; m < MODELS; m++)
    for (es_bn_mode mode = ES_BN_RUNNING; mode <= ES_BN_FROZEN; mode++) {
      rig t = rig_open("blas", models[m]);
      set_apart(t.p);
      for (int i = 0; i < 20; i++) forward(&t, ES_BN_TRAIN);
      freeze(&t, 1);
      t.mode = mode;
      check_slopes(&t, average[m]);
      rig_close(&t);
    }
}

/** No image's output or gradient depends on another image. Rounding alone is left: sums
 *  have another order, products other kernels. */
static void batch_is_sum_of_images(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t backends = backends_here(&list);
  for (size_t i = 0; i < backends * MODELS; i++) {
    rig t = frozen_rig(list[i / MODELS]->name, models[i % MODELS]);
    float z[N * D];
    gradient(&t);
    memcpy(t.value, t.grad, (size_t) t.p->n * sizeof *t.value);
    memcpy(z, t.z, sizeof z);
    es_net_zero_grad(t.net);
    for (int k = 0; k < N; k++) {
      const float *const x = t.x + k * pixels(&t);
      assert_int_equal(es_net_forward(t.net, 1, 1, t.mode, x, t.z), ES_OK);
      assert_true(model_distance(D, t.z, z + k * D) < 1e-5);
      assert_int_equal(es_net_backward(t.net, t.r + k * D), ES_OK);
    }
    assert_int_equal(t.b->ops->download(t.b, t.grad, t.p->grad, (size_t) t.p->n), ES_OK);
    assert_true(model_norm(t.p->n, t.value) > 0);
    const double apart = model_distance(t.p->n, t.grad, t.value);
    if (!(apart < 1e-5)) fail_msg("%s: %g apart", list[i / MODELS]->name, apart);
    rig_close(&t);
  }
}

static void backends_agree_with_blas(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t backends = backends_here(&list);
  for (size_t i = 0; i < backends * MODELS; i++) {
    const char *const name = list[i / MODELS]->name;
    rig blas = frozen_rig("blas", models[i % MODELS]);
    rig other = frozen_rig(name, models[i % MODELS]);
    gradient(&blas);
    gradient(&other);
    const double limit = backend_tolerance(name);
    const double z = model_distance(N * D, other.z, blas.z);
    const double grad = model_distance(blas.p->n, other.grad, blas.grad);
    if (!(z <= limit && grad <= limit)) fail_msg("%s: %g and %g apart", name, z, grad);
    rig_close(&other);
    rig_close(&blas);
  }
}

/** Forward and backward in bf16 by statistics that were collected in f32, for both
 *  networks have the same parameters. */
static void in_bf16(void **state) {
  (void) state;
  for (int m = 0; m < MODELS; m++) {
    rig t = frozen_rig("auto", models[m]);
    if (t.b->lacks_bf16 > 0) {
      rig_close(&t);
      skip();
    }
    const es_net_options o = {.max_n = N, .params = t.p, .precision = ES_BF16};
    es_net *fine = t.net;
    float z[N * D];
    gradient(&t);
    memcpy(z, t.z, sizeof z);
    memcpy(t.value, t.grad, (size_t) t.p->n * sizeof *t.value);
    assert_int_equal(model_build(t.b, &o, models[m], &t.net, NULL), ES_OK);
    es_net_zero_grad(t.net);
    gradient(&t);
    const double apart = model_distance(N * D, t.z, z);
    const double grad = model_distance(t.p->n, t.grad, t.value);
    if (!(apart > 0 && apart < 0.1 && grad > 0 && grad < 0.2))
      fail_msg("%g and %g apart", apart, grad);
    es_net_destroy(&t.net);
    t.net = fine;
    rig_close(&t);
  }
}

/** Mean and variance of the first batch norm's input. */
static void first_statistics(rig *t, double mean[CHANNELS], double var[CHANNELS]) {
  enum { MAP = SIDE * SIDE };
  static float map[N * CHANNELS * MAP];
  forward(t, ES_BN_BATCH);
  assert_int_equal(es_net_read(t->net, 1, map), ES_OK);
  for (int c = 0; c < CHANNELS; c++) {
    double sum = 0, square = 0;
    for (int i = 0; i < N * MAP; i++) {
      const double v = map[(i / MAP * CHANNELS + c) * MAP + i % MAP];
      sum += v;
      square += v * v;
    }
    mean[c] = sum / (N * MAP);
    var[c] = square / (N * MAP) - mean[c] * mean[c];
  }
}

/** Those of all images, in one part or several; running averages stay. */
static void statistics_of_the_set(void **state) {
  (void) state;
  rig t = rig_open("auto", &small50);
  double mean[CHANNELS], var[CHANNELS];
  float *before = NULL, *after = NULL;
  const size_t n = (size_t) t.p->n_state;
  assert_int_equal(ES_NEW(n, &before), ES_OK);
  assert_int_equal(ES_NEW(n, &after), ES_OK);
  assert_int_equal(t.b->ops->download(t.b, before, t.p->state, n), ES_OK);
  first_statistics(&t, mean, var);
  for (int parts = 1; parts <= 4; parts *= 2) {
    freeze(&t, parts);
    assert_int_equal(t.b->ops->download(t.b, after, t.p->frozen, n), ES_OK);
    const int64_t m = t.p->tensor[es_params_find(t.p, "bn1.running_mean")].offset;
    const int64_t v = t.p->tensor[es_params_find(t.p, "bn1.running_var")].offset;
    for (int c = 0; c < CHANNELS; c++) {
      assert_true(fabs(after[m + c] - mean[c]) < 1e-5 * sqrt(var[c]));
      assert_true(fabs(after[v + c] - var[c]) < 1e-5 * var[c]);
    }
    for (size_t i = 0; i < n; i++) assert_true(isfinite(after[i]));
  }
  assert_int_equal(t.b->ops->download(t.b, after, t.p->state, n), ES_OK);
  assert_memory_equal(before, after, n * sizeof *before);
  es_free(&before);
  es_free(&after);
  rig_close(&t);
}

/** Of one batch they are the batch's: the forward passes agree. */
static void of_a_batch_they_are_the_batchs(void **state) {
  (void) state;
  rig t = rig_open("auto", &small50);
  float z[N * D], again[N * D];
  assert_int_equal(es_net_forward(t.net, N, 1, ES_BN_BATCH, t.x, z), ES_OK);
  freeze(&t, 1);
  assert_int_equal(es_net_forward(t.net, N, 1, ES_BN_FROZEN, t.x, t.z), ES_OK);
  assert_true(model_distance(N * D, t.z, z) < 1e-4);
  const es_net_options o = {.max_n = N, .params = t.p, .forward_only = true};
  es_net *other = NULL; /* a network with the same parameters has the same statistics */
  assert_int_equal(model_build(t.b, &o, &small50, &other, NULL), ES_OK);
  assert_int_equal(es_net_forward(other, N, 1, ES_BN_FROZEN, t.x, again), ES_OK);
  assert_memory_equal(again, t.z, sizeof again);
  es_net_destroy(&other);
  rig_close(&t);
}

static void bad_calls_are_refused(void **state) {
  (void) state;
  rig t = rig_open("blas", &mlp_with_bn);
  assert_int_equal(es_net_forward(t.net, N, 1, ES_BN_FROZEN, t.x, t.z), ES_EARG);
  assert_int_equal(es_net_forward(t.net, N, 1, ES_BN_COLLECT, t.x, t.z), ES_EARG);
  assert_int_equal(es_net_freeze_end(t.net, NULL), ES_EARG);
  assert_int_equal(es_net_freeze_begin(t.net), ES_OK);
  assert_int_equal(es_net_freeze_end(t.net, NULL), ES_EARG); /* no images */
  assert_int_equal(es_net_forward(t.net, N, 1, ES_BN_FROZEN, t.x, t.z), ES_EARG);
  assert_int_equal(es_net_freeze_begin(t.net), ES_OK);
  rig_close(&t); /* what was collected is freed */
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_match_slopes),
      cmocka_unit_test(batch_is_sum_of_images),
      cmocka_unit_test(backends_agree_with_blas),
      cmocka_unit_test(in_bf16),
      cmocka_unit_test(statistics_of_the_set),
      cmocka_unit_test(of_a_batch_they_are_the_batchs),
      cmocka_unit_test(bad_calls_are_refused),
  };
  return rig_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
