/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_ntk_solve.c  What is solved from a kernel is what is known of the linear
 *  model whose kernel it is: growth rates, embeddings, times; for losses with a solved
 *  flow, with a growth matrix, with neither. */
#include "par.h"

#include <math.h>
#include <string.h>
#include "eigenstep/kernel.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "ntk/solve.h"

enum { PAIRS = 20, FURTHER = 6, ALL = PAIRS + FURTHER, M = 12, D = 3, K = 5 };

/* Features of all pairs, view 1 of all, then view 2; what the views share falls with the
 * feature. */
static void make_features(double x[2 * ALL * M]) {
  for (int i = 0; i < ALL; i++) {
    es_rng r = es_rng_at(3, ES_STREAM_TEST, (uint64_t) i, 0);
    for (int j = 0; j < M; j++) {
      const double shared = es_rng_normal(&r) * pow(0.7, j);
      for (int v = 0; v < 2; v++)
        x[(i + v * ALL) * M + j] = shared + 0.1 * es_rng_normal(&r);
    }
  }
}

static double product(void *ctx, int i, int j) {
  const double *const x = ctx;
  double sum = 0;
  for (int k = 0; k < M; k++) sum += x[i * M + k] * x[j * M + k];
  return sum;
}

static void make_weights(double w[D * M]) {
  es_rng r = es_rng_at(4, ES_STREAM_TEST, 0, 0);
  for (int i = 0; i < D * M; i++) w[i] = 1e-4 * es_rng_normal(&r);
}

static double weight(void *ctx, int i, int j) {
  const double *const w = ctx;
  return w[i * M + j];
}

/* The pairs learned from, this rank's. */
static es_status own_pairs(const es_comm *c, const double *x, es_pairs *p) {
  *p = (es_pairs){.total = PAIRS, .m = M};
  es_comm_local_range(c, PAIRS, &p->first, &p->n);
  for (int v = 0; v < 2; v++) {
    ES_TRY(ES_NEW(p->n * M, &p->x[v]));
    memcpy(p->x[v], x + (v * ALL + p->first) * M, (size_t) (p->n * M) * sizeof *x);
  }
  return ES_OK;
}

/* A linear model and what is solved from its kernel. */
typedef struct rig {
  double x[2 * ALL * M], w[D * M], z[2 * ALL * D];
  es_grid *grid;
  es_dmat *theta;
  es_loss *loss;
  es_pairs pairs;
  es_ntk_solution solution;
} rig;

static es_status rig_open(const es_comm *c, const char *name, rig *r) {
  const es_loss_size size = {.n_max = PAIRS, .pairs = PAIRS, .dim = D};
  es_loss_choice which = {.ops = NULL};
  memset(r, 0, sizeof *r);
  make_features(r->x);
  make_weights(r->w);
  for (int i = 0; i < 2 * ALL; i++)
    for (int d = 0; d < D; d++)
      for (int k = 0; k < M; k++) r->z[i * D + d] += r->x[i * M + k] * r->w[d * M + k];
  ES_TRY(es_grid_create(c, 0, &r->grid));
  ES_TRY(es_dmat_create(r->grid, 2 * ALL, 2 * ALL, 0, &r->theta));
  es_dmat_fill(r->theta, product, r->x);
  ES_TRY(es_loss_find(name, &which.ops));
  ES_TRY(es_loss_create(&which, &size, c, &r->loss));
  ES_TRY(es_comm_agree(c, own_pairs(c, r->x, &r->pairs)));
  const es_ntk_problem p = {.grid = r->grid,
                            .theta = r->theta,
                            .fit = PAIRS,
                            .loss = r->loss,
                            .setup = {.dim = D,
                                      .pairs = PAIRS,
                                      .layers = 1,
                                      .optim = "sgd",
                                      .lr = 1e-3,
                                      .constant_lr = true},
                            .z = r->z,
                            .modes = K,
                            .start = true};
  return es_ntk_solve(&p, &r->solution);
}

static void rig_close(rig *r) {
  es_ntk_solution_free(&r->solution);
  es_pairs_free(&r->pairs);
  es_loss_destroy(&r->loss);
  es_dmat_destroy(&r->theta);
  es_grid_destroy(&r->grid);
}

/* |cosine| of rows a and b [n] less their means. */
static double cosine(int n, const double *a, const double *b) {
  double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;
  for (int i = 0; i < n; i++) {
    ma += a[i] / n;
    mb += b[i] / n;
  }
  for (int i = 0; i < n; i++) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
  }
  return fabs(ab) / sqrt(aa * bb);
}

/* Growth rates and embeddings of all points, further ones too, are those of V. */
static bool modes_agree(const rig *r, const double *gamma, const es_dmat *vector) {
  double v[M * M], f[2 * ALL];
  const es_dmat first = es_dmat_first_cols(vector, M);
  if (es_dmat_gather(&first, v) != ES_OK) return false;
  for (int j = 0; j < K; j++) {
    if (!(fabs(r->solution.gamma[j] - gamma[j]) < 1e-9 * gamma[0])) return false;
    for (int i = 0; i < 2 * ALL; i++) {
      f[i] = 0;
      for (int k = 0; k < M; k++) f[i] += r->x[i * M + k] * v[k * M + j];
    }
    if (!(cosine(2 * ALL, f, r->solution.predicted + j * 2 * ALL) > 1 - 1e-9))
      return false;
  }
  return true;
}

