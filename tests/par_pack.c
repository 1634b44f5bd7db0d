/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_pack.c  Weights that the ranks of a node pack once, for all of them:
 *  training has the same bits as where each rank packs its own, whatever the node, the
 *  number of threads and of images; and the next step does take them from there. */
#include "par.h"

#include <limits.h>
#include "backends.h"
#include "eigenstep/train.h"
#include "loss_cases.h"
#include "models.h"

enum { MOST = 12, D = 5, SIDE = 12, IMAGE = 3 * SIDE * SIDE, STEPS = 3, SEED = 5 };

/* 1x1, 3x3 with and without a stride, on maps of 12 to 2 pixels a side, and linear
   layers; filters of more rows than are packed together, and of fewer */
static const model_spec spec = {.encoder = "resnet18",
                                .stem = 1,
                                .base_width = 12,
                                .widths = {70, D},
                                .input = {3, SIDE, SIDE}};

/** How it trains. */
typedef struct how {
  const char *backend;
  es_precision precision;
  int pairs, threads;
  bool again;  /**< nothing that is packed is used: each pass packs its own */
  bool second; /**< another network was trained on this backend before */
} how;

typedef struct rig {
  es_backend *b;
  es_net *net;
  es_loss *loss;
  es_optim *optim;
  es_train *train;
  float *x; /**< [2 n, IMAGE] */
  int64_t id[MOST];
  es_batch batch;
} rig;

static es_status rig_batch(const es_comm *c, int pairs, rig *t) {
  int64_t first, count;
  es_comm_local_range(c, pairs, &first, &count);
  ES_TRY(ES_NEW(2 * (count + 1) * IMAGE, &t->x));
  t->batch = (es_batch){.n = (int) count, .x = t->x, .id = t->id};
  for (int view = 0; view < 2; view++)
    for (int i = 0; i < count; i++)
      model_normal(SEED, (uint64_t) (100 * view + first + i), IMAGE,
                   t->x + (view * count + i) * IMAGE);
  return ES_OK;
}

static es_status rig_open(const es_comm *c, const how *h, rig *t) {
  const loss_case k = {"barlow", {"center=true"}};
  const es_net_options o = {.max_n = 2 * ((h->pairs + c->size - 1) / c->size),
                            .sync = c,
                            .precision = h->precision};
  const es_optim_params par = {.name = "sgd", .momentum = 0.9};
  *t = (rig){.b = t->b};
  if (t->b == NULL) ES_TRY(es_backend_open(h->backend, c, h->threads, &t->b));
  ES_TRY(model_build(t->b, &o, &spec, &t->net, NULL));
  ES_TRY(es_params_init(es_net_params(t->net), SEED));
  ES_TRY(es_optim_create(&par, NULL, es_net_params(t->net), &t->optim));
  t->loss = loss_of(&k, c, h->pairs, h->pairs, D);
  const es_train_options make = {.layout = es_row_layout_distributed(c),
                                 .net = t->net,
                                 .loss = t->loss,
                                 .optim = t->optim,
                                 .n_max = h->pairs,
                                 .groups = 2};
  ES_TRY(es_train_create(&make, &t->train));
  ES_TRY(rig_batch(c, h->pairs, t));
  return es_train_share(t->train);
}

static void rig_close(rig *t, bool with_backend) {
  es_train_destroy(&t->train);
  es_optim_destroy(&t->optim);
  es_loss_destroy(&t->loss);
  es_net_destroy(&t->net);
  if (with_backend) es_backend_close(&t->b);
  es_free(&t->x);
}

/** STEPS steps. The parameters; NULL if anything went wrong. */
static float *trained(const es_comm *c, const how *h, int64_t *n) {
  rig t = {0};
  float *out = NULL;
  es_status st = rig_open(c, h, &t);
  if (st == ES_OK && h->second) { /* the first one is trained, too, and is gone */
    es_step_result r;
    st = es_train_step(t.train, &t.batch, 0.05, &r);
    rig_close(&t, false);
    if (st == ES_OK) st = rig_open(c, h, &t);
  }
  for (int i = 0; i < STEPS && st == ES_OK; i++) {
    es_step_result r;
    if (h->again) es_net_params(t.net)->version++;
    st = es_train_step(t.train, &t.batch, 0.05, &r);
  }
  const es_params *const p = st == ES_OK ? es_net_params(t.net) : NULL;
  if (st == ES_OK) st = ES_NEW(p->n, &out);
  if (st == ES_OK) st = t.b->ops->download(t.b, out, p->value, (size_t) p->n);
  if (st == ES_OK) *n = p->n;
  if (st != ES_OK) es_free(&out);
  rig_close(&t, true);
  return out;
}

static bool same_training(const es_comm *c, how h) {
  int64_t n = 0;
  h.again = true;
  float *const want = trained(c, &h, &n);
  h.again = false;
  float *const got = trained(c, &h, &n);
  const bool ok = par_all(c, want != NULL && got != NULL);
  const bool same = ok && memcmp(got, want, (size_t) n * sizeof *got) == 0;
  float *both[] = {want, got};
  for (int i = 0; i < 2; i++) es_free(&both[i]);
  return par_all(c, same);
}

