/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_model_io.c  Weights to a safetensors file and back; files that do not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "eigenstep/safetensors.h"
#include "models.h"

static es_comm *comm; /* cmocka passes nothing else into a test */
static es_backend *backend;
static char path[] = "/tmp/es_model_io_XXXXXX";

static const model_spec small = {
    .encoder = "resnet18", .base_width = 4, .widths = {8, 5}, .input = {3, 32, 32}};
static const model_spec without = {
    .encoder = "resnet18", .base_width = 4, .input = {3, 32, 32}};

static es_net *build(const model_spec *m, uint64_t seed) {
  const es_net_options o = {.max_n = 4};
  es_net *net;
  assert_int_equal(model_build(backend, &o, m, &net, NULL), ES_OK);
  assert_int_equal(es_params_init(es_net_params(net), seed), ES_OK);
  return net;
}

/** Move the running averages away from 0 and 1. */
static void run_once(es_net *net) {
  float *x, z[4 * 5];
  assert_int_equal(ES_NEW(4 * 3 * 32 * 32, &x), ES_OK);
  model_normal(1, 1, 4 * 3 * 32 * 32, x);
  assert_int_equal(es_net_forward(net, 4, 1, ES_BN_TRAIN, x, z), ES_OK);
  es_free(&x);
}

/** Are the views of both models that begin with `prefix` the same bits? */
static bool equal(const es_params *p, const es_params *q, const char *prefix) {
  bool same = true;
  for (int v = 0; v < p->n_tensors && same; v++) {
    const es_tensor_info *const info = &p->tensor[v];
    if (strncmp(info->name, prefix, strlen(prefix)) != 0) continue;
    const int w = es_params_find(q, info->name);
    float *a, *b;
    assert_true(w >= 0);
    assert_int_equal(ES_NEW(info->count, &a), ES_OK);
    assert_int_equal(ES_NEW(info->count, &b), ES_OK);
    assert_int_equal(es_params_get(p, v, a), ES_OK);
    assert_int_equal(es_params_get(q, w, b), ES_OK);
    same = memcmp(a, b, (size_t) info->count * sizeof *a) == 0;
    es_free(&a);
    es_free(&b);
  }
  return same;
}

static void export_and_load_keep_every_bit(void **state) {
  (void) state;
  const char *const metadata[][2] = {{"encoder", "resnet18"}};
  es_net *a = build(&small, 1), *b = build(&small, 2);
  run_once(a);
  assert_false(equal(es_net_params(a), es_net_params(b), "layer1"));
  assert_int_equal(es_model_export(es_net_params(a), path, metadata, 1), ES_OK);
  assert_int_equal(es_model_load(es_net_params(b), comm, path), ES_OK);
  assert_true(equal(es_net_params(a), es_net_params(b), ""));
  es_net_destroy(&a);
  es_net_destroy(&b);
}

/** An encoder alone fits a model with a projector, which then keeps its values. */
static void the_projector_may_be_missing(void **state) {
  (void) state;
  es_net *a = build(&without, 1), *b = build(&small, 2), *c = build(&small, 2);
  assert_int_equal(es_model_export(es_net_params(a), path, NULL, 0), ES_OK);
  assert_int_equal(es_model_load(es_net_params(b), comm, path), ES_OK);
  assert_true(equal(es_net_params(a), es_net_params(b), ""));
  assert_true(equal(es_net_params(c), es_net_params(b), "projector."));
  es_net_destroy(&a);
  es_net_destroy(&b);
  es_net_destroy(&c);
}

/** Write the tensors of p, one left out or reshaped, some added, and load the file.
 * @return the status; the model must be unchanged unless it is ES_OK */
static es_status load_changed(es_params *p, const char *drop, const char *flatten,
                              const char *add) {
  es_net *fresh = build(&without, 9);
  es_params *const q = es_net_params(fresh);
  es_st_tensor *t;
  float *zeros;
  size_t n = 0;
  assert_int_equal(ES_NEW(p->n_tensors + 1, &t), ES_OK);
  assert_int_equal(ES_NEW(p->n, &zeros), ES_OK);
  for (int v = 0; v < p->n_tensors; v++) {
    const es_tensor_info *const info = &p->tensor[v];
    if (drop != NULL && strcmp(info->name, drop) == 0) continue;
    t[n] = (es_st_tensor){.ndim = info->ndim, .data = zeros};
    memcpy(t[n].dim, info->dim, sizeof info->dim);
    snprintf(t[n].name, sizeof t[n].name, "%s", info->name);
    if (flatten != NULL && strcmp(info->name, flatten) == 0) {
      t[n].ndim = 1;
      t[n].dim[0] = info->count;
    }
    n++;
  }
  if (add != NULL) {
    t[n] = (es_st_tensor){.ndim = 1, .dim = {3}, .data = zeros};
    snprintf(t[n++].name, sizeof t[0].name, "%s", add);
  }
  assert_int_equal(es_safetensors_write(path, t, n, NULL, 0), ES_OK);
  const es_status st = es_model_load(p, comm, path);
  assert_true(equal(q, p, "") == (st != ES_OK));
  assert_int_equal(es_params_init(p, 9), ES_OK);
  es_free(&t);
  es_free(&zeros);
  es_net_destroy(&fresh);
  return st;
}

static void expect(es_status st, const char *name, const char *text) {
  assert_int_equal(st, ES_EFORMAT);
  assert_non_null(strstr(es_log_last_error(), name));
  assert_non_null(strstr(es_log_last_error(), text));
}

static void files_that_do_not_fit_are_refused_by_name(void **state) {
  (void) state;
  es_net *net = build(&without, 9);
  es_params *const p = es_net_params(net);
  assert_int_equal(load_changed(p, NULL, NULL, NULL), ES_OK);
  assert_int_equal(load_changed(p, NULL, NULL, "fc.bias"), ES_OK);
  assert_int_equal(load_changed(p, NULL, NULL, "bn1.num_batches_tracked"), ES_OK);
  expect(load_changed(p, "layer2.0.downsample.0.weight", NULL, NULL),
         "'layer2.0.downsample.0.weight'", "got no tensor");
  expect(load_changed(p, "bn1.running_var", NULL, NULL), "'bn1.running_var'",
         "got no tensor");
  expect(load_changed(p, NULL, "conv1.weight", NULL), "'conv1.weight'",
         "of shape [588], expected [4, 3, 7, 7]");
  expect(load_changed(p, NULL, NULL, "layer5.0.conv1.weight"), "'layer5.0.conv1.weight'",
         "does not have");
  assert_true(es_model_load(p, comm, "/nonexistent/file") != ES_OK);
  es_net_destroy(&net);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(export_and_load_keep_every_bit),
      cmocka_unit_test(the_projector_may_be_missing),
      cmocka_unit_test(files_that_do_not_fit_are_refused_by_name),
  };
  MPI_Init(&argc, &argv);
  const int fd = mkstemp(path);
  if (fd < 0 || close(fd) != 0) return 1;
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  if (es_backend_open("blas", comm, 1, &backend) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_backend_close(&backend);
  es_comm_destroy(&comm);
  unlink(path);
  MPI_Finalize();
  return failed;
}