static void barlow_is_the_linear_model(void **state) {
  const es_comm *const c = *state;
  rig r;
  es_modes *modes = NULL;
  es_flow *flow = NULL;
  double start[D * M];
  es_loss_flow law;
  assert_true(par_all(c, rig_open(c, "barlow", &r) == ES_OK));
  bool good = !es_loss_modes_of(r.loss).center || es_pairs_center(c, &r.pairs) == ES_OK;
  good = good && es_modes_create(r.grid, &r.pairs, M, "syevd", &modes) == ES_OK;
  assert_true(par_all(c, good));
  assert_true(par_all(c, modes_agree(&r, modes->gamma, modes->vector)));
  /* times of W, small at the start */
  const es_loss_setup setup = {.dim = D, .optim = "sgd", .lr = 1e-3, .constant_lr = true};
  r.loss->ops->theory->flow(r.loss->par, &setup, &law);
  good = es_modes_project(modes, D, weight, r.w, start) == ES_OK;
  double w[D * D];
  for (int i = 0; i < D; i++)
    for (int j = 0; j < D; j++) w[i * D + j] = start[i * M + j];
  good = good && es_flow_create(D, D, modes->gamma, w, &law.options, &flow) == ES_OK;
  for (int j = 0; j < D && good; j++)
    good = fabs(r.solution.tau[j] * law.speed - flow->tau[j]) < 1e-6 * flow->tau[j];
  good = good && isnan(r.solution.tau[D]);
  assert_true(par_all(c, good));
  es_flow_destroy(&flow);
  es_modes_destroy(&modes);
  rig_close(&r);
}

/** Barlow Twins: gamma of K~ = K^(1/2) S K^(1/2) / 2n, of the kernel's theory. */
static void gammas_are_those_of_the_kernel_machine(void **state) {
  const es_comm *const c = *state;
  rig r;
  es_kernel_modes *modes = NULL;
  es_dmat *k = NULL;
  double x[2 * PAIRS * M] = {0}, full[4 * PAIRS * PAIRS];
  assert_true(par_all(c, rig_open(c, "barlow", &r) == ES_OK));
  /* features of the pairs learned from, each view centred if the loss does so */
  bool good = !es_loss_modes_of(r.loss).center || es_pairs_center(c, &r.pairs) == ES_OK;
  for (int v = 0; v < 2; v++)
    memcpy(x + (v * PAIRS + r.pairs.first) * M, r.pairs.x[v],
           (size_t) (r.pairs.n * M) * sizeof *x);
  es_comm_sum_f64(c, x, 2 * PAIRS * M);
  good = good && es_dmat_create(r.grid, 2 * PAIRS, 2 * PAIRS, 0, &k) == ES_OK;
  if (good) es_dmat_fill(k, product, x);
  good = good && es_dmat_gather(k, full) == ES_OK;
  good = good && es_kernel_modes_create(k, &modes) == ES_OK;
  for (int j = 0; j < K && good; j++)
    good = fabs(modes->basis.gamma[j] - r.solution.gamma[j]) < 1e-9;
  assert_true(par_all(c, good));
  es_kernel_modes_destroy(&modes);
  es_dmat_destroy(&k);
  rig_close(&r);
}

static void vicreg_takes_its_growth_matrix(void **state) {
  const es_comm *const c = *state;
  rig r;
  es_dmat *growth = NULL;
  es_eigen *e = NULL;
  es_loss_linear linear;
  const es_loss_setup setup = {.dim = D, .pairs = PAIRS, .optim = "sgd"};
  assert_true(par_all(c, rig_open(c, "vicreg", &r) == ES_OK));
  const es_loss_theory *const theory = r.loss->ops->theory;
  theory->linear(r.loss->par, &setup, &linear);
  bool good =
      theory->growth_matrix(r.loss->par, &setup, r.grid, &r.pairs, 0, &growth) == ES_OK;
  good = good && es_eig_solve("syevd", growth, 0, &e) == ES_OK;
  assert_true(par_all(c, good));
  for (int j = 0; j < M; j++) e->value[j] *= linear.unit;
  assert_true(par_all(c, modes_agree(&r, e->value, e->vector) && r.solution.tau == NULL));
  es_eig_destroy(&e);
  es_dmat_destroy(&growth);
  rig_close(&r);
}

/** Rank 2: the modes that are not there have no rate and are 0. */
static double rank_two(void *ctx, int i, int j) {
  const double *const x = ctx;
  return x[i * M] * x[j * M] + x[i * M + 1] * x[j * M + 1];
}

static double negative(void *ctx, int i, int j) {
  (void) ctx;
  return i == j ? (i == 3 ? -1 : 1) : 0;
}

static void degenerate_kernels(void **state) {
  const es_comm *const c = *state;
  rig r;
  assert_true(par_all(c, rig_open(c, "barlow", &r) == ES_OK));
  es_ntk_problem p = {.grid = r.grid,
                      .theta = r.theta,
                      .fit = PAIRS,
                      .loss = r.loss,
                      .setup = {.dim = D, .pairs = PAIRS, .optim = "sgd", .lr = 1e-3},
                      .z = r.z,
                      .modes = K};
  es_ntk_solution s;
  es_dmat_fill(r.theta, rank_two, r.x);
  bool good = es_ntk_solve(&p, &s) == ES_OK;
  good = good && s.gamma[1] > 0 && isnan(s.gamma[2]) && s.predicted[2 * 2 * ALL] == 0;
  assert_true(par_all(c, good));
  es_ntk_solution_free(&s);
  es_dmat_fill(r.theta, negative, NULL);
  assert_true(par_all(c, es_ntk_solve(&p, &s) == ES_EMATH));
  rig_close(&r);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(barlow_is_the_linear_model),
      cmocka_unit_test(gammas_are_those_of_the_kernel_machine),
      cmocka_unit_test(vicreg_takes_its_growth_matrix),
      cmocka_unit_test(degenerate_kernels)};
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
