/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_graph.c  Calls that a backend keeps as graphs and repeats give the bits of
 *  calls that are made: with other weights each time, after other numbers of images and
 *  other batch norm, after memory has moved. On every backend of the build: those without
 *  graphs make the calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "backends.h"
#include "models.h"

enum { N = 8, SIDE = 12, D = 6, SEED = 5, REPEATS = 4 };

static es_comm *comm;              /* cmocka passes nothing else into a test */
static const es_backend_ops *made; /**< the table that `counted` stands before */
static int repeated;               /**< how often a graph did the calls */

static const model_spec model = {
    .encoder = "resnet18", .base_width = 4, .widths = {D}, .input = {3, SIDE, SIDE}};
static const model_spec larger = {.encoder = "resnet50",
                                  .base_width = 8,
                                  .widths = {D},
                                  .input = {3, 3 * SIDE, 3 * SIDE}};

/** What is done with a network, REPEATS times. */
static const struct {
  int n, groups;
  es_bn_mode mode;
  bool moves;    /**< another network is planned before and destroyed behind it */
  bool unpacked; /**< an update leaves weights to be packed by who reads them */
} passes[] = {
    {N, 2, ES_BN_TRAIN, false, false}, {N, 2, ES_BN_RUNNING, false, false},
    {N, 2, ES_BN_TRAIN, false, false}, {N - 2, 1, ES_BN_TRAIN, true, false},
    {N, 1, ES_BN_TRAIN, false, false}, {N, 2, ES_BN_BATCH, true, false},
    {N, 2, ES_BN_TRAIN, false, false}, {1, 1, ES_BN_RUNNING, false, false},
    {N, 2, ES_BN_TRAIN, false, false}, {N - 4, 2, ES_BN_TRAIN, false, true},
};
enum { PASSES = sizeof passes / sizeof passes[0] };

typedef struct rig {
  es_backend_ops counted;
  es_backend *b;
  es_net *net;
  es_net *eval; /**< of its parameters, forward only: no update packs its weights */
  es_params *p;
} rig;

static es_status count_begin(es_backend *b, const es_graph_key *k, bool *done) {
  ES_TRY(made->graph_begin(b, k, done));
  repeated += *done;
  return ES_OK;
}

static void rig_open(rig *t, const char *name, es_graph_use use, es_precision wanted) {
  const es_backend_options o = {.name = name, .threads = 1, .share = true, .graph = use};
  es_net_options net = {.max_n = N};
  assert_int_equal(es_backend_open_with(&o, comm, &t->b), ES_OK);
  assert_int_equal(es_backend_precision(t->b, wanted, &net.precision), ES_OK);
  made = t->b->ops;
  t->counted = *made;
  if (made->graph_begin != NULL) t->counted.graph_begin = count_begin;
  t->b->ops = &t->counted;
  assert_int_equal(model_build(t->b, &net, &model, &t->net, NULL), ES_OK);
  t->p = es_net_params(t->net);
  assert_int_equal(es_params_init(t->p, SEED), ES_OK);
  net.params = t->p;
  net.forward_only = true;
  assert_int_equal(model_build(t->b, &net, &model, &t->eval, NULL), ES_OK);
}

static void rig_close(rig *t) {
  es_net_destroy(&t->eval);
  es_net_destroy(&t->net);
  es_backend_close(&t->b);
}

/** Weights change otherwise than by an update, as by a checkpoint. */
static void read_weights(rig *t) {
  const es_backend_ops *const ops = t->b->ops;
  assert_int_equal(ops->scale(t->b, (size_t) t->p->n, 0.9, t->p->value), ES_OK);
  t->p->version++;
}

/** Forward, backward, an update: z [n, D], that of `eval`, which is asked twice, and the
 *  gradient [p->n]. */
