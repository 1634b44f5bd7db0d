/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_passes.c  A batch in several passes has the gradient it has in one: without
 *  batch norm as it is, with it where the one pass takes statistics part by part; on all
 *  ranks, uneven shares too. Running averages follow each part once. */
#include "train/train_private.h"
#include "loss_cases.h"
#include "models.h"
#include "par.h"

enum { PAIRS = 25, SIDE = 32, D = 6, IMAGE = 3 * SIDE * SIDE, MICRO = 2, SEED = 6 };
enum { MOST = 2 * PAIRS };

static const model_spec resnet = {
    .encoder = "resnet18", .base_width = 4, .widths = {12, D}, .input = {3, SIDE, SIDE}};
static const model_spec mlp = {.encoder = "mlp",
                               .hidden = {9},
                               .widths = {8, D},
                               .no_batchnorm = true,
                               .input = {3, SIDE, SIDE}};

/** Network, loss and what a step needs around them, on one communicator. */
typedef struct rig {
  es_backend *b;
  es_net *net;
  es_loss *loss;
  es_train *t;
} rig;

/** Biases of +-2.5 keep the inputs of ReLUs away from 0: one that rounds to the other
 * side would hide whether the gradients agree. */
static es_status set_apart(es_params *p) {
  float bias[64];
  for (int v = 0; v < p->n_tensors; v++) {
    const es_tensor_info *const info = &p->tensor[v];
    if (info->ndim != 1 || info->state || info->init != ES_INIT_ZERO) continue;
    for (int i = 0; i < info->count; i++) bias[i] = (i + v) % 3 == 0 ? -2.5f : 2.5f;
    ES_TRY(es_params_set(p, v, bias));
  }
  return ES_OK;
}

/** Collective. `pairs` on this rank, `micro` of them at a time (0: all). */
static es_status rig_open(const es_comm *c, const model_spec *m, int pairs, int micro,
                          rig *r) {
  const loss_case barlow = {"barlow", {"center=true"}};
  const es_net_options o = {.max_n = 2 * (micro > 0 ? micro : pairs), .sync = c};
  *r = (rig){0};
  ES_TRY(es_backend_open("blas", c, 1, &r->b));
  ES_TRY(model_build(r->b, &o, m, &r->net, NULL));
  ES_TRY(es_params_init(es_net_params(r->net), SEED));
  ES_TRY(set_apart(es_net_params(r->net)));
  r->loss = loss_of(&barlow, c, pairs, PAIRS, D);
  if (r->loss == NULL) return ES_EARG;
  const es_train_options t = {.layout = es_row_layout_distributed(c),
                              .net = r->net,
                              .loss = r->loss,
                              .n_max = pairs,
                              .groups = 2,
                              .micro = micro};
  return es_train_create(&t, &r->t);
}

static void rig_close(rig *r) {
  es_train_destroy(&r->t);
  es_loss_destroy(&r->loss);
  es_net_destroy(&r->net);
  es_backend_close(&r->b);
}

/** Gradient and running averages as one host array; NULL without memory. */
static float *result(const rig *r) {
  const es_params *p = es_net_params(r->net);
  float *out = NULL;
  if (ES_NEW(p->n + p->n_state, &out) != ES_OK) return NULL;
  r->b->ops->download(r->b, out, p->grad, (size_t) p->n);
  r->b->ops->download(r->b, out + p->n, p->state, (size_t) p->n_state);
  return out;
}

static void fill(int first, int n, float *x) {
  for (int view = 0; view < 2; view++)
    for (int i = 0; i < n; i++)
      model_normal(SEED, (uint64_t) (1000 * view + first + i), IMAGE,
                   x + (view * n + i) * IMAGE);
}

