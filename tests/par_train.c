/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_train.c  Training with parameters shared by a node and the update divided
 *  among its ranks, against every rank for itself: the same model, on one node and on
 *  several, also in what a checkpoint would hold. */
#include "par.h"

#include <limits.h>
#include "backends.h"
#include "eigenstep/train.h"
#include "loss_cases.h"
#include "models.h"

enum { PAIRS = 12, D = 5, SIDE = 4, IMAGE = 3 * SIDE * SIDE, STEPS = 4, SEED = 5 };

/* 2 hidden layers of odd widths; about 16,000 parameters */
static const model_spec spec = {
    .encoder = "mlp", .hidden = {61, 97}, .widths = {71, D}, .input = {3, SIDE, SIDE}};

/** Everything of one training; backend memory in `b`. */
typedef struct rig {
  es_backend *b;
  es_net *net;
  es_loss *loss;
  es_optim *optim;
  es_train *train;
  float *x; /**< [2 n, IMAGE] */
  int64_t id[PAIRS];
  es_batch batch;
} rig;

static es_status rig_batch(const es_comm *c, rig *t) {
  int64_t first, count;
  es_comm_local_range(c, PAIRS, &first, &count);
  ES_TRY(ES_NEW(2 * (count + 1) * IMAGE, &t->x));
  t->batch = (es_batch){.n = (int) count, .x = t->x, .id = t->id};
  for (int view = 0; view < 2; view++)
    for (int i = 0; i < count; i++)
      model_normal(SEED, (uint64_t) (100 * view + first + i), IMAGE,
                   t->x + (view * count + i) * IMAGE);
  return ES_OK;
}

static es_status rig_open(const es_comm *c, const char *backend, bool share, rig *t) {
  const loss_case k = {"barlow", {"center=true"}};
  const es_net_options o = {.max_n = 2 * PAIRS, .sync = c};
  const es_optim_params par = {
      .name = "sgd", .momentum = 0.9, .weight_decay = 1e-3, .nesterov = true};
  *t = (rig){0};
  ES_TRY(es_backend_open(backend, c, 1, &t->b));
  ES_TRY(model_build(t->b, &o, &spec, &t->net, NULL));
  ES_TRY(es_params_init(es_net_params(t->net), SEED));
  ES_TRY(es_optim_create(&par, NULL, es_net_params(t->net), &t->optim));
  t->loss = loss_of(&k, c, PAIRS, PAIRS, D);
  const es_train_options make = {.layout = es_row_layout_distributed(c),
                                 .net = t->net,
                                 .loss = t->loss,
                                 .optim = t->optim,
                                 .n_max = PAIRS,
                                 .groups = 2};
  ES_TRY(es_train_create(&make, &t->train));
  ES_TRY(rig_batch(c, t));
  return share ? es_train_share(t->train) : ES_OK;
}

static void rig_close(rig *t) {
  es_train_destroy(&t->train);
  es_optim_destroy(&t->optim);
  es_loss_destroy(&t->loss);
  es_net_destroy(&t->net);
  es_backend_close(&t->b);
  es_free(&t->x);
}

/** All items of a state one after the other in `to`, or only counted (NULL). */
typedef struct copy {
  char *to;
  int64_t bytes;
} copy;

static es_status keep(es_visitor *v, es_item *item) {
  copy *const c = v->ctx;
  const int64_t bytes = es_item_count(item) * es_item_size(item->type);
  if (c->to != NULL) memcpy(c->to + c->bytes, item->data, (size_t) bytes);
  c->bytes += bytes;
  return ES_OK;
}

/** Value and moment on the host: [2 n]; and the state a checkpoint would hold, the same
 * on all ranks. NULL if anything went wrong. */
static float *outcome(const es_comm *c, rig *t) {
  const es_params *const p = es_net_params(t->net);
  const size_t n = (size_t) p->n;
  copy state = {NULL, 0};
  es_visitor v = {.item = keep, .ctx = &state};
  float *out = NULL;
  bool ok = ES_NEW(2 * n, &out) == ES_OK && es_train_visit(t->train, &v) == ES_OK;
  ok =
      par_all(c, ok && es_alloc((size_t) state.bytes, "state", (void **) &state.to) == 0);
  state.bytes = 0;
  ok = ok && es_train_visit(t->train, &v) == ES_OK;
  ok = ok && es_comm_assert_equal(c, state.to, (size_t) state.bytes, "state") == ES_OK;
  es_free(&state.to);
  ok = ok && t->b->ops->download(t->b, out, p->value, n) == ES_OK;
  ok = ok && t->b->ops->download(t->b, out + n, t->optim->moment[0], n) == ES_OK;
  if (!ok) es_free(&out);
  return out;
}

