/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_frozen.c  Constant statistics of batch norm that several ranks have
 *  collected, each of its images, with batch norm of each rank alone and synchronised:
 *  the same on all ranks, and for the first batch norm those of one rank with all images.
 */
#include "par.h"

#include "models.h"

enum { N = 12, SIDE = 8, D = 4, CHANNELS = 4, SEED = 5, IMAGE = 3 * SIDE * SIDE };

static const model_spec small = {.encoder = "resnet18",
                                 .stem = 1,
                                 .base_width = CHANNELS,
                                 .widths = {D},
                                 .input = {3, SIDE, SIDE}};

/** Collective over c. Mean and variance of the first batch norm, of images
 *  [first, first + n), which pass two by two: as many passes on every rank. */
static es_status pass(es_net *net, const es_comm *c, int first, int n, float *out) {
  static float x[N * IMAGE];
  float z[N * D];
  es_params *const p = es_net_params(net);
  es_backend *const b = p->backend;
  model_normal(SEED, 1, N * IMAGE, x);
  ES_TRY(es_params_init(p, SEED));
  ES_TRY(es_net_freeze_begin(net));
  for (int i = 0; i < N; i += 2) {
    const int images = i < n ? (n - i < 2 ? n - i : 2) : 0;
    ES_TRY(es_net_forward(net, images, 1, ES_BN_COLLECT, x + (first + i) % N * IMAGE, z));
  }
  ES_TRY(es_net_freeze_end(net, c));
  return b->ops->download(b, out, p->frozen, 2 * CHANNELS); /* declared first */
}

/** Collective. Are all statistics the same on all ranks? */
static es_status compare(const es_comm *c, const es_params *p) {
  float *all = NULL;
  const size_t n = (size_t) p->n_state;
  ES_TRY(ES_NEW(n, &all));
  es_status st = p->backend->ops->download(p->backend, all, p->frozen, n);
  st = es_comm_agree(c, st);
  if (st == ES_OK) st = es_comm_assert_equal(c, all, n * sizeof *all, "statistics");
  es_free(&all);
  return st;
}

static es_status collect(const es_comm *c, bool sync, int first, int n, float *out) {
  es_backend *b = NULL;
  es_net *net = NULL;
  const es_net_options o = {.max_n = N, .sync = sync ? c : NULL};
  es_status st = es_backend_open("auto", c, 1, &b);
  if (st == ES_OK) st = model_build(b, &o, &small, &net, NULL);
  if (st == ES_OK) st = pass(net, c, first, n, out);
  if (st == ES_OK && c != NULL) st = compare(c, es_net_params(net));
  es_net_destroy(&net);
  es_backend_close(&b);
  return st;
}

static void statistics(void **state) {
  const es_comm *const c = *state;
  const int first = c->rank * N / c->size, n = (c->rank + 1) * N / c->size - first;
  for (int sync = 0; sync < 2; sync++) {
    float mine[2 * CHANNELS], all[2 * CHANNELS];
    const bool ok = collect(c, sync == 1, first, n, mine) == ES_OK &&
                    collect(NULL, false, 0, N, all) == ES_OK;
    bool same = true;
    for (int i = 0; i < 2 * CHANNELS; i++)
      same = same && fabsf(mine[i] - all[i]) < 1e-5f * (0.1f + fabsf(all[i]));
    assert_true(par_all(c, ok));
    assert_true(par_all(c, same));
  }
}

/** Without images on any rank there are none; every rank gets the same answer. */
static void of_nothing(void **state) {
  const es_comm *const c = *state;
  float out[2 * CHANNELS];
  for (int sync = 0; sync < 2; sync++)
    assert_true(par_all(c, collect(c, sync == 1, 0, 0, out) == ES_EARG));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(statistics),
                                     cmocka_unit_test(of_nothing)};
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
