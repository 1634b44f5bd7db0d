/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_update.c  After an update forward and backward use the new weights, also
 *  those that a backend has packed while it updated them: equal to the bit to those that
 *  are packed when they are needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "backends.h"
#include "eigenstep/optim.h"
#include "models.h"

enum { N = 8, FEWER = 6, SIDE = 12, D = 6, SEED = 3 };

static es_comm *comm; /* cmocka passes nothing else into a test */

/* 1x1, 3x3 and linear layers; filters of more rows than are packed together, and of
   fewer */
static const model_spec filters = {.encoder = "resnet50",
                                   .stem = 1,
                                   .base_width = 8,
                                   .widths = {D},
                                   .input = {3, SIDE, SIDE}};

static const model_spec layers = {
    .encoder = "mlp", .hidden = {150, 70}, .widths = {D}, .input = {3, SIDE, SIDE}};

typedef struct result {
  float z[N * D];
  float *grad; /* owned */
  size_t n;    /**< of grad, where it is told */
} result;

/** Forward and backward of n images. */
static void pass(es_net *net, int n, result *r) {
  static float x[N * 3 * SIDE * SIDE];
  es_params *const p = es_net_params(net);
  float dz[N * D];
  model_normal(SEED, 1, N * 3 * SIDE * SIDE, x);
  model_normal(SEED, 2, N * D, dz);
  memset(r->z, 0, sizeof r->z);
  assert_int_equal(es_net_forward(net, n, 2, ES_BN_BATCH, x, r->z), ES_OK);
  es_net_zero_grad(net);
  assert_int_equal(es_net_backward(net, dz), ES_OK);
  assert_int_equal(p->backend->ops->download(p->backend, r->grad, p->grad, (size_t) p->n),
                   ES_OK);
}

static void expect_equal(const es_net *net, const result *a, const result *b) {
  const size_t bytes = (size_t) es_net_params((es_net *) net)->n * sizeof *a->grad;
  assert_memory_equal(a->z, b->z, sizeof a->z);
  assert_memory_equal(a->grad, b->grad, bytes);
}

/** Update the parts of a partition as one that several ranks share would be. */
static void update(es_optim *o, int parts) {
  es_params *const p = o->params;
  es_range range[4];
  for (int i = 0; i < parts; i++) {
    const int64_t first = p->n * (parts - 1 - i) / parts;
    range[i] = (es_range){first, p->n * (parts - i) / parts - first};
  }
  if (parts == 4) range[1] = range[3]; /* another rank has the second and the fourth */
  const es_partition part = {.n = parts == 4 ? 2 : parts, .range = range};
  double norm;
  assert_int_equal(es_optim_norm(o, &part, &norm), ES_OK);
  assert_int_equal(es_optim_update_part(o, 0.1, &part), ES_OK);
}

/** Of `most` partitions, one after the other. */
static void one_optimiser(es_backend *b, const model_spec *model, const char *name,
                          es_precision precision, int most) {
  const es_net_options options = {.max_n = N, .precision = precision};
  es_optim_params par = {.lr = 0.1, .lr_1d = 1, .weight_decay = 0.01};
  snprintf(par.name, sizeof par.name, "%s", name);
  es_net *net = NULL;
  es_optim *o = NULL;
  assert_int_equal(model_build(b, &options, model, &net, NULL), ES_OK);
  es_params *const p = es_net_params(net);
  assert_int_equal(es_params_init(p, SEED), ES_OK);
  assert_int_equal(es_optim_create(&par, NULL, p, &o), ES_OK);
  result before = {.grad = calloc((size_t) p->n, sizeof(float))};
  result packed = {.grad = calloc((size_t) p->n, sizeof(float))};
  result again = {.grad = calloc((size_t) p->n, sizeof(float))};
  for (int parts = 1; parts <= most; parts++) {
    const int n = parts == 2 ? FEWER : N; /* then the plan is not that of max_n */
    pass(net, n, &before);
    update(o, parts);
    pass(net, n, &packed);
    p->version++; /* nothing that is packed is used again */
    pass(net, n, &again);
    expect_equal(net, &packed, &again);
    assert_memory_not_equal(before.z, packed.z, sizeof before.z);
  }
  pass(net, N, &packed); /* backward of another number of images was the last */
  p->version++;
  pass(net, N, &again);
  expect_equal(net, &packed, &again);
  free(before.grad);
  free(packed.grad);
  free(again.grad);
  es_optim_destroy(&o);
  es_net_destroy(&net);
}

