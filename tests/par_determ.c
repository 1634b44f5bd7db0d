/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_determ.c  Deterministic training: several steps on all ranks and on one give
 *  the same bits, on every backend; and the sums in tree order below it. Only a power of
 *  two of ranks takes part, pairs of them out of three. */
#include "backends.h"
#include "eigenstep/train.h"
#include "eigenstep/tree.h"
#include "loss_cases.h"
#include "models.h"
#include "par.h"

enum { PAIRS = 16, SHARDS = 8, STEPS = 3, SIDE = 32, D = 6, SEED = 5 };

static const model_spec resnet = {.encoder = "resnet18",
                                  .base_width = 4,
                                  .widths = {12, D},
                                  .bias = true,
                                  .input = {3, SIDE, SIDE}};
static const model_spec mlp = {.encoder = "mlp",
                               .hidden = {40, 9},
                               .widths = {8, D},
                               .no_batchnorm = true,
                               .input = {3, 4, 4}};

/** What a run leaves behind. */
typedef struct end {
  double loss[STEPS];
  float *model; /**< [n] values and running averages; owned */
  int64_t n;
} end;

/** Collective. A communicator of a power of two of the ranks of c. */
static es_comm *some_of(const es_comm *c) {
  MPI_Comm part;
  es_comm *made = NULL;
  const int color = es_tree_supports(c->size) ? 0 : c->rank / 2;
  MPI_Comm_split(c->mpi, color, c->rank, &part);
  const es_status st = es_comm_create(part, &made);
  MPI_Comm_free(&part);
  return st == ES_OK ? made : NULL;
}

/** This rank's images of a step: first views, then second views. */
static void fill(const es_comm *c, es_shape s, int step, es_batch *b) {
  const int image = s.c * s.h * s.w;
  for (int view = 0; view < 2; view++)
    for (int i = 0; i < b->n; i++) {
      const int pair = c->rank * b->n + i;
      model_normal(SEED, (uint64_t) ((step * 2 + view) * PAIRS + pair), image,
                   b->x + (view * b->n + i) * image);
    }
}

static es_status train(const es_comm *c, es_net *net, es_train *t, es_shape s, end *e) {
  static float x[2 * PAIRS * 3 * SIDE * SIDE];
  int64_t id[PAIRS] = {0};
  es_batch b = {.n = PAIRS / c->size, .x = x, .id = id};
  for (int step = 0; step < STEPS; step++) {
    fill(c, s, step, &b);
    es_step_result r;
    ES_TRY(es_train_step(t, &b, 0.05, &r));
    e->loss[step] = r.loss;
  }
  es_params *const p = es_net_params(net);
  es_backend *const be = p->backend;
  e->n = p->n + p->n_state;
  ES_TRY(ES_NEW(e->n, &e->model));
  ES_TRY(be->ops->download(be, e->model, p->value, (size_t) p->n));
  return be->ops->download(be, e->model + p->n, p->state, (size_t) p->n_state);
}

/** Collective over c. */
static es_status run(const es_comm *c, const char *backend, const model_spec *m,
                     const loss_case *k, int groups, end *e) {
  const es_net_options o = {
      .max_n = 2 * PAIRS / c->size, .sync = c, .shards = SHARDS / c->size};
  const es_optim_params sgd = {.name = "sgd", .momentum = 0.9, .weight_decay = 1e-3};
  es_train_options to = {.n_max = PAIRS / c->size, .groups = groups};
  es_backend *b = NULL;
  es_train *t = NULL;
  es_status st = es_row_layout_replicate(c, &to.layout);
  if (st == ES_OK) st = es_backend_open(backend, c, 1, &b);
  if (st == ES_OK) st = model_build(b, &o, m, &to.net, NULL);
  if (st == ES_OK) st = es_params_init(es_net_params(to.net), SEED);
  if (st == ES_OK) st = es_optim_create(&sgd, NULL, es_net_params(to.net), &to.optim);
  to.loss = loss_of(k, to.layout.loss_comm, PAIRS, PAIRS, D);
  if (st == ES_OK && to.loss == NULL) st = ES_EARG;
  if (st == ES_OK) st = es_train_create(&to, &t);
  if (es_comm_agree(c, st) == ES_OK) st = train(c, to.net, t, m->input, e);
  es_train_destroy(&t);
  es_optim_destroy(&to.optim);
  es_loss_destroy(&to.loss);
  es_net_destroy(&to.net);
  es_backend_close(&b);
  es_row_layout_free(&to.layout);
  return st;
}