static void step(rig *t, int pass, int number, float *out) {
  static float x[N * 3 * SIDE * SIDE], dz[N * D];
  const es_backend_ops *const ops = t->b->ops;
  const int n = passes[pass].n, groups = passes[pass].groups;
  const es_sgd_args by = {.lr = 1e-5 * (1 + number % 3),
                          .scale = 1,
                          .version = passes[pass].unpacked ? 0 : t->p->version + 1};
  model_normal(SEED, (uint64_t) number, N * 3 * SIDE * SIDE, x);
  model_normal(SEED + 1, (uint64_t) number, N * D, dz);
  if (number % 4 != 3) es_net_zero_grad(t->net); /* else it is added */
  assert_int_equal(es_net_forward(t->net, n, groups, passes[pass].mode, x, out), ES_OK);
  assert_int_equal(es_net_backward(t->net, dz), ES_OK);
  for (int i = 0; i < 2; i++)
    assert_int_equal(es_net_forward(t->eval, n, groups, ES_BN_BATCH, x, out + N * D),
                     ES_OK);
  assert_int_equal(ops->download(t->b, out + 2 * N * D, t->p->grad, (size_t) t->p->n),
                   ES_OK);
  for (int i = 0; i < 2 * N * D + t->p->n; i++) assert_true(isfinite(out[i]));
  assert_int_equal(ops->sgd(t->b, (size_t) t->p->n, &by, t->p->value, t->p->grad, NULL),
                   ES_OK);
  t->p->version++;
}

/** Memory moves: the scratch grows, other plans come and go. */
static void plan_another(rig *t) {
  const es_net_options o = {.max_n = N};
  es_net *other = NULL;
  assert_int_equal(model_build(t->b, &o, &larger, &other, NULL), ES_OK);
  es_net_destroy(&other);
}

/** All steps: [PASSES * REPEATS, room]. */
static float *run(const char *name, es_graph_use use, es_precision wanted, size_t *room) {
  rig t;
  float *out = NULL;
  rig_open(&t, name, use, wanted);
  *room = 2 * N * D + (size_t) t.p->n;
  assert_int_equal(ES_NEW(PASSES * REPEATS * *room, &out), ES_OK);
  for (int i = 0; i < PASSES; i++) {
    if (passes[i].moves) plan_another(&t);
    for (int k = 0; k < REPEATS; k++) {
      if (i % 3 == 2 && k == REPEATS - 1) read_weights(&t);
      step(&t, i, i * REPEATS + k, out + (size_t) (i * REPEATS + k) * *room);
    }
  }
  rig_close(&t);
  return out;
}

static void compare(const es_backend_ops *o, es_precision wanted) {
  size_t room = 0;
  float *want = run(o->name, ES_GRAPH_NEVER, wanted, &room);
  repeated = 0;
  float *got = run(o->name, ES_GRAPH_AUTO, wanted, &room);
  for (int i = 0; i < PASSES * REPEATS; i++)
    if (memcmp(want + (size_t) i * room, got + (size_t) i * room, room * sizeof *got) !=
        0)
      fail_msg("%s, %s: step %d gives other bits", o->name, es_precision_name(wanted), i);
  /* the first is called, the second captured, if memory does not move any more */
  if (o->graph_begin != NULL) assert_true(repeated > PASSES * (REPEATS - 3));
  es_free(&want);
  es_free(&got);
}

static void graphs_give_the_bits_of_calls(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) {
    compare(list[i], ES_F32);
    if (list[i]->bf16 != NULL) compare(list[i], ES_BF16);
  }
}

static void a_backend_without_graphs_refuses_them(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) {
    const es_backend_options o = {
        .name = list[i]->name, .threads = 1, .share = true, .graph = ES_GRAPH_ALWAYS};
    es_backend *b = NULL;
    assert_int_equal(es_backend_open_with(&o, comm, &b),
                     list[i]->graph_begin != NULL ? ES_OK : ES_ECONFIG);
    es_backend_close(&b);
  }
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  es_log_setup(0, ES_LOG_ERROR, false);
  if (es_comm_create(MPI_COMM_SELF, &comm) != ES_OK) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(graphs_give_the_bits_of_calls),
      cmocka_unit_test(a_backend_without_graphs_refuses_them),
  };
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