static void on_backend(const char *backend) {
  static const char *const name[] = {"sgd", "lars", "adamw"};
  es_backend *b = NULL;
  es_precision precision = ES_F32;
  assert_int_equal(es_backend_open(backend, comm, 1, &b), ES_OK);
  for (int i = 0; i < 3; i++) one_optimiser(b, &layers, name[i], ES_F32, 4);
  one_optimiser(b, &filters, "sgd", ES_F32, 2);
  if (b->ops->bf16 != NULL)
    assert_int_equal(es_backend_precision(b, ES_BF16, &precision), ES_OK);
  if (precision == ES_BF16) one_optimiser(b, &filters, "sgd", ES_BF16, 4);
  es_backend_close(&b);
}

static void new_weights_are_used(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) on_backend(list[i]->name);
}

static void zero_weights(const es_params *p) {
  es_backend *const b = p->backend;
  for (int k = 0; k < p->n_tensors; k++) {
    const es_tensor_info *const v = &p->tensor[k];
    if (v->ndim > 1)
      assert_int_equal(
          b->ops->zero(b, p->value + v->offset, (size_t) v->count * sizeof(float)),
          ES_OK);
  }
}

/** A pass, an update, a pass; weights are gone in between, if asked. */
static void update_once(es_backend *b, const char *name, bool gone, result *r) {
  const es_net_options options = {.max_n = N, .precision = ES_BF16};
  es_optim_params par = {.lr = 0.1, .lr_1d = 1};
  es_net *net = NULL;
  es_optim *o = NULL;
  snprintf(par.name, sizeof par.name, "%s", name);
  assert_int_equal(model_build(b, &options, &filters, &net, NULL), ES_OK);
  es_params *const p = es_net_params(net);
  assert_int_equal(es_params_init(p, SEED), ES_OK);
  assert_int_equal(es_optim_create(&par, NULL, p, &o), ES_OK);
  r->grad = calloc((size_t) p->n, sizeof *r->grad);
  r->n = (size_t) p->n;
  pass(net, N, r);
  update(o, 1);
  if (gone) zero_weights(p);
  pass(net, N, r);
  es_optim_destroy(&o);
  es_net_destroy(&net);
}

/** Once weights are trained, an update alone packs those of cuda in bf16: what they are
 *  packed of is not read again before the next one. */
static void packed_by_the_update(void **state) {
  static const char *const name[] = {"sgd", "lars", "adamw"};
  (void) state;
  es_backend *b = NULL;
  if (strcmp(backend_far_from_host(), "cuda") != 0) skip();
  assert_int_equal(es_backend_open("cuda", comm, 1, &b), ES_OK);
  for (int i = 0; i < 3; i++) {
    result r[2] = {{.grad = NULL}, {.grad = NULL}};
    for (int k = 0; k < 2; k++) update_once(b, name[i], k == 1, &r[k]);
    assert_memory_equal(r[0].z, r[1].z, sizeof r[0].z);
    assert_memory_equal(r[0].grad, r[1].grad, r[0].n * sizeof *r[0].grad);
    for (int k = 0; k < 2; k++) free(r[k].grad);
  }
  es_backend_close(&b);
}

static void by_threads(void **state) {
  (void) state;
  es_backend *b = NULL;
  assert_int_equal(es_backend_open("auto", comm, 2, &b), ES_OK);
  one_optimiser(b, &layers, "sgd", ES_F32, 4);
  es_backend_close(&b);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(new_weights_are_used),
                                     cmocka_unit_test(packed_by_the_update),
                                     cmocka_unit_test(by_threads)};
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
