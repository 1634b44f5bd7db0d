/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_eval_net.c  A second network with the parameters of the first, forward
 *  only: how a run in bf16 is measured in f32. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "models.h"

enum { N = 8, SIDE = 12, D = 6, SEED = 3 };

static es_comm *comm; /* cmocka passes nothing else into a test */

static const model_spec small = {.encoder = "resnet50",
                                 .stem = 1,
                                 .base_width = 4,
                                 .widths = {10, D},
                                 .input = {3, SIDE, SIDE}};

static const model_spec shallow = {.encoder = "resnet18",
                                   .stem = 1,
                                   .base_width = 16,
                                   .widths = {D},
                                   .input = {3, SIDE, SIDE}};

static es_net *build(es_backend *b, const model_spec *m, es_params *theirs,
                     es_precision precision, bool forward_only) {
  const es_net_options o = {
      .max_n = N, .params = theirs, .precision = precision, .forward_only = forward_only};
  es_net *net = NULL;
  assert_int_equal(model_build(b, &o, m, &net, NULL), ES_OK);
  return net;
}

static void look(es_net *net, float *z) {
  static float x[N * 3 * SIDE * SIDE];
  model_normal(SEED, 1, N * 3 * SIDE * SIDE, x);
  assert_int_equal(es_net_forward(net, N, 2, ES_BN_BATCH, x, z), ES_OK);
}

/** A parameter tensor changes: both networks use the new value. */
static void change(es_net *net, es_net *eval_net, const char *name) {
  es_params *p = es_net_params(net);
  const int tensor = es_params_find(p, name);
  const int64_t n = p->tensor[tensor].count, version = p->version;
  float z[N * D], before[N * D], evaluated[N * D],
      *values = calloc((size_t) n, sizeof *values);
  look(net, before);
  look(eval_net, evaluated);
  assert_memory_equal(before, evaluated, sizeof before);
  model_normal(SEED, 2, n, values);
  assert_int_equal(es_params_set(p, tensor, values), ES_OK);
  free(values);
  assert_true(p->version > version);
  look(eval_net, evaluated);
  assert_memory_not_equal(before, evaluated, sizeof evaluated);
  look(net, z);
  assert_memory_equal(z, evaluated, sizeof z);
}

static void gives_the_same(void **state) {
  (void) state;
  es_backend *b = NULL;
  float z[N * D], evaluated[N * D];
  assert_int_equal(es_backend_open("auto", comm, 1, &b), ES_OK);
  es_net *net = build(b, &small, NULL, ES_F32, false);
  es_params *p = es_net_params(net);
  assert_int_equal(es_params_init(p, SEED), ES_OK);
  es_net *eval_net = build(b, &small, p, ES_F32, true);
  assert_ptr_equal(es_net_params(eval_net), p);
  look(net, z);
  look(eval_net, evaluated);
  assert_memory_equal(z, evaluated, sizeof z);
  change(net, eval_net, "bn1.weight");
  change(net, eval_net, "layer1.0.conv1.weight"); /* 1 x 1 */
  change(net, eval_net, "layer1.0.conv2.weight"); /* 3 x 3 */
  change(net, eval_net, "projector.0.weight");
  look(net, z);
  assert_int_equal(es_net_backward(eval_net, z), ES_EARG);
  es_net_cost whole, part;
  es_net_cost_of(net, &whole);
  es_net_cost_of(eval_net, &part);
  assert_true(2 * (part.activation_bytes + part.passing_bytes) < whole.activation_bytes);
  es_net_destroy(&eval_net);
  look(net, evaluated); /* its parameters are still there */
  assert_memory_equal(z, evaluated, sizeof z);
  es_net_destroy(&net);
  es_backend_close(&b);
}

/** bf16 rounds each value to 8 bits; through 18 layers that is percents. Other parameters
 * would be off by 1.4. */
static void is_more_accurate_than_bf16(void **state) {
  (void) state;
  es_backend *b = NULL;
  es_precision rough = ES_F32;
  float z[N * D], evaluated[N * D];
  if (es_backend_open("onednn", comm, 1, &b) == ES_ENOTSUP) skip();
  assert_int_equal(es_backend_precision(b, ES_BF16, &rough), ES_OK);
  es_net *net = build(b, &shallow, NULL, rough, false);
  assert_int_equal(es_params_init(es_net_params(net), SEED), ES_OK);
  es_net *eval_net = build(b, &shallow, es_net_params(net), ES_F32, true);
  look(net, z);
  look(eval_net, evaluated);
  double error = 0, size = 0;
  for (int i = 0; i < N * D; i++) {
    error += (z[i] - evaluated[i]) * (z[i] - evaluated[i]);
    size += evaluated[i] * evaluated[i];
  }
  if (!(sqrt(error / size) < 0.1)) fail_msg("relative error %g", sqrt(error / size));
  assert_true(rough == ES_F32 || error > 0);
  es_net_destroy(&eval_net);
  es_net_destroy(&net);
  es_backend_close(&b);
}

/** Maps are dropped after their last use; vectors stay. */
static void reads_what_is_kept(void **state) {
  (void) state;
  es_backend *b = NULL;
  float z[N * D], *got = calloc(N * 64 * SIDE * SIDE, sizeof *got),
                  *want = calloc(N * 64 * SIDE * SIDE, sizeof *want);
  assert_int_equal(es_backend_open("auto", comm, 1, &b), ES_OK);
  es_net *net = build(b, &small, NULL, ES_F32, false);
  assert_int_equal(es_params_init(es_net_params(net), SEED), ES_OK);
  es_net *eval_net = build(b, &small, es_net_params(net), ES_F32, true);
  look(net, z);
  look(eval_net, z);
  int kept = 0, dropped = 0;
  for (int v = 0; v == 0 || es_net_shape(net, v - 1).c != D; v++) {
    const es_shape s = es_net_shape(net, v);
    const es_status st = es_net_read(eval_net, v, got);
    assert_int_equal(st, s.h > 1 || s.w > 1 ? ES_EARG : ES_OK);
    dropped += st == ES_EARG;
    kept += st == ES_OK;
    if (st != ES_OK) continue;
    assert_int_equal(es_net_read(net, v, want), ES_OK);
    assert_memory_equal(got, want, (size_t) (N * s.c) * sizeof *got);
  }
  assert_true(kept >= 4 && dropped > 40);
  free(got);
  free(want);
  es_net_destroy(&eval_net);
  es_net_destroy(&net);
  es_backend_close(&b);
}

static void others_are_refused(void **state) {
  (void) state;
  es_backend *b = NULL;
  assert_int_equal(es_backend_open("auto", comm, 1, &b), ES_OK);
  es_net *net = build(b, &small, NULL, ES_F32, false), *eval_net = NULL;
  const es_net_options o = {.max_n = N, .params = es_net_params(net)};
  model_spec other = small;
  other.base_width = 8;
  assert_int_equal(model_build(b, &o, &other, &eval_net, NULL), ES_EARG);
  assert_null(eval_net);
  es_net_destroy(&net);
  es_backend_close(&b);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_the_same), cmocka_unit_test(is_more_accurate_than_bf16),
      cmocka_unit_test(reads_what_is_kept), cmocka_unit_test(others_are_refused)};
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