static bool same_bits(const es_comm *c, const es_comm *self, const char *backend,
                      const model_spec *m, const loss_case *k, int groups) {
  end all = {.n = -1}, one = {.n = -2};
  const bool ran = run(c, backend, m, k, groups, &all) == ES_OK &&
                   run(self, backend, m, k, groups, &one) == ES_OK;
  const bool same = ran && all.n == one.n && isfinite(all.loss[STEPS - 1]) &&
                    memcmp(all.loss, one.loss, sizeof all.loss) == 0 &&
                    memcmp(all.model, one.model, (size_t) all.n * sizeof *all.model) == 0;
  if (!same && c->rank == 0)
    printf("%s, %s, %s, %d groups: other bits on %d ranks (last losses %.17g, %.17g)\n",
           backend, m->encoder, k->name, groups, c->size, all.loss[STEPS - 1],
           one.loss[STEPS - 1]);
  es_free(&all.model);
  es_free(&one.model);
  return same;
}

static void training_has_the_same_bits_on_one_rank(void **state) {
  const loss_case barlow = {"barlow", {"normalize=batch"}};
  es_comm *c = some_of(*state);
  es_comm *self = NULL;
  bool ok = c != NULL && es_comm_create(MPI_COMM_SELF, &self) == ES_OK;
  assert_true(par_all(*state, ok));
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) {
    ok = same_bits(c, self, list[i]->name, &resnet, &barlow, 2) && ok;
    ok = same_bits(c, self, list[i]->name, &resnet, &barlow, 1) && ok;
    ok = same_bits(c, self, list[i]->name, &mlp, &barlow, 2) && ok;
  }
  const es_loss_ops *const *losses;
  const size_t n_loss = es_loss_list(&losses);
  for (size_t i = 0; i < n_loss; i++) {
    const loss_case k = {losses[i]->name, {NULL}};
    ok = same_bits(c, self, "blas", &mlp, &k, 2) && ok;
  }
  es_comm_destroy(&self);
  es_comm_destroy(&c);
  assert_true(par_all(*state, ok));
}

/** Leaf i of element j: sums of these depend on their order. A division comes last, which
 *  no compiler merges with the additions. */
static double leaf(int i, int64_t j) {
  return (double) ((i * 7919 + j * 104729) % 1000003 - 500000) / (1 + i * i * 97);
}

/** Element j, leaves [first, first + n), by the definition. */
static double tree_f64(int first, int n, int64_t j) {
  if (n == 1) return leaf(first, j);
  return tree_f64(first, n / 2, j) + tree_f64(first + n / 2, n / 2, j);
}

static float tree_f32(int first, int n, int64_t j) {
  if (n == 1) return (float) leaf(first, j);
  return tree_f32(first, n / 2, j) + tree_f32(first + n / 2, n / 2, j);
}

/** This rank's leaves by the stack, then over the ranks, for lengths around a piece. */
static void sums_follow_the_tree(void **state) {
  enum { LEAVES = 16, MOST = 40001, SLOTS = 5 };
  static const int64_t length[] = {0, 1, 2, 3, 8191, 16384, 16385, MOST};
  static double d[SLOTS][MOST];
  static float f[MOST];
  es_comm *c = some_of(*state);
  bool ok = c != NULL && es_tree_stack_size(LEAVES) == SLOTS;
  assert_true(par_all(*state, ok));
  const int mine = LEAVES / c->size;
  for (size_t l = 0; l < sizeof length / sizeof length[0]; l++) {
    const int64_t n = length[l];
    for (int i = 0, top = 0; i < mine; i++) {
      for (int64_t j = 0; j < n; j++) d[top][j] = leaf(c->rank * mine + i, j);
      top++;
      for (int carry = es_tree_merges(i); carry > 0; carry--, top--)
        for (int64_t j = 0; j < n; j++) d[top - 2][j] += d[top - 1][j];
    }
    for (int64_t j = 0; j < n; j++) f[j] = tree_f32(c->rank * mine, mine, j);
    es_tree_sum_f64(c, d[0], n);
    es_tree_sum_f32(c, f, n);
    for (int64_t j = 0; j < n; j++)
      ok = ok && d[0][j] == tree_f64(0, LEAVES, j) && f[j] == tree_f32(0, LEAVES, j);
  }
  es_comm_destroy(&c);
  assert_true(par_all(*state, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sums_follow_the_tree),
      cmocka_unit_test(training_has_the_same_bits_on_one_rank),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
