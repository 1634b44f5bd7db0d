/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_bn.c  Batch normalisation synchronised over ranks with uneven shares, the
 *  last rank without any image: the same as one rank with the whole batch.
 *
 *  Tolerance 1e-5 of the largest value: both sides are f32, and runs of rows that are
 *  summed in f32 begin at other rows. The running averages are the same bits on every
 *  rank. */
#include "backends.h"
#include "par.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ops_reference.h"

enum { PAIRS = 11, C = 5, SIDE = 3, IMAGE = C * SIDE * SIDE, ALL = 2 * PAIRS * IMAGE };

/** One BN with what it reads and writes; activations in host order [N, C, H, W]. */
typedef struct rig {
  int n;
  float x[ALL], residual[ALL], dy[ALL], y[ALL], dx[ALL], dresidual[ALL];
  float gain[C], bias[C], dgain[C], dbias[C], mean[C], var[C];
} rig;

/** This rank's pairs: uneven, none for the last of several ranks. */
static void share(const es_comm *c, int *first, int *count) {
  const int takers = c->size > 1 ? c->size - 1 : 1;
  const int heavy = PAIRS - (takers - 1) * 2;
  *count = c->rank == 0 ? heavy : 2;
  *first = c->rank == 0 ? 0 : heavy + (c->rank - 1) * 2;
  if (c->rank >= takers) *first = *count = 0;
}

/** Pairs [first, first + count): their first views, then their second views. */
static void fill(rig *r, int first, int count) {
  memset(r, 0, sizeof *r);
  r->n = 2 * count;
  for (int i = 0; i < r->n * IMAGE; i++) {
    const int view = i / (count * IMAGE), inner = i % (count * IMAGE);
    const uint64_t id = (uint64_t) ((view * PAIRS + first) * IMAGE + inner);
    r->x[i] = (float) (noise(1, id) * (view + 1) + view);
    r->residual[i] = (float) noise(2, id);
    r->dy[i] = (float) noise(3, id);
  }
  for (uint64_t c = 0; c < C; c++) {
    r->gain[c] = (float) (1.5 + noise(4, c));
    r->bias[c] = (float) noise(5, c);
    r->var[c] = 1.0f;
  }
}

static void *there(es_backend *b, es_shape s, int n, const float *v) {
  void *p = NULL;
  const es_act_type t = {s, ES_F32};
  assert_int_equal(b->ops->alloc(b, b->ops->act_bytes(b, t, 2 * PAIRS), "act", &p),
                   ES_OK);
  assert_int_equal(b->ops->act_write(b, t, n, v, p), ES_OK);
  return p;
}

static void back(es_backend *b, es_shape s, int n, void *p, float *v) {
  assert_int_equal(b->ops->act_read(b, (es_act_type){s, ES_F32}, n, p, v), ES_OK);
  b->ops->release(b, &p);
}

/** Collective over sync. Two forwards and a backward: the second forward sees what the
 *  first left. */
static void run(rig *r, const es_comm *sync, const char *backend) {
  const es_shape s = {C, SIDE, SIDE}, v = {C, 1, 1};
  es_backend *b = NULL;
  es_op *op = NULL;
  assert_int_equal(es_backend_open(backend, sync, 1, &b), ES_OK);
  const es_op_desc d = {
      .kind = ES_OP_BN,
      .in = s,
      .out = s,
      .max_n = 2 * PAIRS,
      .need_dx = true,
      .bn = {.residual = true, .relu = true, .eps = 1e-5, .momentum = 0.1, .sync = sync}};
  assert_int_equal(es_op_plan(b, &d, &op), ES_OK);
  const es_op_args a = {.n = r->n,
                        .groups = 2,
                        .x = there(b, s, r->n, r->x),
                        .y = there(b, s, r->n, r->y),
                        .bn.residual = there(b, s, r->n, r->residual),
                        .dx = there(b, s, r->n, r->dx),
                        .dy = there(b, s, r->n, r->dy),
                        .bn.dresidual = there(b, s, r->n, r->dresidual),
                        .param.w = there(b, v, 1, r->gain),
                        .param.b = there(b, v, 1, r->bias),
                        .param.dw = there(b, v, 1, r->dgain),
                        .param.db = there(b, v, 1, r->dbias),
                        .bn.mean = there(b, v, 1, r->mean),
                        .bn.var = there(b, v, 1, r->var)};
  for (int i = 0; i < 2; i++) assert_int_equal(op->forward(op, &a), ES_OK);
  assert_int_equal(op->backward(op, &a), ES_OK);
  back(b, s, r->n, a.x, r->x);
  back(b, s, r->n, a.y, r->y);
  back(b, s, r->n, a.bn.residual, r->residual);
  back(b, s, r->n, a.dx, r->dx);
  back(b, s, r->n, a.dy, r->dy);
  back(b, s, r->n, a.bn.dresidual, r->dresidual);
  back(b, v, 1, a.param.w, r->gain);
  back(b, v, 1, a.param.b, r->bias);
  back(b, v, 1, a.param.dw, r->dgain);
  back(b, v, 1, a.param.db, r->dbias);
  back(b, v, 1, a.bn.mean, r->mean);
  back(b, v, 1, a.bn.var, r->var);
  es_op_destroy(&op);
  es_backend_close(&b);
}

static bool close_to(const float *got, const float *want, int n) {
  for (int i = 0; i < n; i++)
    if (!(fabsf(got[i] - want[i]) <= 1e-5f * (1.0f + fabsf(want[i])))) return false;
  return true;
}

/** Both views of this rank's pairs against their places in the whole batch. */
static bool same_images(const float *mine, const float *all, int first, int count) {
  return close_to(mine, all + first * IMAGE, count * IMAGE) &&
         close_to(mine + count * IMAGE, all + (PAIRS + first) * IMAGE, count * IMAGE);
}

static void check(const es_comm *c, const char *backend) {
  static rig mine, whole;
  int first, count;
  share(c, &first, &count);
  fill(&mine, first, count);
  fill(&whole, 0, PAIRS);
  run(&mine, c, backend);
  run(&whole, NULL, backend);
  es_comm_sum_f32(c, mine.dgain, C);
  es_comm_sum_f32(c, mine.dbias, C);
  assert_true(par_all(c, same_images(mine.y, whole.y, first, count)));
  assert_true(par_all(c, same_images(mine.dx, whole.dx, first, count)));
  assert_true(par_all(c, same_images(mine.dresidual, whole.dresidual, first, count)));
  assert_true(par_all(c, close_to(mine.dgain, whole.dgain, C)));
  assert_true(par_all(c, close_to(mine.dbias, whole.dbias, C)));
  assert_true(par_all(c, close_to(mine.mean, whole.mean, C)));
  assert_true(par_all(c, close_to(mine.var, whole.var, C)));
  assert_int_equal(es_comm_assert_equal(c, mine.mean, sizeof mine.mean, "mean"), ES_OK);
  assert_int_equal(es_comm_assert_equal(c, mine.var, sizeof mine.var, "var"), ES_OK);
}

static void synchronised_bn(void **state) {
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) check(*state, list[i]->name);
}

/** Collective. A name that no rank knows is refused on all of them. */
static void unknown_backend(void **state) {
  const es_comm *c = *state;
  es_backend *b = NULL;
  const bool refused = es_backend_open("none", c, 1, &b) == ES_ECONFIG && b == NULL;
  assert_true(par_all(c, refused));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(synchronised_bn),
      cmocka_unit_test(unknown_backend),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
