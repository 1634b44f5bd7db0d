/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_model.c  Encoders and projectors: torchvision's parameter counts and names,
 *  initial values, operations, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "models.h"

static es_comm *comm; /* cmocka passes nothing else into a test */
static es_backend *backend;

static es_net *build(const model_spec *m, int max_n, bool plan_only) {
  const es_net_options o = {.max_n = max_n, .plan_only = plan_only};
  es_net *net = NULL;
  assert_int_equal(model_build(backend, &o, m, &net, NULL), ES_OK);
  return net;
}

/** Trainable parameters without a classifier, as torchvision counts them. */
static void parameter_counts(void **state) {
  (void) state;
  const struct {
    const char *encoder;
    int stem, features;
    int64_t count;
  } table[] = {{"resnet50", 0, 2048, 23508032},
               {"resnet50", 1, 2048, 23500352},
               {"resnet34", 0, 512, 21284672},
               {"resnet18", 0, 512, 11176512},
               {"resnet18", 1, 512, 11168832}};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    const model_spec m = {
        .encoder = table[i].encoder, .stem = table[i].stem, .input = {3, 32, 32}};
    es_net *net = build(&m, 1, true);
    es_net_cost cost;
    es_net_cost_of(net, &cost);
    assert_int_equal(cost.parameters, table[i].count);
    assert_int_equal(es_net_dim(net), table[i].features);
    es_net_destroy(&net);
  }
}

/** ResNet-50 at 96 x 96: 0.75 GMAC; the published 4.09 GMAC at 224 x 224. */
static void operation_counts(void **state) {
  (void) state;
  const struct {
    int side;
    double gmac;
  } table[] = {{96, 0.75}, {224, 4.09}};
  for (int i = 0; i < 2; i++) {
    const model_spec m = {.encoder = "resnet50",
                          .input = {3, table[i].side, table[i].side}};
    es_net *net = build(&m, 1, true);
    es_net_cost cost;
    es_net_cost_of(net, &cost);
    assert_true(fabs(cost.flops / 2e9 / table[i].gmac - 1) < 0.01);
    es_net_destroy(&net);
  }
}

static void expect(es_net *net, const char *name, int ndim, int64_t d0, int64_t d1,
                   int64_t d2) {
  const es_tensor_info *const v = es_net_tensor(net, name);
  if (v == NULL) fail_msg("no parameter %s", name);
  assert_int_equal(v->ndim, ndim);
  assert_true(v->dim[0] == d0 && (ndim < 2 || v->dim[1] == d1) &&
              (ndim < 4 || (v->dim[2] == d2 && v->dim[3] == d2)));
}

static void names_are_torchvisions(void **state) {
  (void) state;
  const model_spec m = {
      .encoder = "resnet50", .widths = {16, 10}, .bias = true, .input = {3, 64, 64}};
  es_net *net = build(&m, 1, true);
  expect(net, "conv1.weight", 4, 64, 3, 7);
  expect(net, "bn1.running_var", 1, 64, 0, 0);
  expect(net, "layer1.0.conv1.weight", 4, 64, 64, 1);
  expect(net, "layer1.0.downsample.0.weight", 4, 256, 64, 1);
  expect(net, "layer1.0.downsample.1.running_mean", 1, 256, 0, 0);
  expect(net, "layer3.5.conv2.weight", 4, 256, 256, 3);
  expect(net, "layer4.2.bn3.bias", 1, 2048, 0, 0);
  expect(net, "projector.0.weight", 2, 16, 2048, 0);
  expect(net, "projector.0.bias", 1, 16, 0, 0);
  expect(net, "projector.0.bn.weight", 1, 16, 0, 0);
  expect(net, "projector.0.bn.running_mean", 1, 16, 0, 0);
  expect(net, "projector.1.weight", 2, 10, 16, 0);
  assert_null(es_net_tensor(net, "projector.1.bn.weight"));
  assert_null(es_net_tensor(net, "layer1.1.downsample.0.weight"));
  es_net_destroy(&net);
}

