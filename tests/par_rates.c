/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_rates.c  Predicted growth of a small linear model against its flow under the
 *  exact gradients of VICReg and NT-Xent, mode by mode, on any number of ranks. */
#include <math.h>
#include <string.h>
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "eigenstep/rates.h"
#include "loss_cases.h"
#include "par.h"

enum { N = 9, M = 5, D = 3 };

/** A loss, its G, and a point that the embeddings lie around. */
typedef struct setting {
  loss_case k;
  double inv, var, eps;       /**< VICReg, inv > 0; else */
  double temperature, factor; /**< NT-Xent */
  double point[D];
} setting;

static const setting settings[] = {
    {.k = {"vicreg", {"eps=0.01"}}, .inv = 25, .var = 25, .eps = 0.01},
    {.k = {"vicreg", {"hinge_half=false", "inv=3", "eps=0.04"}},
     .inv = 3,
     .var = 50,
     .eps = 0.04},
    {.k = {"simclr", {"normalize=false", "temperature=0.2"}},
     .temperature = 0.2,
     .factor = 1},
    {.k = {"simclr", {"normalize=false", "doubled=true"}},
     .temperature = 0.5,
     .factor = 2},
    {.k = {"simclr", {NULL}}, .temperature = 0.5, .factor = 1, .point = {1.2, -0.5, 2}},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

/** What a test works on. */
typedef struct rig {
  const setting *s;
  const es_comm *c;
  es_grid *grid;
  es_pairs p;
  es_loss *loss;
  double x[2][N * M]; /**< this rank's */
  double g[M * M];    /**< G, replicated */
  es_eigen *e;
  double v[M * M]; /**< columns: its eigenvectors */
} rig;

static double length_of(const setting *s) {
  return sqrt(s->point[0] * s->point[0] + s->point[1] * s->point[1] +
              s->point[2] * s->point[2]);
}

/** Shares as equal as possible; ranks beyond the N-th have none. */
static void load(rig *r) {
  double all[2][N * M];
  loss_views(23, N, M, all[0], all[1]);
  es_comm_local_range(r->c, N, &r->p.first, &r->p.n);
  r->p.total = N;
  r->p.m = M;
  for (int v = 0; v < 2; v++) {
    memcpy(r->x[v], all[v] + r->p.first * M, (size_t) (r->p.n * M) * sizeof(double));
    r->p.x[v] = r->x[v];
  }
}

/** Collective. G of the setting without its factor. */
static es_status predict(const rig *r, es_dmat **g) {
  const setting *const s = r->s;
  if (s->inv > 0) return es_rates_vicreg(r->grid, &r->p, D, s->inv, s->var, s->eps, g);
  return es_rates_ntxent(r->grid, &r->p, s->temperature, length_of(s), g);
}

static es_status open_rig(const es_comm *c, const setting *s, rig *r) {
  es_dmat *g = NULL;
  *r = (rig){.s = s, .c = c};
  load(r);
  r->loss = loss_of(&s->k, c, (int) r->p.n, N, D);
  es_status st = es_comm_agree(c, r->loss != NULL ? ES_OK : ES_EARG);
  if (st == ES_OK) st = es_grid_create(c, 0, &r->grid);
  if (st == ES_OK) st = predict(r, &g);
  if (st == ES_OK) st = es_dmat_gather(g, r->g);
  if (st == ES_OK) st = es_eig_solve("auto", g, 0, &r->e);
  if (st == ES_OK) st = es_dmat_gather(r->e->vector, r->v);
  if (s->inv == 0) {
    for (int i = 0; i < M * M; i++) r->g[i] *= s->factor;
    for (int i = 0; i < M && st == ES_OK; i++) r->e->value[i] *= s->factor;
  }
  es_dmat_destroy(&g);
  return st;
}

static void close_rig(rig *r) {
  es_loss_destroy(&r->loss);
  es_eig_destroy(&r->e);
  es_grid_destroy(&r->grid);
}

/** -dL/dW of f(x) = point + W x, W [D, M]. @return L */
static double descend(rig *r, const double *w, double *out) {
  double z[2][N * D], dz[2][N * D], value = NAN;
  const int n = (int) r->p.n;
  for (int v = 0; v < 2; v++)
    for (int i = 0; i < n * D; i++) {
      z[v][i] = r->s->point[i % D];
      for (int j = 0; j < M; j++) z[v][i] += w[i % D * M + j] * r->x[v][i / D * M + j];
    }
  if (es_loss_eval(r->loss, &(es_loss_batch){n, {z[0], z[1]}, {dz[0], dz[1]}}, &value) !=
      ES_OK)
    return NAN;
  memset(out, 0, D * M * sizeof *out);
  for (int v = 0; v < 2; v++)
    for (int i = 0; i < n * D; i++)
      for (int j = 0; j < M; j++) out[i % D * M + j] -= dz[v][i] * r->x[v][i / D * M + j];
  es_comm_sum_f64(r->c, out, D * M);
  return value;
}

/** A unit direction of the output, across the point. */
static void direction(const setting *s, double *u) {
  const double *const p = s->point, length = length_of(s);
  u[0] = length > 0 ? -p[1] : 0.6;
  u[1] = length > 0 ? p[0] : 0;
  u[2] = length > 0 ? 0 : -0.8;
  const double size = sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2]);
  for (int i = 0; i < D; i++) u[i] /= size;
}

