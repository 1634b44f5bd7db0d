/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_ntk.c  The tangent kernel on any number of ranks is that of one rank, also
 *  where some ranks have no samples. */
#include "par.h"

#include "eigenstep/grid.h"
#include "models.h"
#include "ntk/tangent.h"

enum { D = 5, MOST = 5, SEED = 11, IMAGE = 3 * 16 * 16 };

static const model_spec small = {.encoder = "resnet18",
                                 .stem = 1,
                                 .base_width = 4,
                                 .widths = {9, D},
                                 .bias = true,
                                 .input = {3, 16, 16}};

/* A network and this rank's samples of so many pairs. */
typedef struct rig {
  es_backend *b;
  es_net *net;
  es_held_out_points points;
  float *x;
} rig;

/* Running averages as after some training. */
static es_status set_statistics(es_params *p) {
  float value[64];
  for (int v = 0; v < p->n_tensors; v++) {
    const es_tensor_info *const info = &p->tensor[v];
    if (!info->state) continue;
    model_normal(SEED, 1000 + (uint64_t) v, info->count, value);
    for (int64_t i = 0; i < info->count; i++)
      value[i] = info->init == ES_INIT_ONE ? 1 + value[i] * value[i] : value[i] / 4;
    ES_TRY(es_params_set(p, v, value));
  }
  return ES_OK;
}

static es_status rig_open(const es_comm *c, int64_t pairs, rig *r) {
  const es_net_options o = {.max_n = MOST, .sync = c};
  *r = (rig){.points = {.pairs = pairs, .most = MOST}};
  es_comm_local_range(c, pairs, &r->points.first, &r->points.n);
  const int64_t n = r->points.n;
  ES_TRY(es_backend_open("blas", c, 1, &r->b));
  ES_TRY(model_build(r->b, &o, &small, &r->net, NULL));
  ES_TRY(es_params_init(es_net_params(r->net), SEED));
  ES_TRY(ES_NEW(2 * n * IMAGE, &r->x));
  for (int64_t i = 0; i < 2 * n; i++) {
    const int64_t number = i < n ? r->points.first + i : pairs + r->points.first + i - n;
    model_normal(SEED, 100 + (uint64_t) number, IMAGE, r->x + i * IMAGE);
  }
  r->points.x = r->x;
  return set_statistics(es_net_params(r->net));
}

static void rig_close(rig *r) {
  es_free(&r->x);
  es_net_destroy(&r->net);
  es_backend_close(&r->b);
}

/* Collective. Sum over two u, of all groups and of one, each [2 pairs, 2 pairs]. */
static es_status kernels(const es_comm *c, int64_t pairs, double *theta) {
  static const float u[2][D] = {{1, 0, 0, 0, 0}, {0, 0.6f, 0, -0.8f, 0}};
  rig r;
  es_grid *g = NULL;
  es_ntk_sum *s = NULL;
  es_status st = rig_open(c, pairs, &r);
  const es_ntk_job job = {
      .comm = c, .passes = {r.net, ES_BN_RUNNING, &r.points}, .memory = 1 << 20};
  if (st == ES_OK) st = es_grid_create(c, 0, &g);
  if (st == ES_OK) st = es_ntk_sum_create(&job, &s);
  for (int k = 0; k < 2 && st == ES_OK; k++)
    st = es_ntk_sum_add(s, u[k], (es_ntk_progress){0, 0});
  for (int k = 0; k < 2 && st == ES_OK; k++) {
    es_dmat *m = NULL;
    st = es_ntk_sum_matrix(s, g, k - 1, &m);
    if (st == ES_OK) st = es_dmat_gather(m, theta + k * 4 * pairs * pairs);
    es_dmat_destroy(&m);
  }
  es_ntk_sum_destroy(&s);
  es_grid_destroy(&g);
  rig_close(&r);
  return st;
}

static void ranks_agree(void **state) {
  const es_comm *const c = *state;
  static const int64_t sizes[] = {7, 3, 1};
  es_comm *self = NULL;
  assert_true(par_all(c, es_comm_create(MPI_COMM_SELF, &self) == ES_OK));
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    const int64_t n = 8 * sizes[k] * sizes[k];
    double all[8 * 49], alone[8 * 49], worst = 0, size = 0;
    const bool good = kernels(c, sizes[k], all) == ES_OK;
    assert_true(par_all(c, good));
    assert_true(par_all(c, kernels(self, sizes[k], alone) == ES_OK));
    for (int64_t i = 0; i < n; i++) {
      worst = fmax(worst, fabs(all[i] - alone[i]));
      size = fmax(size, fabs(alone[i]));
    }
    assert_true(par_all(c, size > 0 && worst < 1e-6 * size));
  }
  es_comm_destroy(&self);
}

/** A ring of numbers: of other lengths on each rank, none on some. */
static void once_round(void **state) {
  const es_comm *const c = *state;
  const int before = (c->rank + c->size - 1) % c->size;
  float mine[3] = {(float) c->rank, 1, 2}, theirs[3] = {-1, -1, -1};
  es_comm_ring_f32(c, mine, c->rank % 3, theirs, before % 3);
  bool good = true;
  for (int i = 0; i < 3; i++)
    good = good && theirs[i] == (i >= before % 3 ? -1
                                 : i == 0        ? (float) before
                                                 : (float) i);
  assert_true(par_all(c, good));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(once_round),
                                     cmocka_unit_test(ranks_agree)};
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
