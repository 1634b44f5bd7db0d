/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ref_tangent.c  The tangent kernel against PyTorch's autograd: a quarter-width
 *  ResNet-50 and an mlp, batch norm held at the statistics of the images.
 *
 *  data/tangent.safetensors is written by data/gen_tangent.py, in double precision from
 *  the same weights and images. Batch norm of four images a view magnifies rounding:
 *  PyTorch's own single precision is 2.7e-4 from its double precision in the ResNet's
 *  outputs, and 2.4e-4 in the kernel. Hence 1e-3 for both models; the mlp shows 1e-7. */
#include <stdlib.h>
#include "net_rig.h"
#include "reference_tensor.h"
#include "ntk/tangent.h"

enum { INDEX_TENSORS = 1000, MOST = 2048 * 512 };
static const float u[D] = {0.5f, -0.5f, 0.1f, 0.3f, -0.2f, 0.4f};

typedef struct tangent_case {
  const char *name;
  model_spec model;
} tangent_case;

static const tangent_case cases[] = {{"quarter50",
                                      {.encoder = "resnet50",
                                       .base_width = 16,
                                       .widths = {D},
                                       .bias = true,
                                       .input = {3, 32, 32}}},
                                     {"mlp",
                                      {.encoder = "mlp",
                                       .hidden = {9, 7},
                                       .widths = {8, D},
                                       .bias = true,
                                       .input = {3, 4, 4}}}};

static es_safetensors *reference;

/** What gen_tangent.py's `fill` does. */
static void set_values(es_params *p) {
  float *x;
  int index = 0;
  assert_int_equal(ES_NEW(MOST, &x), ES_OK);
  for (int v = 0; v < p->n_tensors; v++) {
    const es_tensor_info *const info = &p->tensor[v];
    if (info->state) continue;
    assert_true(info->count <= MOST);
    const double size = info->ndim > 1 ? sqrt(2.0 / (double) info->fan_in) : 0.25;
    es_rng r = es_rng_at(SEED, ES_STREAM_TEST, INDEX_TENSORS + (uint64_t) index++, 0);
    for (int64_t i = 0; i < info->count; i++)
      x[i] = (float) ((info->init == ES_INIT_ONE) + size * es_rng_normal(&r));
    assert_int_equal(es_params_set(p, v, x), ES_OK);
  }
  es_free(&x);
}

/** Largest difference, over the largest of the expected values. */
static double apart(int64_t n, const double *got, const float *want) {
  double worst = 0, size = 0;
  for (int64_t i = 0; i < n; i++) {
    worst = fmax(worst, fabs(got[i] - want[i]));
    size = fmax(size, fabs(want[i]));
  }
  return worst / size;
}

static void compare(const char *name, const char *key, int64_t n, const double *got,
                    double tolerance) {
  float *want = reference_tensor(reference, name, key, n);
  const double off = apart(n, got, want);
  es_free(&want);
  printf("%s %s: %.1e\n", name, key, off);
  if (!(off < tolerance)) fail_msg("%s: %s is %g apart", name, key, off);
}

static void kernel_is_autograds(void **state) {
  const tangent_case *const k = *state;
  rig t = rig_open("auto", &k->model);
  const es_held_out_points points = {.pairs = N / 2, .n = N / 2, .x = t.x, .most = N};
  const es_ntk_job job = {
      .comm = comm, .passes = {t.net, ES_BN_FROZEN, &points}, .memory = 1 << 20};
  double theta[N * N], z[N * D], *share;
  es_ntk_sum *s = NULL;
  es_grid *g = NULL;
  es_dmat *m = NULL;
  set_values(t.p);
  assert_int_equal(es_net_freeze_begin(t.net), ES_OK);
  forward(&t, ES_BN_COLLECT);
  assert_int_equal(es_net_freeze_end(t.net, NULL), ES_OK);
  forward(&t, ES_BN_FROZEN);
  for (int i = 0; i < N * D; i++) z[i] = t.z[i];
  compare(k->name, "z", N * D, z, 1e-3);
  assert_int_equal(es_grid_create(comm, 0, &g), ES_OK);
  assert_int_equal(es_ntk_sum_create(&job, &s), ES_OK);
  assert_int_equal(es_ntk_sum_add(s, u, (es_ntk_progress){0, 0}), ES_OK);
  assert_int_equal(es_ntk_sum_matrix(s, g, -1, &m), ES_OK);
  assert_int_equal(es_dmat_gather(m, theta), ES_OK);
  compare(k->name, "theta", N * N, theta, 1e-3);
  assert_int_equal(ES_NEW(es_ntk_sum_layers(s), &share), ES_OK);
  es_ntk_sum_shares(s, share);
  compare(k->name, "share", es_ntk_sum_layers(s), share, 1e-3);
  es_free(&share);
  es_dmat_destroy(&m);
  es_ntk_sum_destroy(&s);
  es_grid_destroy(&g);
  rig_close(&t);
}

int main(int argc, char **argv) {
  enum { COUNT = sizeof cases / sizeof *cases };
  struct CMUnitTest tests[COUNT];
  const char *const folder = getenv("srcdir");
  char path[1024];
  snprintf(path, sizeof path, "%s/tests/data/tangent.safetensors",
           folder != NULL ? folder : ".");
  if (es_safetensors_open(path, &reference) != ES_OK) return 1;
  for (int i = 0; i < COUNT; i++) {
    const struct CMUnitTest test = {.name = cases[i].name,
                                    .test_func = kernel_is_autograds,
                                    .initial_state = (void *) &cases[i]};
    memcpy(&tests[i], &test, sizeof test);
  }
  const int failed = rig_main(argc, argv, tests, COUNT);
  es_safetensors_close(&reference);
  return failed;
}
