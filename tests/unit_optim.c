/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_optim.c  SGD against its formula, schedules, state of an optimiser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "eigenstep/optim.h"
#include "models.h"

enum { COUNT = 6 };

static es_comm *comm; /* cmocka passes nothing else into a test */
static es_backend *backend;

static const float start[COUNT] = {1, -2, 3, 0.5f, 0, 10};
static const float slope[COUNT] = {0.1f, 1, -2, 0, 3, 0.25f};

/** Parameters with the values and gradients above. */
static es_params *make_params(void) {
  es_params *p;
  int index;
  const es_tensor_info v = {.name = "w", .ndim = 1, .dim = {COUNT}, .scale = 1};
  assert_int_equal(es_params_create(backend, &p), ES_OK);
  assert_int_equal(es_params_add(p, &v, &index), ES_OK);
  assert_int_equal(es_params_alloc(p), ES_OK);
  assert_int_equal(es_params_set(p, index, start), ES_OK);
  assert_int_equal(backend->ops->upload(backend, p->grad, slope, COUNT), ES_OK);
  return p;
}

/** Five updates with the same gradient against the formula in double. */
static void check_sgd(double momentum, double decay, bool nesterov) {
  const es_optim_params par = {.name = "sgd",
                               .lr = 0.1,
                               .lr_1d = 1,
                               .momentum = momentum,
                               .weight_decay = decay,
                               .nesterov = nesterov};
  es_params *p = make_params();
  es_optim *o;
  double x[COUNT], m[COUNT] = {0};
  float got[COUNT];
  assert_int_equal(es_optim_create(&par, NULL, p, &o), ES_OK);
  for (int i = 0; i < COUNT; i++) x[i] = start[i];
  for (int step = 0; step < 5; step++) {
    const double lr = 0.1 / (1 + step);
    assert_int_equal(es_optim_update(o, lr), ES_OK);
    for (int i = 0; i < COUNT; i++) {
      const double g = slope[i] + decay * x[i];
      m[i] = momentum * m[i] + g;
      x[i] -= lr * (nesterov ? g + momentum * m[i] : m[i]);
    }
  }
  assert_int_equal(es_params_get(p, 0, got), ES_OK);
  for (int i = 0; i < COUNT; i++)
    assert_true(fabs(got[i] - x[i]) <= 1e-6 * fabs(x[i]) + 1e-7);
  assert_int_equal(o->steps, 5);
  assert_int_equal(o->moments, momentum > 0);
  es_optim_destroy(&o);
  es_params_destroy(&p);
}

static void sgd_follows_its_formula(void **state) {
  (void) state;
  check_sgd(0, 0, false);
  check_sgd(0, 0.01, false);
  check_sgd(0.9, 0, false);
  check_sgd(0.9, 0.01, false);
  check_sgd(0.9, 0.01, true);
}

/** Ranges that make up the whole give the update of the whole, bit by bit. */
static void ranges_make_up_the_whole(void **state) {
  (void) state;
  const es_optim_params par = {
      .name = "sgd", .lr_1d = 1, .momentum = 0.9, .weight_decay = 0.01};
  const es_range own[] = {{4, 2}, {0, 3}, {3, 1}, {6, 0}};
  const es_partition d = {.comm = comm, .n = 4, .range = own, .contributes = true};
  float whole[COUNT], parts[COUNT];
  es_params *p = make_params(), *q = make_params();
  es_optim *a, *b;
  double norm;
  assert_int_equal(es_optim_create(&par, NULL, p, &a), ES_OK);
  assert_int_equal(es_optim_create(&par, NULL, q, &b), ES_OK);
  for (int step = 0; step < 3; step++) {
    assert_int_equal(es_optim_update(a, 0.1), ES_OK);
    assert_int_equal(es_optim_norm(b, &d, &norm), ES_OK);
    assert_int_equal(es_optim_update_part(b, 0.1, &d), ES_OK);
  }
  assert_int_equal(es_params_get(p, 0, whole), ES_OK);
  assert_int_equal(es_params_get(q, 0, parts), ES_OK);
  assert_memory_equal(whole, parts, sizeof whole);
  assert_int_equal(b->steps, 3);
  es_optim_destroy(&a);
  es_optim_destroy(&b);
  es_params_destroy(&p);
  es_params_destroy(&q);
}