/** STEPS steps; *loss is the last one's. */
static float *trained(const es_comm *c, const char *backend, bool share, double *loss) {
  rig t;
  float *out = NULL;
  es_status st = rig_open(c, backend, share, &t);
  for (int i = 0; i < STEPS && st == ES_OK; i++) {
    int64_t flags[ES_STEP_FLAGS] = {c->rank == 0 ? 3 : -1, -i};
    es_step_result r;
    st = es_train_gradient(t.train, &t.batch, 0.05, &r);
    if (st == ES_OK) st = es_train_update(t.train, &r, flags);
    if (st == ES_OK && (flags[0] != 3 || flags[1] != -i)) st = ES_EINTERNAL;
    *loss = r.loss;
  }
  const bool shared = t.train != NULL && es_train_shares(t.train);
  if (st == ES_OK && shared == (share && strcmp(backend, "blas") == 0))
    out = outcome(c, &t);
  rig_close(&t);
  return out;
}

static int64_t parameters(const es_comm *c) {
  rig t;
  const int64_t n =
      rig_open(c, "blas", false, &t) == ES_OK ? es_net_params(t.net)->n : -1;
  rig_close(&t);
  return n;
}

/** Round-off alone separates the two: ranks are added in another order, and four steps
 * amplify that. A rank forgotten, or a range updated twice, changes percents. */
static void shared_training_is_the_same(void **state) {
  const es_comm *c = *state;
  static const int per_node[] = {INT_MAX, 1, 2};
  const int64_t n = parameters(c);
  double want_loss = 0, worst = 0;
  float *want = trained(c, "blas", false, &want_loss);
  assert_true(par_all(c, want != NULL));
  for (int k = 0; k < 3; k++) {
    es_comm *part = NULL;
    double loss = 0, again = 0;
    assert_int_equal(es_comm_create_nodes(c->mpi, per_node[k], &part), ES_OK);
    float *got = trained(part, "blas", true, &loss);
    float *second = trained(part, "blas", true, &again);
    assert_true(par_all(c, got != NULL && second != NULL));
    worst = worse(worst, model_distance(n, got, want));
    worst = worse(worst, model_distance(n, got + n, want + n));
    worst = worse(worst, fabs(loss / want_loss - 1));
    const bool same = memcmp(got, second, (size_t) n * 2 * sizeof *got) == 0;
    es_free(&got);
    es_free(&second);
    es_comm_destroy(&part);
    assert_true(par_all(c, same && loss == again));
  }
  es_free(&want);
  if (c->rank == 0) printf("%d ranks: relative difference %.1e\n", c->size, worst);
  assert_true(par_all(c, worst < 1e-5));
}

/** Memory the host cannot follow stays each rank's own, and the result is the same (bits,
 * where `blas` does the work). */
static void devices_exchange_copies(void **state) {
  const es_comm *c = *state;
  const int64_t n = parameters(c);
  const char *const far = backend_far_from_host();
  const double limit = backend_tolerance(far);
  double a, b;
  float *want = trained(c, "blas", false, &a), *got = trained(c, far, true, &b);
  assert_true(par_all(c, want != NULL && got != NULL));
  const double off =
      worse(model_distance(n, got, want), model_distance(n, got + n, want + n));
  es_free(&want);
  es_free(&got);
  assert_true(par_all(c, off <= limit && fabs(a / b - 1) <= limit));
}

/** One weight of the last rank differs in its last bit: the comparison names it. */
static void replicas_that_differ_are_found(void **state) {
  const es_comm *c = *state;
  rig t;
  float *w = NULL;
  es_step_result r;
  es_status st = rig_open(c, "blas", false, &t);
  if (st == ES_OK) st = es_train_step(t.train, &t.batch, 0.05, &r);
  const es_status equal = st == ES_OK ? es_train_compare(t.train) : st;
  es_params *const p = es_net_params(t.net);
  if (st == ES_OK) st = ES_NEW(p->tensor[1].count, &w);
  if (st == ES_OK) st = es_params_get(p, 1, w);
  if (st == ES_OK && c->rank == c->size - 1) w[2] = nextafterf(w[2], 10);
  if (st == ES_OK) st = es_params_set(p, 1, w);
  const es_status other = st == ES_OK ? es_train_compare(t.train) : st;
  es_free(&w);
  rig_close(&t);
  assert_true(par_all(c, equal == ES_OK));
  assert_true(par_all(c, other == (c->size > 1 ? ES_EINTERNAL : ES_OK)));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shared_training_is_the_same),
      cmocka_unit_test(devices_exchange_copies),
      cmocka_unit_test(replicas_that_differ_are_found),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