/** Mean square and largest magnitude of a tensor's values. */
static void moments(es_params *p, const char *name, double *square, double *top) {
  const int v = es_params_find(p, name);
  assert_true(v >= 0);
  const int64_t n = p->tensor[v].count;
  float *x;
  assert_int_equal(ES_NEW(n, &x), ES_OK);
  assert_int_equal(es_params_get(p, v, x), ES_OK);
  *square = *top = 0;
  for (int64_t i = 0; i < n; i++) {
    *square += (double) x[i] * x[i] / (double) n;
    *top = fmax(*top, fabs(x[i]));
  }
  es_free(&x);
}

static void initial_values_are_torchvisions(void **state) {
  (void) state;
  const model_spec m = {.encoder = "resnet50",
                        .base_width = 16,
                        .zero_init_residual = true,
                        .widths = {64},
                        .input = {3, 32, 32}};
  es_net *net = build(&m, 1, false);
  es_params *const p = es_net_params(net);
  assert_int_equal(es_params_init(p, 1), ES_OK);
  double square, top;
  moments(p, "layer4.1.conv2.weight", &square, &top); /* 147,456 values */
  assert_true(fabs(square / (2.0 / (128 * 9)) - 1) < 0.02);
  assert_true(top > 3.5 * sqrt(2.0 / (128 * 9)));  /* normal, not uniform */
  moments(p, "projector.0.weight", &square, &top); /* uniform in +-1/sqrt(512) */
  assert_true(fabs(square * 512 * 3 - 1) < 0.02 && top * top * 512 <= 1);
  moments(p, "layer1.0.bn1.weight", &square, &top);
  assert_true(square == 1 && top == 1);
  moments(p, "layer1.0.bn3.weight", &square, &top); /* zero_init_residual */
  assert_true(top == 0);
  moments(p, "bn1.bias", &square, &top);
  assert_true(top == 0);
  es_net_destroy(&net);
}

/** Values scale as asked; the distribution of the last layer can be normal. */
static void initial_scales(void **state) {
  (void) state;
  model_spec m = {
      .encoder = "mlp", .hidden = {64}, .widths = {64, 64}, .input = {64, 1, 1}};
  const char *const names[] = {"encoder.0.weight", "projector.0.weight",
                               "projector.1.weight"};
  const es_init_params inits[] = {{0},
                                  {.scale = 0.5, .scale_last = 0.01},
                                  {.scale = 0.5, .scale_last = 0.01, .last = 1}};
  double square[3][3], top;
  for (int i = 0; i < 3; i++) {
    m.init = inits[i];
    es_net *net = build(&m, 1, false);
    assert_int_equal(es_params_init(es_net_params(net), 7), ES_OK);
    for (int k = 0; k < 3; k++)
      moments(es_net_params(net), names[k], &square[i][k], &top);
    es_net_destroy(&net);
  }
  assert_true(fabs(square[1][0] / square[0][0] - 0.25) < 1e-6);
  assert_true(fabs(square[1][1] / square[0][1] - 0.25) < 1e-6);
  assert_true(fabs(square[1][2] / square[0][2] - 0.25e-4) < 1e-10);
  assert_true(fabs(square[2][2] * 64 / 0.25e-4 - 1) < 0.1); /* 4,096 normal values */
  assert_true(fabs(square[1][2] * 64 * 3 / 0.25e-4 - 1) < 0.1);
}

/** The last bias alone takes init.bias_last, by that very factor. */
static void initial_scale_of_the_last_bias(void **state) {
  (void) state;
  model_spec m = {.encoder = "mlp",
                  .hidden = {64},
                  .widths = {64, 64},
                  .input = {64, 1, 1},
                  .bias = true};
  const char *const names[] = {"projector.0.bias", "projector.1.bias",
                               "projector.1.weight"};
  double square[2][3], top;
  for (int i = 0; i < 2; i++) {
    m.init = (es_init_params){.bias_last = i == 0 ? 1 : 8};
    es_net *net = build(&m, 1, false);
    assert_int_equal(es_params_init(es_net_params(net), 7), ES_OK);
    for (int k = 0; k < 3; k++)
      moments(es_net_params(net), names[k], &square[i][k], &top);
    es_net_destroy(&net);
  }
  assert_true(square[0][0] > 0 && square[1][0] == square[0][0]);
  assert_true(fabs(square[1][1] / square[0][1] - 64) < 1e-6);
  assert_true(square[1][2] == square[0][2]);
}

