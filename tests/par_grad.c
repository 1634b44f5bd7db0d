/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_grad.c  The gradient of a batch spread over ranks is the gradient of one
 *  rank: network with synchronised batch norm, global loss, sum over ranks; uneven shards
 *  too. */
#include "loss_cases.h"
#include "models.h"
#include "par.h"

enum { PAIRS = 14, SIDE = 32, D = 6, IMAGE = 3 * SIDE * SIDE, SEED = 4 };

static const model_spec spec = {
    .encoder = "resnet18", .base_width = 4, .widths = {12, D}, .input = {3, SIDE, SIDE}};

/** Biases of +-2.5 keep the inputs of ReLUs away from 0: one that rounds to the other
 * side would hide whether the sums are right. */
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

/** Where each rank's pairs lie: weights 1, 2, 3, ..., or all on the last but one. */
static void share(const es_comm *c, bool empty, int *first, int *count) {
  const int p = c->size, r = c->rank, total = p * (p + 1) / 2;
  *first = r * (r + 1) / 2 * PAIRS / total;
  *count = (r + 1) * (r + 2) / 2 * PAIRS / total - *first;
  if (!empty || p == 1) return;
  *first = r == p - 1 ? PAIRS : 0;
  *count = r == p - 2 ? PAIRS : 0;
}

/** Forward, loss, backward and sum of the pairs [first, first + count). */
static es_status run(const es_comm *c, const loss_case *k, es_net *net, int first,
                     int count, double *value) {
  enum { MOST = 2 * PAIRS };
  static float x[MOST * IMAGE], z[MOST * D], dz[MOST * D];
  double zd[MOST * D], g[MOST * D];
  es_params *const p = es_net_params(net);
  es_backend *const b = p->backend;
  for (int view = 0; view < 2; view++)
    for (int i = 0; i < count; i++)
      model_normal(SEED, (uint64_t) (1000 * view + first + i), IMAGE,
                   x + (view * count + i) * IMAGE);
  es_loss *l = loss_of(k, c, PAIRS, PAIRS, D);
  es_status st = es_net_forward(net, 2 * count, 2, ES_BN_TRAIN, x, z);
  for (int i = 0; i < 2 * count * D; i++) zd[i] = z[i];
  if (st == ES_OK)
    st = es_loss_eval(
        l,
        &(es_loss_batch){.n = count, .z = {zd, zd + count * D}, .dz = {g, g + count * D}},
        value);
  for (int i = 0; i < 2 * count * D; i++) dz[i] = (float) g[i];
  if (st == ES_OK) st = es_net_backward(net, dz);
  if (st == ES_OK) st = b->ops->allreduce(b, c, p->grad, (size_t) p->n);
  es_loss_destroy(&l);
  return st;
}

/** The gradient of the whole batch on `c`, in a new array; its loss; the running averages
 * behind it. */
static float *gradient(const es_comm *c, const loss_case *k, bool empty, double *value,
                       int64_t *n) {
  const es_net_options o = {.max_n = 2 * PAIRS, .sync = c};
  es_backend *b;
  es_net *net;
  float *out = NULL;
  int first, count;
  share(c, empty, &first, &count);
  if (es_backend_open("blas", c, 1, &b) != ES_OK) return NULL;
  if (model_build(b, &o, &spec, &net, NULL) != ES_OK) return NULL;
  es_params *const p = es_net_params(net);
  es_status st = es_params_init(p, SEED);
  if (st == ES_OK) st = set_apart(p);
  if (st == ES_OK) st = run(c, k, net, first, count, value);
  if (st == ES_OK) st = ES_NEW(p->n + p->n_state, &out);
  if (st == ES_OK) st = b->ops->download(b, out, p->grad, (size_t) p->n);
  if (st == ES_OK) st = b->ops->download(b, out + p->n, p->state, (size_t) p->n_state);
  *n = p->n;
  es_net_destroy(&net);
  es_backend_close(&b);
  return out;
}

static double difference(const es_comm *c, const es_comm *self, const loss_case *k,
                         bool empty) {
  double one, all;
  int64_t n;
  float *want = gradient(self, k, false, &one, &n),
        *got = gradient(c, k, empty, &all, &n);
  double worst = INFINITY;
  if (want != NULL && got != NULL) {
    worst = worse(model_distance(n, got, want), fabs(all / one - 1));
    worst = worse(worst, model_distance(96, got + n, want + n)); /* first averages */
  }
  es_free(&want);
  es_free(&got);
  return worst;
}

static void ranks_give_the_gradient_of_one(void **state) {
  const es_comm *c = *state;
  const loss_case cases[] = {{"barlow", {NULL}},
                             {"barlow", {"normalize=batch", "symmetrize=false"}}};
  es_comm *self;
  double worst = 0;
  assert_true(par_all(c, es_comm_create(MPI_COMM_SELF, &self) == ES_OK));
  for (int k = 0; k < 2; k++)
    for (int empty = 0; empty < 2; empty++)
      worst = worse(worst, difference(c, self, &cases[k], empty == 1));
  es_comm_destroy(&self);
  if (c->rank == 0) printf("%d ranks: relative difference %.1e\n", c->size, worst);
  assert_true(par_all(c, worst < 2e-5));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranks_give_the_gradient_of_one),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
