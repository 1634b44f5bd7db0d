/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net_rig.h  A small network on a backend with images and host copies, and its
 *  gradients against slopes of L = sum(z r). */
#ifndef ES_TESTS_NET_RIG_H
#define ES_TESTS_NET_RIG_H

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
  es_bn_mode mode;     /**< of gradient() */
  float *x;            /**< [N, C, H, W] */
  float z[N * D];      /**< output of the last forward */
  float r[N * D];      /**< L = sum(z r) */
  float *value, *grad; /**< host copies, [p->n] */
  size_t held;         /**< memory in use before */
} rig;

static inline rig rig_open(const char *backend, const model_spec *m) {
  rig t = {.held = es_mem_now(), .mode = ES_BN_BATCH};
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

static inline void rig_close(rig *t) {
  es_free(&t->x);
  es_free(&t->value);
  es_free(&t->grad);
  es_net_destroy(&t->net);
  es_backend_close(&t->b);
  assert_true(es_mem_now() == t->held);
}

static inline double forward(rig *t, es_bn_mode mode) {
  assert_int_equal(es_net_forward(t->net, N, 2, mode, t->x, t->z), ES_OK);
  double loss = 0;
  for (int i = 0; i < N * D; i++) loss += (double) t->z[i] * t->r[i];
  return loss;
}

/** Forward and backward; the gradient is added to what is there. */
static inline void gradient(rig *t) {
  es_backend *const b = t->b;
  forward(t, t->mode);
  assert_int_equal(es_net_backward(t->net, t->r), ES_OK);
  assert_int_equal(b->ops->download(b, t->grad, t->p->grad, (size_t) t->p->n), ES_OK);
}

/** L at the parameters of tensor v moved by h along dir. */
static inline double moved(rig *t, int v, const float *dir, double h, float *work) {
  const es_tensor_info *const info = &t->p->tensor[v];
  for (int64_t i = 0; i < info->count; i++)
    work[i] = (float) (t->value[info->offset + i] + h * dir[i]);
  assert_int_equal(es_params_set(t->p, v, work), ES_OK);
  return forward(t, t->mode);
}

/** Difference of slope and gradient along a direction that is half the gradient's, half
 * random, over the norm of the gradient. A bias that the next batch norm removes has a
 * gradient of rounding errors: a thousandth of the whole gradient's norm is allowed for.
 */
static inline double slope_error(rig *t, int v, float *dir, float *work) {
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
static inline void set_apart(es_params *p) {
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
static inline void check_slopes(rig *t, double average) {
  double sum = 0;
  int n = 0;
  float *dir, *work;
  assert_int_equal(ES_NEW(t->p->n, &dir), ES_OK);
  assert_int_equal(ES_NEW(t->p->n, &work), ES_OK);
  set_apart(t->p);
  gradient(t);
  assert_int_equal(t->b->ops->download(t->b, t->value, t->p->value, (size_t) t->p->n),
                   ES_OK);
  for (int v = 0; v < t->p->n_tensors; v++) {
    if (t->p->tensor[v].state) continue;
    const double error = slope_error(t, v, dir, work);
    if (!(error < 20 * average)) fail_msg("%s: error %g", t->p->tensor[v].name, error);
    sum += error;
    n++;
  }
  if (!(sum / n < average))
    fail_msg("average error %g, expected below %g", sum / n, average);
  es_free(&dir);
  es_free(&work);
}

/** The whole program. @return exit code */
static inline int rig_main(int argc, char **argv, const struct CMUnitTest *tests,
                           size_t n) {
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = _cmocka_run_group_tests("all", tests, n, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}

#endif