static es_status no_dot(es_backend *b, size_t n, const es_buf x, const es_buf y,
                        es_buf64 r) {
  (void) b, (void) n, (void) x, (void) y, (void) r;
  return ES_EINTERNAL;
}

/** LARS has the gradient's norm from the sums of tensors: no pass for it alone. */
static void lars_reads_gradients_once(void **state) {
  (void) state;
  const es_optim_params par = {.name = "lars", .lr_1d = 1, .weight_decay = 0.01};
  const es_range all = {0, COUNT};
  const es_partition whole = {.n = 1, .range = &all};
  const es_backend_ops *const ops = backend->ops;
  es_backend_ops without = *ops;
  es_params *p = make_params();
  es_optim *o;
  float g[COUNT];
  double norm = 0, want = 0;
  without.dot = no_dot;
  assert_int_equal(ops->download(backend, g, p->grad, COUNT), ES_OK);
  for (int i = 0; i < COUNT; i++) want += (double) g[i] * g[i];
  assert_int_equal(es_optim_create(&par, NULL, p, &o), ES_OK);
  backend->ops = &without;
  const es_status st = es_optim_norm(o, &whole, &norm);
  backend->ops = ops;
  assert_int_equal(st, ES_OK);
  assert_true(want > 0 && fabs(norm - sqrt(want)) <= 1e-14 * norm);
  es_optim_destroy(&o);
  es_params_destroy(&p);
}

static void bad_parameters_are_refused(void **state) {
  (void) state;
  es_params *p = make_params();
  es_optim *o = NULL;
  const es_optim_params unknown = {.name = "sgdd"};
  const es_optim_params nesterov = {.name = "sgd", .nesterov = true};
  const es_optim_params momentum = {.name = "adamw", .momentum = 0.9};
  assert_int_equal(es_optim_create(&unknown, NULL, p, &o), ES_ECONFIG);
  assert_int_equal(es_optim_create(&nesterov, NULL, p, &o), ES_ECONFIG);
  assert_int_equal(es_optim_create(&momentum, NULL, p, &o), ES_ECONFIG);
  assert_null(o);
  const es_sched_params none = {.name = "cosinus"};
  const es_sched_ops *ops;
  assert_int_equal(es_sched_find(&none, &ops), ES_ECONFIG);
  es_params_destroy(&p);
}

static double rate(const char *name, int64_t warmup, double final, int64_t step) {
  es_sched_params p = {.warmup = warmup, .final = final};
  const es_sched_ops *ops;
  snprintf(p.name, sizeof p.name, "%s", name);
  assert_int_equal(es_sched_find(&p, &ops), ES_OK);
  return es_sched_lr(ops, &p, 0.5, step, 110);
}

static bool near(double a, double b) {
  return fabs(a - b) < 1e-12;
}

static void schedules(void **state) {
  (void) state;
  assert_true(near(rate("constant", 0, 0, 0), 0.5));
  assert_true(near(rate("constant", 0, 0, 109), 0.5));
  assert_true(near(rate("constant", 10, 0, 0), 0.05));
  assert_true(near(rate("constant", 10, 0, 9), 0.5));
  assert_true(near(rate("cosine", 10, 0.2, 4), 0.25));
  assert_true(near(rate("cosine", 10, 0.2, 10), 0.5));          /* begins at the base */
  assert_true(near(rate("cosine", 10, 0.2, 60), 0.5 * 0.6));    /* half way */
  assert_true(near(rate("cosine", 10, 0.2, 110), 0.5 * 0.2));   /* the end */
  assert_true(near(rate("cosine", 10, 0.2, 200), 0.5 * 0.2));   /* and beyond */
  assert_true(near(rate("cosine", 200, 0.2, 109), 0.5 * 0.55)); /* warm-up only */
}

