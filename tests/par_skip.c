/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_skip.c  Steps whose loss or gradient is not finite: nothing of the model or
 *  of the optimiser changes, on any rank; so many in a row end the run. */
#include "train/train_private.h"
#include "backends.h"
#include "loss_cases.h"
#include "models.h"
#include "par.h"

enum { PAIRS = 12, INPUT = 20, D = 6 };

typedef struct rig {
  const es_comm *c;
  const char *backend;
  bool sync; /**< batch norm over all ranks, which spreads a bad value */
  es_backend *b;
  es_net *net;
  es_params *p;
  es_loss *fair, *huge; /**< the second's gradient is out of reach of single precision */
  es_optim *o;
  es_train *t;
  es_batch batch;
  es_step_result result;
  float x[2 * PAIRS * INPUT];
  int64_t id[PAIRS];
  float *before, *after; /**< value, running averages, moments, one behind the other */
} rig;

static es_status make(rig *r) {
  const loss_case fair = {"barlow", {"normalize=batch"}};
  const loss_case huge = {"barlow", {"scale=1e300"}};
  const model_spec spec = {
      .encoder = "mlp", .hidden = {16}, .widths = {12, D}, .input = {INPUT, 1, 1}};
  const es_net_options o = {.max_n = 2 * PAIRS, .sync = r->sync ? r->c : NULL};
  const es_optim_params adamw = {.name = "adamw", .lr = 0.01, .lr_1d = 1};
  int64_t first, count;
  es_comm_local_range(r->c, PAIRS, &first, &count);
  r->batch = (es_batch){.n = (int) count, .x = r->x, .id = r->id};
  model_normal(5, (uint64_t) r->c->rank, 2 * count * INPUT, r->x);
  for (int i = 0; i < count; i++) r->id[i] = first + i;
  ES_TRY(es_backend_open(r->backend, r->c, 1, &r->b));
  ES_TRY(model_build(r->b, &o, &spec, &r->net, NULL));
  r->p = es_net_params(r->net);
  ES_TRY(es_params_init(r->p, 5));
  r->fair = loss_of(&fair, r->c, PAIRS, PAIRS, D);
  r->huge = loss_of(&huge, r->c, PAIRS, PAIRS, D);
  if (r->fair == NULL || r->huge == NULL) return ES_EINTERNAL;
  ES_TRY(es_optim_create(&adamw, NULL, r->p, &r->o));
  ES_TRY(ES_NEW(3 * r->p->n + r->p->n_state, &r->before));
  ES_TRY(ES_NEW(3 * r->p->n + r->p->n_state, &r->after));
  const es_train_options t = {.layout = es_row_layout_distributed(r->c),
                              .net = r->net,
                              .loss = r->fair,
                              .optim = r->o,
                              .n_max = PAIRS,
                              .groups = 2};
  return es_train_create(&t, &r->t);
}

static void unmake(rig *r) {
  es_train_destroy(&r->t);
  es_free(&r->before);
  es_free(&r->after);
  es_optim_destroy(&r->o);
  es_loss_destroy(&r->fair);
  es_loss_destroy(&r->huge);
  es_net_destroy(&r->net);
  es_backend_close(&r->b);
}

static es_status copy(const rig *r, float *to) {
  const es_backend_ops *const ops = r->b->ops;
  const size_t n = (size_t) r->p->n;
  ES_TRY(ops->download(r->b, to, r->p->value, n));
  ES_TRY(ops->download(r->b, to + n, r->o->moment[0], n));
  ES_TRY(ops->download(r->b, to + 2 * n, r->o->moment[1], n));
  return ops->download(r->b, to + 3 * n, r->p->state, (size_t) r->p->n_state);
}

/** Does a step leave all as it is? */
static bool unchanged(rig *r, es_status want) {
  const int64_t updates = r->o->steps, step = es_train_steps(r->t);
  const double time = es_train_time(r->t);
  const size_t bytes = (size_t) (3 * r->p->n + r->p->n_state) * sizeof(float);
  if (copy(r, r->before) != ES_OK) return false;
  if (es_train_step(r->t, &r->batch, 0.01, &r->result) != want) return false;
  if (copy(r, r->after) != ES_OK) return false;
  return memcmp(r->before, r->after, bytes) == 0 && r->o->steps == updates &&
         es_train_time(r->t) == time && !r->result.updated &&
         es_train_steps(r->t) == step + (want == ES_OK);
}

static bool changes(rig *r) {
  const size_t bytes = (size_t) r->p->n * sizeof(float);
  if (copy(r, r->before) != ES_OK) return false;
  if (es_train_step(r->t, &r->batch, 0.01, &r->result) != ES_OK) return false;
  if (copy(r, r->after) != ES_OK || !isfinite(r->result.loss)) return false;
  return memcmp(r->before, r->after, bytes) != 0 && isfinite(r->result.norm) &&
         r->result.norm > 0 && r->result.updated && r->t->nonfinite.in_row == 0;
}

/** Does the last error of rank 0 say so, and name a rank, but no sample? */
static bool said(const rig *r, const char *what, int rank) {
  char place[32];
  snprintf(place, sizeof place, "on rank %d", rank);
  const char *e = es_log_last_error();
  return r->c->rank != 0 ||
         (strncmp(e, "training diverged at step ", 26) == 0 && strstr(e, what) &&
          strstr(e, place) && strstr(e, "; lower optim.lr") && !strstr(e, "sample"));
}

static void check(const es_comm *c, const char *backend, bool sync) {
  rig r = {.c = c, .backend = backend, .sync = sync};
  const int bad = r.c->size - 1;
  const es_status st = make(&r);
  assert_true(par_all(r.c, st == ES_OK));
  bool ok = changes(&r);
  r.t->nonfinite.limit = 2;
  /* a value of the last rank's first image, which has a pair for up to 12 ranks */
  const float sound = r.x[3];
  if (r.c->rank == bad) r.x[3] = INFINITY;
  ok = unchanged(&r, ES_OK) && r.t->nonfinite.skipped == 1 &&
       r.t->nonfinite.in_row == 1 && ok;
  ok = unchanged(&r, ES_OK) && r.t->nonfinite.skipped == 2 &&
       r.t->nonfinite.in_row == 2 && ok;
  r.x[3] = sound;
  ok = changes(&r) && r.t->nonfinite.skipped == 2 && ok;
  r.t->loss = r.huge; /* finite itself */
  ok = unchanged(&r, ES_OK) && !isfinite(r.result.norm) && r.t->nonfinite.in_row == 1 &&
       ok;
  r.t->nonfinite.limit = 1;
  ok = unchanged(&r, ES_EMATH) && said(&r, ": gradient is ", 0) && ok;
  r.t->loss = r.fair;
  ok = changes(&r) && ok;
  r.t->nonfinite.limit = 0;
  if (r.c->rank == bad) r.x[3] = NAN;
  ok = unchanged(&r, ES_EMATH) && said(&r, ": loss is ", sync ? 0 : bad) && ok;
  unmake(&r);
  assert_true(par_all(r.c, ok));
}

static void steps_without_update(void **state) {
  check(*state, "blas", true);
  check(*state, "blas", false);
  check(*state, backend_far_from_host(), true);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(steps_without_update)};
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