/** Classical Runge-Kutta, `steps` of h. */
static void integrate(rig *r, double h, int steps, double *w) {
  enum { SIZE = D * M };
  double k[4][SIZE], at[SIZE];
  static const double reach[] = {0, 0.5, 0.5, 1};
  for (int t = 0; t < steps; t++) {
    for (int q = 0; q < 4; q++) {
      for (int i = 0; i < SIZE; i++)
        at[i] = w[i] + (q > 0 ? reach[q] * h * k[q - 1][i] : 0);
      descend(r, at, k[q]);
    }
    for (int i = 0; i < SIZE; i++)
      w[i] += h / 6 * (k[0][i] + 2 * k[1][i] + 2 * k[2][i] + k[3][i]);
  }
}

/** The only non-zero eigenvalue of W Sigma W' for W of rank one: its trace. */
static double variance(const double *w) {
  double sum[D] = {0}, square = 0;
  double all[2][N * M];
  loss_views(23, N, M, all[0], all[1]);
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < 2 * N; i++)
      for (int a = 0; a < D; a++) {
        double z = 0;
        for (int j = 0; j < M; j++) z += w[a * M + j] * all[i / N][i % N * M + j];
        if (pass == 0)
          sum[a] += z / (2 * N);
        else
          square += (z - sum[a]) * (z - sum[a]);
      }
  return square / (2 * N - 1);
}

/** Largest error of a rate, over the largest rate. */
static double rate_error(rig *r, double size) {
  const double top = fmax(fabs(r->e->value[0]), fabs(r->e->value[M - 1]));
  const double span = 0.5 / top;
  double worst = 0, u[D], w[D * M];
  direction(r->s, u);
  for (int mode = 0; mode < M; mode++) {
    for (int i = 0; i < D * M; i++) w[i] = size * u[i / M] * r->v[i % M * M + mode];
    const double before = variance(w);
    integrate(r, span / 10, 10, w);
    const double rate = log(variance(w) / before) / span;
    worst = worse(worst, fabs(rate - 2 * r->e->value[mode]) / (2 * top));
  }
  return worst;
}

static void modes_grow_as_predicted(void **state) {
  const es_comm *c = *state;
  for (int k = 0; k < SETTINGS; k++) {
    rig r;
    const bool opened = open_rig(c, &settings[k], &r) == ES_OK;
    const double error = opened ? rate_error(&r, 1e-7) : INFINITY;
    const bool positive = opened && r.e->value[0] > 0;
    close_rig(&r);
    if (!(error < 1e-6)) print_message("setting %d: %g\n", k, error);
    assert_true(par_all(c, positive && error < 1e-6));
  }
}

/** Any small W, not only a mode: -dL/dW = W G, and the loss of the start. */
static void gradient_is_w_times_g(void **state) {
  const es_comm *c = *state;
  for (int k = 0; k < 4; k++) { /* without a point */
    const setting *const s = &settings[k];
    rig r;
    double w[D * M], got[D * M], worst = 0, top = 0;
    const bool opened = open_rig(c, s, &r) == ES_OK;
    for (int i = 0; i < D * M; i++) w[i] = 1e-7 * cos(1 + 3 * i);
    const double value = opened ? descend(&r, w, got) : NAN;
    for (int i = 0; i < D * M; i++) {
      double expected = 0;
      for (int j = 0; j < M; j++) expected += w[i / M * M + j] * r.g[j * M + i % M];
      worst = worse(worst, fabs(got[i] - expected));
      top = fmax(top, fabs(expected));
    }
    const double start = s->inv > 0 ? es_rates_vicreg_start(s->var, s->eps)
                                    : s->factor * es_rates_ntxent_start(N);
    close_rig(&r);
    assert_true(par_all(c, worst < 1e-8 * top && fabs(value - start) < 1e-8 * start));
  }
}

/** A vector added to all views does not change G, nor does it cost digits. */
static void shifts_are_invisible(void **state) {
  const es_comm *c = *state;
  for (int k = 0; k < SETTINGS; k += 2) {
    rig r;
    es_dmat *g = NULL;
    double shifted[M * M], worst = 0, top = 0;
    bool ok = open_rig(c, &settings[k], &r) == ES_OK;
    for (int i = 0; i < r.p.n * M; i++)
      for (int v = 0; v < 2; v++) r.x[v][i] += 100 + i % M;
    ok = ok && predict(&r, &g) == ES_OK && es_dmat_gather(g, shifted) == ES_OK;
    const double factor = settings[k].inv > 0 ? 1 : settings[k].factor;
    for (int i = 0; i < M * M; i++) {
      worst = worse(worst, fabs(factor * shifted[i] - r.g[i]));
      top = fmax(top, fabs(r.g[i]));
    }
    es_dmat_destroy(&g);
    close_rig(&r);
    assert_true(par_all(c, ok && worst < 1e-10 * top));
  }
}

static void bad_arguments_are_refused(void **state) {
  const es_comm *c = *state;
  rig r;
  es_dmat *g = NULL;
  bool ok = open_rig(c, &settings[0], &r) == ES_OK;
  ok = ok && es_rates_vicreg(r.grid, &r.p, D, 1, 1, 0, &g) == ES_EARG;
  ok = ok && es_rates_ntxent(r.grid, &r.p, 0, 0, &g) == ES_EARG;
  r.p.total = 1;
  ok = ok && es_rates_ntxent(r.grid, &r.p, 1, 0, &g) == ES_EARG && g == NULL;
  close_rig(&r);
  assert_true(par_all(c, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(modes_grow_as_predicted),
      cmocka_unit_test(gradient_is_w_times_g),
      cmocka_unit_test(shifts_are_invisible),
      cmocka_unit_test(bad_arguments_are_refused),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
