/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_optim.c  Ten steps of each optimiser against PyTorch (gen_optim.py): on
 *  tensors whose gradient is a formula, each rank updating other ranges of them, and of
 *  a small network whose batch is spread over the ranks. */
#include "data/optim_reference.h"
#include "eigenstep/train.h"
#include "loss_cases.h"
#include "models.h"
#include "par.h"

enum { SEED = 20230713, TENSORS = 6, COUNT = OPTIM_COUNT };
enum { PAIRS = 12, INPUT = 48, D = 6 };

static const es_tensor_info shapes[TENSORS] = {{.ndim = 2, .dim = {3, 4}},
                                               {.ndim = 1, .dim = {4}, .excluded = true},
                                               {.ndim = 2, .dim = {2, 3}},
                                               {.ndim = 4, .dim = {2, 2, 2, 2}},
                                               {.ndim = 1, .dim = {5}, .excluded = true},
                                               {.ndim = 2, .dim = {1, 7}}};

static es_status set_all(es_config *cfg, const char *section, const char *const *set) {
  for (int i = 0; i < 6 && set[i] != NULL; i++) {
    char text[128];
    snprintf(text, sizeof text, "%s.%s", section, set[i]);
    ES_TRY(es_config_set(cfg, text));
  }
  return ES_OK;
}

/** The optimiser of a case, and its section [optim]. */
static es_status make(const char *name, const char *const *set, const char *const *own,
                      es_params *p, es_optim_params *par, es_optim **o) {
  es_config *cfg;
  char section[64];
  snprintf(section, sizeof section, "optim.%s", name);
  ES_TRY(es_config_create(&cfg));
  es_status st = set_all(cfg, "optim", set);
  if (st == ES_OK) st = set_all(cfg, section, own);
  if (st == ES_OK)
    st = es_config_get(cfg, "optim", es_optim_table, NULL, sizeof *par, par);
  snprintf(par->name, sizeof par->name, "%s", name);
  void *values = NULL;
  if (st == ES_OK) st = es_select_optim(cfg, par, &values);
  if (st == ES_OK) st = es_optim_create(par, values, p, o);
  es_free(&values);
  es_config_destroy(&cfg);
  return st;
}

static double field(int k, int64_t i, double frequency, double phase) {
  return sin(phase + frequency * (double) i + 1.3 * k);
}

/** x[COUNT] = the start; with t >= 0 the gradient at p[COUNT] in step t. */
static void fill(int t, const float *p, float *x) {
  const es_tensor_info *v = shapes;
  int at = 0;
  double size = 1;
  for (int k = 0; k < TENSORS; k++, v++, size *= 0.4) {
    const int64_t count = v->dim[0] * (v->ndim > 1 ? v->dim[1] : 1) * (k == 3 ? 4 : 1);
    for (int64_t i = 0; i < count; i++, at++)
      x[at] = (float) (t < 0 ? (k == 2 ? 0 : field(k, i, 0.5, 2))
                             : size * field(k, i, 0.7, 1 + 0.9 * t) + 0.5 * p[at]);
  }
}

/** This rank's two ranges: a share of the first half, and of the second in the opposite
 * order of ranks. They cut tensors. */
static void own_ranges(const es_comm *c, es_range own[2]) {
  const es_comm mirror = {.rank = c->size - 1 - c->rank, .size = c->size};
  es_comm_local_range(c, COUNT / 2, &own[0].first, &own[0].count);
  es_comm_local_range(&mirror, COUNT - COUNT / 2, &own[1].first, &own[1].count);
  own[1].first += COUNT / 2;
}

/** One step in which each rank updates its ranges, and all get the result. */
static es_status step(const es_comm *c, es_optim *o, int t, float *p) {
  es_params *const q = o->params;
  const es_backend_ops *const ops = q->backend->ops;
  float x[COUNT], updated[COUNT] = {0};
  es_range own[2];
  own_ranges(c, own);
  fill(t, p, x);
  ES_TRY(ops->upload(q->backend, q->grad, x, COUNT));
  const es_partition d = {.comm = c, .n = 2, .range = own, .contributes = true};
  const double lr = 0.1 / (1 + 0.2 * t);
  double norm;
  ES_TRY(es_optim_norm(o, &d, &norm));
  /* an optimiser of whole tensors shares them only in shared memory */
  ES_TRY(o->ops->finish == NULL ? es_optim_update_part(o, lr, &d)
                                : es_optim_update(o, lr));
  ES_TRY(ops->download(q->backend, x, q->value, COUNT));
  for (int r = 0; r < 2; r++)
    for (int64_t i = own[r].first; i < own[r].first + own[r].count; i++)
      updated[i] = x[i];
  es_comm_sum_f32(c, updated, COUNT);
  memcpy(p, updated, sizeof updated);
  return ops->upload(q->backend, q->value, p, COUNT);
}

static es_status ten_steps(const es_comm *c, es_backend *b, int k, float *value) {
  es_params *p;
  es_optim *o = NULL;
  es_optim_params par;
  int index;
  ES_TRY(es_params_create(b, &p));
  es_status st = ES_OK;
  for (int i = 0; i < TENSORS && st == ES_OK; i++) {
    es_tensor_info v = shapes[i];
    snprintf(v.name, sizeof v.name, "t%d", i);
    st = es_params_add(p, &v, &index);
  }
  if (st == ES_OK) st = es_params_alloc(p);
  fill(-1, NULL, value);
  if (st == ES_OK) st = b->ops->upload(b, p->value, value, COUNT);
  if (st == ES_OK)
    st = make(optim_references[k].name, optim_references[k].set, optim_references[k].own,
              p, &par, &o);
  for (int t = 0; t < OPTIM_STEPS && st == ES_OK; t++) st = step(c, o, t, value);
  es_optim_destroy(&o);
  es_params_destroy(&p);
  return st;
}