/** Collective. Pairs [first, first + n) of the batch through es_train. */
static float *by_train(const es_comm *c, const model_spec *m, int micro, int first, int n,
                       double *value) {
  static float x[MOST * IMAGE];
  rig r;
  int seen;
  float *out = NULL;
  const es_batch b = {.n = n, .x = x};
  fill(first, n, x);
  es_status st = rig_open(c, m, PAIRS, micro, &r);
  if (es_comm_agree(c, st) == ES_OK) {
    double *z = r.t->rows.z, *dz = r.t->rows.dz;
    es_params *p = es_net_params(r.net);
    st = es_train_embed(r.t, &b, ES_BN_TRAIN, &seen, z);
    if (st == ES_OK)
      st = es_loss_eval(
          r.loss,
          &(es_loss_batch){.n = seen, .z = {z, z + n * D}, .dz = {dz, dz + n * D}},
          value);
    if (st == ES_OK) st = es_passes_backward(&r.t->passes, &b, dz, NULL);
    if (st == ES_OK) st = r.b->ops->allreduce(r.b, c, p->grad, (size_t) p->n);
    if (st == ES_OK) out = result(&r);
  }
  rig_close(&r);
  return out;
}

/** One pass on one rank, pairs part by part: BN's groups are the views of the parts,
 *  `size` pairs of each. The loss sees them in the same order, which it does not mind. */
static float *by_groups(const es_comm *self, const model_spec *m, int parts,
                        const int *pair, int n, double *value) {
  static float x[MOST * IMAGE], z[MOST * D], dz[MOST * D];
  double zd[MOST * D], g[MOST * D];
  rig r;
  float *out = NULL;
  const int size = n / parts;
  for (int i = 0; i < n; i++)
    for (int view = 0; view < 2; view++) {
      const int row = i / size * 2 * size + view * size + i % size;
      model_normal(SEED, (uint64_t) (1000 * view + pair[i]), IMAGE, x + row * IMAGE);
    }
  es_status st = rig_open(self, m, n, 0, &r);
  if (st == ES_OK) st = es_net_forward(r.net, 2 * n, 2 * parts, ES_BN_TRAIN, x, z);
  for (int back = 0; back < 2; back++) {
    for (int i = 0; i < n; i++)
      for (int view = 0; view < 2; view++) {
        const int row = i / size * 2 * size + view * size + i % size;
        for (int j = 0; j < D && back == 0; j++)
          zd[(view * n + i) * D + j] = z[row * D + j];
        for (int j = 0; j < D && back == 1; j++)
          dz[row * D + j] = (float) g[(view * n + i) * D + j];
      }
    if (st == ES_OK && back == 0)
      st = es_loss_eval(
          r.loss, &(es_loss_batch){.n = n, .z = {zd, zd + n * D}, .dz = {g, g + n * D}},
          value);
  }
  if (st == ES_OK) st = es_net_backward(r.net, dz);
  if (st == ES_OK) out = result(&r);
  rig_close(&r);
  return out;
}

static double distance(const model_spec *m, float **got, float **want, double a,
                       double b) {
  rig r;
  double worst = INFINITY;
  es_comm *self;
  if (*got != NULL && *want != NULL && es_comm_create(MPI_COMM_SELF, &self) == ES_OK) {
    if (rig_open(self, m, PAIRS, 0, &r) == ES_OK) {
      const es_params *p = es_net_params(r.net);
      worst = worse(model_distance(p->n, *got, *want), fabs(a / b - 1));
      if (p->n_state > 0)
        worst = worse(worst, model_distance(p->n_state, *got + p->n, *want + p->n));
    }
    rig_close(&r);
    es_comm_destroy(&self);
  }
  es_free(got);
  es_free(want);
  return worst;
}