static void seeds_repeat_and_differ(void **state) {
  (void) state;
  const model_spec m = {.encoder = "linear", .hidden = {4}, .input = {3, 2, 2}};
  es_net *net = build(&m, 1, false);
  es_params *const p = es_net_params(net);
  float a[48], b[48], c[48];
  assert_int_equal(es_params_init(p, 1), ES_OK);
  assert_int_equal(es_params_get(p, 0, a), ES_OK);
  assert_int_equal(es_params_init(p, 2), ES_OK);
  assert_int_equal(es_params_get(p, 0, b), ES_OK);
  assert_int_equal(es_params_init(p, 1), ES_OK);
  assert_int_equal(es_params_get(p, 0, c), ES_OK);
  assert_memory_equal(a, c, sizeof a);
  assert_true(a[0] != b[0] && a[47] != b[47]);
  es_net_destroy(&net);
}

/** The linear model is W x: no bias, no nonlinearity. */
static void linear_model_is_a_matrix(void **state) {
  (void) state;
  const model_spec m = {.encoder = "linear", .widths = {2}, .input = {1, 2, 2}};
  es_net *net = build(&m, 3, false);
  es_params *const p = es_net_params(net);
  const float w[] = {1, 2, 3, 4, 0, -1, 0, 1};
  const float x[] = {1, 0, 0, 0, -1, 1, 0, 0, 1, 1, 1, 1};
  const float expected[] = {1, 0, 1, -1, 10, 0};
  float z[6];
  assert_int_equal(p->n, 8);
  assert_int_equal(es_params_set(p, 0, w), ES_OK);
  assert_int_equal(es_net_forward(net, 3, 1, ES_BN_BATCH, x, z), ES_OK);
  assert_memory_equal(z, expected, sizeof z);
  es_net_destroy(&net);
}

static void refusals(void **state) {
  (void) state;
  const model_spec unknown = {.encoder = "resnet5", .input = {3, 32, 32}},
                   none = {.encoder = "mlp", .input = {3, 4, 4}},
                   no_weights = {.encoder = "linear", .input = {3, 4, 4}},
                   not_linear = {.encoder = "resnet18",
                                 .input = {3, 32, 32},
                                 .init = {.scale_last = 0.1}},
                   no_bias = {.encoder = "linear",
                              .hidden = {4},
                              .input = {3, 4, 4},
                              .init = {.bias_last = 8}};
  const es_net_options o = {.max_n = 1, .plan_only = true};
  es_net *net = NULL;
  assert_int_equal(model_build(backend, &o, &unknown, &net, NULL), ES_ECONFIG);
  assert_non_null(strstr(es_log_last_error(), "did you mean 'resnet50'"));
  assert_int_equal(model_build(backend, &o, &none, &net, NULL), ES_ECONFIG);
  assert_int_equal(model_build(backend, &o, &no_weights, &net, NULL), ES_EARG);
  assert_int_equal(model_build(backend, &o, &not_linear, &net, NULL), ES_ECONFIG);
  assert_int_equal(model_build(backend, &o, &no_bias, &net, NULL), ES_ECONFIG);
  assert_non_null(strstr(es_log_last_error(), "init.bias_last: got 8"));
  const es_encoder_params enc = {.name = "linear"};
  const es_projector_params half = {.widths = {.n = 1, .v = {2.5}}};
  const es_init_params init = {.scale = 1, .scale_last = 1, .bias_last = 1};
  const es_model_desc m = {{3, 4, 4}, &enc, &half, &init};
  assert_int_equal(es_model_build(backend, &o, &m, &net, NULL), ES_ECONFIG);
  assert_null(net);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parameter_counts),
      cmocka_unit_test(operation_counts),
      cmocka_unit_test(names_are_torchvisions),
      cmocka_unit_test(initial_values_are_torchvisions),
      cmocka_unit_test(initial_scales),
      cmocka_unit_test(initial_scale_of_the_last_bias),
      cmocka_unit_test(seeds_repeat_and_differ),
      cmocka_unit_test(linear_model_is_a_matrix),
      cmocka_unit_test(refusals),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  if (es_backend_open("blas", comm, 1, &backend) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_backend_close(&backend);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