static void updates_are_those_of_torch(void **state) {
  enum { CASES = sizeof optim_references / sizeof optim_references[0] };
  const es_comm *c = *state;
  es_backend *b;
  assert_true(par_all(c, es_backend_open("blas", c, 1, &b) == ES_OK));
  for (int k = 0; k < CASES; k++) {
    float got[COUNT];
    const bool ran = ten_steps(c, b, k, got) == ES_OK;
    double worst = 0;
    for (int i = 0; i < COUNT && ran; i++)
      worst = worse(worst, fabs(got[i] - optim_references[k].value[i]));
    if (c->rank == 0)
      printf("%s %d on %d ranks: %.1e\n", optim_references[k].name, k, c->size, worst);
    /* values are below 1; ten roundings of single precision are 6e-7. Newton-Schulz
     * makes the smallest singular values, and their roundings, 3.4^5 times as large. */
    const bool whole = strcmp(optim_references[k].name, "muon") == 0;
    assert_true(par_all(c, ran && worst < (whole ? 2e-4 : 1e-6)));
  }
  es_backend_close(&b);
}

/** This rank's share of the pairs. */
static void fill_batch(const es_comm *c, es_batch *b, float *x, int64_t *id) {
  int64_t first, count;
  es_comm_local_range(c, PAIRS, &first, &count);
  *b = (es_batch){.n = (int) count, .x = x, .id = id};
  for (int i = 0; i < count; i++) {
    float noise[INPUT], *one = x + i * INPUT, *two = x + (count + i) * INPUT;
    model_normal(SEED, (uint64_t) (first + i), INPUT, one);
    model_normal(SEED, (uint64_t) (PAIRS + first + i), INPUT, noise);
    for (int j = 0; j < INPUT; j++) two[j] = one[j] + 0.5f * noise[j];
    id[i] = first + i;
  }
}

/** Relative error of ten losses and of the last norm of the gradient. */
static es_status train(const es_comm *c, es_net *net, int k, bool share, double *worst) {
  static float x[2 * PAIRS * INPUT];
  int64_t id[PAIRS];
  const loss_case form = {"barlow",
                          {"normalize=batch", "symmetrize=false", "offdiag=0.0051"}};
  es_params *const p = es_net_params(net);
  es_optim_params par;
  es_optim *o = NULL;
  es_train *t = NULL;
  es_batch b;
  fill_batch(c, &b, x, id);
  es_loss *l = loss_of(&form, c, PAIRS, PAIRS, D);
  es_status st = l != NULL ? es_params_init(p, SEED) : ES_EINTERNAL;
  if (st == ES_OK)
    st = make(optim_net_references[k].name, optim_net_references[k].set,
              optim_net_references[k].own, p, &par, &o);
  const es_train_options step = {.layout = es_row_layout_distributed(c),
                                 .net = net,
                                 .loss = l,
                                 .optim = o,
                                 .n_max = PAIRS,
                                 .groups = 2};
  if (st == ES_OK) st = es_train_create(&step, &t);
  if (st == ES_OK && share) st = es_train_share(t);
  for (int i = 0; i < OPTIM_STEPS && st == ES_OK; i++) {
    es_step_result r = {.loss = NAN};
    st = es_train_step(t, &b, par.lr, &r);
    *worst = worse(*worst, fabs(r.loss / optim_net_references[k].loss[i] - 1));
  }
  const es_range all = {0, p->n};
  const es_partition whole = {.n = 1, .range = &all};
  double norm = NAN;
  if (st == ES_OK) st = es_optim_norm(o, &whole, &norm);
  if (!share || c->size == 1) /* else a rank has the sums of its own ranges only */
    *worst = worse(*worst, fabs(norm / optim_net_references[k].norm - 1));
  es_train_destroy(&t);
  es_optim_destroy(&o);
  es_loss_destroy(&l);
  return st;
}

static void network_learns_as_with_torch(void **state) {
  enum { CASES = sizeof optim_net_references / sizeof optim_net_references[0] };
  const es_comm *all = *state;
  const model_spec spec = {
      .encoder = "mlp", .hidden = {16}, .widths = {12, D}, .input = {INPUT, 1, 1}};
  es_comm *halves;
  assert_true(par_all(all, es_comm_create_nodes(all->mpi, 2, &halves) == ES_OK));
  for (int i = 0; i < 3 * CASES; i++) { /* copies; one node; nodes of two ranks */
    const int k = i / 3;
    const bool share = i % 3 > 0;
    const es_comm *const c = i % 3 == 2 ? halves : all;
    const es_net_options o = {.max_n = 2 * PAIRS, .sync = c};
    es_backend *b;
    es_net *net = NULL;
    double worst = 0;
    assert_true(par_all(c, es_backend_open("blas", c, 1, &b) == ES_OK));
    es_status st = model_build(b, &o, &spec, &net, NULL);
    if (st == ES_OK) st = train(c, net, k, share, &worst);
    if (c->rank == 0)
      printf("%s on %d ranks: losses, gradient %.1e\n", optim_net_references[k].name,
             c->size, worst);
    es_net_destroy(&net);
    es_backend_close(&b);
    const bool orthogonal = strcmp(optim_net_references[k].name, "muon") == 0;
    assert_true(par_all(c, st == ES_OK && worst < (orthogonal ? 5e-4 : 5e-6)));
  }
  es_comm_destroy(&halves);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(updates_are_those_of_torch),
      cmocka_unit_test(network_learns_as_with_torch),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