/** On one node, on nodes of one rank, and of two and what is left. */
static bool on_nodes(const es_comm *c, how h) {
  static const int per_node[] = {INT_MAX, 1, 2};
  bool same = true;
  for (int k = 0; k < 3; k++) {
    es_comm *part = NULL;
    if (es_comm_create_nodes(c->mpi, per_node[k], &part) != ES_OK) return false;
    same = same_training(part, h) && same;
    es_comm_destroy(&part);
  }
  return same;
}

static bool has_bf16(const es_comm *c, const char *backend) {
  es_backend *b = NULL;
  es_precision got = ES_F32;
  if (es_backend_open(backend, c, 1, &b) == ES_OK && b->ops->bf16 != NULL)
    (void) es_backend_precision(b, ES_BF16, &got);
  es_backend_close(&b);
  return par_all(c, got == ES_BF16);
}

static void packing_once_changes_no_bit(void **state) {
  const es_comm *c = *state;
  const how f32 = {.backend = "auto", .pairs = MOST, .threads = 1};
  assert_true(on_nodes(c, f32));
  how bf16 = f32;
  bf16.precision = ES_BF16;
  if (has_bf16(c, "auto")) assert_true(on_nodes(c, bf16));
}

/** More strips than threads, and fewer; a second network; ranks of different numbers of
 *  images, and with none, whose weights are packed otherwise or not at all. */
static void with_threads_and_few_images(void **state) {
  const es_comm *c = *state;
  const how threads = {.backend = "auto", .pairs = MOST, .threads = 3};
  const how uneven = {.backend = "auto", .pairs = c->size + 1, .threads = 1};
  const how few = {.backend = "auto", .pairs = 2, .threads = 1};
  const how second = {.backend = "auto", .pairs = MOST, .threads = 1, .second = true};
  assert_true(same_training(c, threads));
  assert_true(same_training(c, second));
  assert_true(same_training(c, uneven));
  assert_true(same_training(c, few));
}

/** What becomes of the weights after the first step. */
typedef enum fate { KEPT, GONE, REPLACED, FATES } fate;

/** Zero in the backend's memory: of the same version. */
static void zero_weights(const es_params *p) {
  es_backend *const b = p->backend;
  for (int k = 0; k < p->n_tensors; k++) {
    const es_tensor_info *const v = &p->tensor[k];
    if (v->ndim > 1)
      b->ops->zero(b, p->value + v->offset, (size_t) v->count * sizeof(float));
  }
}

/** Others, as of a checkpoint that is read. */
static es_status replace_weights(es_params *p) {
  es_status st = ES_OK;
  for (int k = 0; k < p->n_tensors && st == ES_OK; k++) {
    float *w = NULL;
    const int64_t count = p->tensor[k].count;
    st = ES_NEW(count, &w);
    if (st == ES_OK) model_normal(SEED, (uint64_t) k, count, w);
    if (st == ES_OK && p->tensor[k].ndim > 1) st = es_params_set(p, k, w);
    es_free(&w);
  }
  return st;
}

/** Embeddings after one step, and after that on the weights. */
static es_status after_a_step(const es_comm *c, const how *h, fate of, double *z) {
  rig t = {0};
  es_step_result r;
  es_status st = rig_open(c, h, &t);
  if (st == ES_OK) st = es_train_step(t.train, &t.batch, 0.05, &r);
  es_comm_barrier(c);
  if (st == ES_OK && of == GONE) zero_weights(es_net_params(t.net));
  if (st == ES_OK && of == REPLACED) st = replace_weights(es_net_params(t.net));
  es_comm_barrier(c);
  if (st == ES_OK) st = es_train_gradient(t.train, &t.batch, 0.05, &r);
  if (st == ES_OK)
    memcpy(z, es_train_embeddings(t.train), 2 * (size_t) t.batch.n * D * sizeof *z);
  rig_close(&t, true);
  return st;
}

/** The first step packs what the second takes: it does not read the weights again, unless
 *  they are of another version. */
static void next_step_takes_them(void **state) {
  const es_comm *c = *state;
  const how h = {.backend = "onednn", .pairs = MOST, .threads = 1};
  double z[FATES][2 * MOST * D] = {{0}};
  const es_backend_ops *const *list;
  bool here = false;
  for (size_t i = 0, n = backends_here(&list); i < n; i++)
    here = here || strcmp(list[i]->name, "onednn") == 0;
  if (!here) skip(); /* the only one that packs for a node */
  for (int k = 0; k < FATES; k++)
    assert_true(par_all(c, after_a_step(c, &h, (fate) k, z[k]) == ES_OK));
  assert_true(par_all(c, z[KEPT][0] != 0));
  assert_true(par_all(c, memcmp(z[KEPT], z[GONE], sizeof z[0]) == 0));
  assert_true(par_all(c, memcmp(z[KEPT], z[REPLACED], sizeof z[0]) != 0));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packing_once_changes_no_bit),
      cmocka_unit_test(with_threads_and_few_images),
      cmocka_unit_test(next_step_takes_them),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