/** A visitor that keeps up to 64 numbers of every item, or gives them back. */
typedef struct store {
  char names[8][64];
  double kept[8][COUNT];
  int n;
} store;

static es_status keep(es_visitor *v, es_item *item) {
  store *const s = v->ctx;
  const int64_t count = es_item_count(item);
  int at = s->n;
  if (v->loading)
    for (at = 0; at < s->n && strcmp(s->names[at], item->name) != 0; at++) continue;
  if (at == 8 || count > COUNT) return ES_EINTERNAL;
  const size_t bytes = (size_t) (count * es_item_size(item->type));
  if (v->loading) {
    memcpy(item->data, s->kept[at], bytes);
    return at < s->n ? ES_OK : ES_EFORMAT;
  }
  snprintf(s->names[s->n], sizeof s->names[0], "%s", item->name);
  memcpy(s->kept[s->n++], item->data, bytes);
  return ES_OK;
}

/** Three steps, or two with everything stored, thrown away and loaded in between. */
static void run(es_optim_params par, bool interrupted, float out[COUNT]) {
  store s = {.n = 0};
  es_visitor v = {.item = keep, .ctx = &s};
  es_params *p = make_params();
  es_optim *o;
  assert_int_equal(es_optim_create(&par, NULL, p, &o), ES_OK);
  assert_int_equal(es_optim_update(o, 0.1), ES_OK);
  if (interrupted) {
    assert_int_equal(es_params_visit(p, &v), ES_OK);
    assert_int_equal(es_optim_visit(o, &v), ES_OK);
    assert_string_equal(s.names[0], "model/w");
    assert_string_equal(s.names[1], o->moments ? "optim/moment0" : "optim/steps");
    assert_string_equal(s.names[s.n - 1], "optim/steps");
    es_optim_destroy(&o);
    es_params_destroy(&p);
    p = make_params();
    assert_int_equal(es_optim_create(&par, NULL, p, &o), ES_OK);
    v.loading = 1;
    assert_int_equal(es_params_visit(p, &v), ES_OK);
    assert_int_equal(es_optim_visit(o, &v), ES_OK);
    assert_int_equal(o->steps, 1);
  }
  for (int i = 0; i < 2; i++) assert_int_equal(es_optim_update(o, 0.1), ES_OK);
  assert_int_equal(es_params_get(p, 0, out), ES_OK);
  es_optim_destroy(&o);
  es_params_destroy(&p);
}

static void stored_state_continues_exactly(void **state) {
  (void) state;
  const es_optim_params par[] = {{.name = "sgd", .lr_1d = 1, .momentum = 0.9},
                                 {.name = "lars", .lr_1d = 1, .momentum = 0.9},
                                 {.name = "sgd", .lr_1d = 1},
                                 {.name = "lars", .lr_1d = 1},
                                 {.name = "adamw", .lr_1d = 1},
                                 {.name = "muon", .lr_1d = 1, .momentum = 0.9}};
  for (int i = 0; i < 6; i++) {
    float whole[COUNT], resumed[COUNT];
    run(par[i], false, whole);
    run(par[i], true, resumed);
    assert_memory_equal(whole, resumed, sizeof whole);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sgd_follows_its_formula),
      cmocka_unit_test(ranges_make_up_the_whole),
      cmocka_unit_test(lars_reads_gradients_once),
      cmocka_unit_test(bad_parameters_are_refused),
      cmocka_unit_test(schedules),
      cmocka_unit_test(stored_state_continues_exactly),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  if (es_backend_open("blas", comm, 1, &backend) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_backend_close(&backend);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