/** Sums of f32 in another order: 1e-5 as in par_grad. */
static void without_bn_passes_change_nothing(void **state) {
  const es_comm *c = *state;
  es_comm *self;
  assert_true(par_all(c, es_comm_create(MPI_COMM_SELF, &self) == ES_OK));
  double a = 0, b = 1;
  int64_t first, n;
  es_comm_local_range(c, PAIRS, &first, &n);
  float *got = by_train(c, &mlp, MICRO, (int) first, (int) n, &a);
  float *want = by_train(self, &mlp, 0, 0, PAIRS, &b);
  const double worst = distance(&mlp, &got, &want, a, b);
  es_comm_destroy(&self);
  if (c->rank == 0) printf("%d ranks, mlp: relative difference %.1e\n", c->size, worst);
  assert_true(par_all(c, worst < 1e-5));
}

/** Passes over all ranks' pairs are groups of one pass: part k of every rank. */
static void with_bn_passes_are_groups(void **state) {
  const es_comm *c = *state;
  es_comm *self;
  assert_true(par_all(c, es_comm_create(MPI_COMM_SELF, &self) == ES_OK));
  const int parts = 2, each = PAIRS / c->size / parts * parts;
  const int micro = each / parts, n = each * c->size;
  int pair[PAIRS];
  double a = 0, b = 1;
  for (int k = 0, i = 0; k < parts; k++)
    for (int r = 0; r < c->size; r++)
      for (int j = 0; j < micro; j++) pair[i++] = r * each + k * micro + j;
  float *got = by_train(c, &resnet, micro, c->rank * each, each, &a);
  float *want = by_groups(self, &resnet, parts, pair, n, &b);
  const double worst = distance(&resnet, &got, &want, a, b);
  es_comm_destroy(&self);
  if (c->rank == 0)
    printf("%d ranks, resnet18: relative difference %.1e\n", c->size, worst);
  assert_true(par_all(c, worst < 2e-5));
}

/** Collective. Parameters after two steps of two passes each; gradients summed on the way
 *  where the ranks of a node share them. */
static float *after_steps(const es_comm *c, bool share, int64_t *n) {
  static float x[MOST * IMAGE];
  static int64_t id[PAIRS];
  const es_optim_params sgd = {.name = "sgd", .momentum = 0.9};
  int64_t first, count;
  rig r;
  es_optim *o = NULL;
  float *out = NULL;
  es_comm_local_range(c, PAIRS / 2 * 2, &first, &count);
  fill((int) first, (int) count, x);
  const es_batch b = {.n = (int) count, .x = x, .id = id};
  es_status st = rig_open(c, &resnet, (int) count, (int) (count + 1) / 2, &r);
  if (st == ES_OK) st = es_optim_create(&sgd, NULL, es_net_params(r.net), &o);
  if (es_comm_agree(c, st) == ES_OK) {
    es_step_result step;
    es_params *p = es_net_params(r.net);
    r.t->optim = o;
    if (share) st = es_train_share(r.t);
    for (int i = 0; i < 2 && st == ES_OK; i++) st = es_train_step(r.t, &b, 1e-4, &step);
    *n = p->n;
    if (st == ES_OK) st = ES_NEW(p->n, &out);
    if (st == ES_OK) r.b->ops->download(r.b, out, p->value, (size_t) p->n);
    es_comm_barrier(c);
  }
  es_train_destroy(&r.t);
  es_optim_destroy(&o);
  rig_close(&r);
  return out;
}

/** Summing begins in the last pass only: as if it began behind it, but for the order of
 *  the ranks in the sum. */
static void the_last_pass_passes_gradients_on(void **state) {
  const es_comm *c = *state;
  int64_t n = 0;
  float *got = after_steps(c, true, &n), *want = after_steps(c, false, &n);
  const bool ran = got != NULL && want != NULL;
  const double worst = ran ? model_distance(n, got, want) : INFINITY;
  es_free(&got);
  es_free(&want);
  if (c->rank == 0) printf("%d ranks, shared: difference %.1e\n", c->size, worst);
  assert_true(par_all(c, worst < 1e-6));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_bn_passes_change_nothing),
      cmocka_unit_test(with_bn_passes_are_groups),
      cmocka_unit_test(the_last_pass_passes_gradients_on),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
