/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_rates.c  For every loss that says how it grows: predicted growth of a small
 *  linear model against its flow under the exact gradient of the loss, mode by mode, on
 *  any number of ranks. */
#include <math.h>
#include <string.h>
#include "eigenstep/eig.h"
#include "eigenstep/loss_theory.h"
#include "eigenstep/mem.h"
#include "loss_cases.h"
#include "par.h"

enum { N = 9, M = 5, D = 3 };

/* What losses of directions have embeddings near. */
static const double point[D] = {1.2, -0.5, 2};

/** What a test works on. */
typedef struct rig {
  const es_comm *c;
  es_grid *grid;
  es_pairs p;
  es_loss *loss;
  es_loss_setup setup;
  double point[D];    /**< 0: the start is about no point */
  double noise;       /**< of G in one evaluation */
  double x[2][N * M]; /**< this rank's */
  double g[M * M];    /**< G, replicated */
  es_eigen *e;
  double v[M * M]; /**< columns: its eigenvectors */
} rig;

/** Losses without a growth matrix that follow the cross-correlation: by its rate. */
static bool grows_by_gamma(const es_loss *l) {
  const es_loss_modes m = es_loss_modes_of(l);
  return m.cross && !m.normalize;
}

/** Does this loss say how it grows, and shows it in one evaluation? */
static bool known(const es_loss *l, const es_loss_setup *s) {
  es_loss_linear linear;
  if (!es_loss_has_growth_matrix(l->ops)) return grows_by_gamma(l);
  l->ops->theory->linear(l->par, s, &linear);
  return es_loss_obstacle(l, s) == NULL && linear.noise < 0.02;
}

static double length_of(const double *p) {
  return sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
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

/** Collective. */
static es_status predict(const rig *r, es_dmat **g) {
  const es_loss *const l = r->loss;
  if (es_loss_has_growth_matrix(l->ops))
    return l->ops->theory->growth_matrix(l->par, &r->setup, r->grid, &r->p,
                                         length_of(r->point), g);
  const es_loss_modes m = es_loss_modes_of(l);
  const double half = m.rate / 2 / N; /* of an amplitude, times N Gamma */
  const es_rates_terms plain = {.sum = half, .diff = -half},
                       centred = {.sum_centred = half, .diff_centred = -half};
  return es_rates_matrix(r->grid, &r->p, m.center ? &centred : &plain, g);
}

/** Collective. The loss of a case; ES_EARG: it cannot be made. *wanted: does it say how
 *  it grows? Only then there is more. */
static es_status open_rig(const es_comm *c, const loss_case *k, rig *r, bool *wanted) {
  es_dmat *g = NULL;
  es_loss_linear linear = {0};
  *r = (rig){.c = c, .setup = {.dim = D, .pairs = N, .layers = 1, .optim = "sgd"}};
  load(r);
  r->loss = loss_of(k, c, (int) r->p.n, N, D);
  es_status st = es_comm_agree(c, r->loss != NULL ? ES_OK : ES_EARG);
  *wanted = st == ES_OK && known(r->loss, &r->setup);
  if (!*wanted) return st;
  if (es_loss_has_growth_matrix(r->loss->ops))
    r->loss->ops->theory->linear(r->loss->par, &r->setup, &linear);
  if (linear.point) memcpy(r->point, point, sizeof point);
  r->noise = linear.noise;
  st = es_grid_create(c, 0, &r->grid);
  if (st == ES_OK) st = predict(r, &g);
  if (st == ES_OK) st = es_dmat_gather(g, r->g);
  if (st == ES_OK) st = es_eig_solve("auto", g, 0, &r->e);
  if (st == ES_OK) st = es_dmat_gather(r->e->vector, r->v);
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
      z[v][i] = r->point[i % D];
      for (int j = 0; j < M; j++) z[v][i] += w[i % D * M + j] * r->x[v][i / D * M + j];
    }
  if (es_loss_eval(r->loss,
                   &(es_loss_batch){.n = n, .z = {z[0], z[1]}, .dz = {dz[0], dz[1]}},
                   &value) != ES_OK)
    return NAN;
  memset(out, 0, D * M * sizeof *out);
  for (int v = 0; v < 2; v++)
    for (int i = 0; i < n * D; i++)
      for (int j = 0; j < M; j++) out[i % D * M + j] -= dz[v][i] * r->x[v][i / D * M + j];
  es_comm_sum_f64(r->c, out, D * M);
  return value;
}

/** A unit direction of the output, across the point. */
static void direction(const double *p, double *u) {
  const double length = length_of(p);
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
  direction(r->point, u);
  for (int mode = 0; mode < M; mode++) {
    for (int i = 0; i < D * M; i++) w[i] = size * u[i / M] * r->v[i % M * M + mode];
    const double before = variance(w);
    integrate(r, span / 10, 10, w);
    const double rate = log(variance(w) / before) / span;
    worst = worse(worst, fabs(rate - 2 * r->e->value[mode]) / (2 * top));
  }
  return worst;
}

/** Run f, an error, on every case whose loss says how it grows; each registered loss that
 *  does must be among them. */
static void for_every_loss(const es_comm *c, double (*f)(rig *r), double most) {
  const es_loss_ops *const *list;
  const size_t n = es_loss_list(&list);
  size_t covered = 0, expected = 0;
  for (size_t i = 0; i < n; i++) {
    bool found = false;
    for (int k = 0; k < LOSS_CASES; k++) {
      rig r;
      bool wanted = false;
      if (strcmp(loss_cases[k].name, list[i]->name) != 0) continue;
      const bool opened = open_rig(c, &loss_cases[k], &r, &wanted) == ES_OK;
      const double error = wanted && opened ? f(&r) : opened ? 0 : INFINITY;
      close_rig(&r);
      found = found || wanted;
      if (!(error < most)) print_message("%s, case %d: %g\n", list[i]->name, k, error);
      assert_true(par_all(c, error < most));
    }
    covered += found;
    expected += es_loss_has_growth_matrix(list[i]) || es_loss_has_flow(list[i]);
  }
  assert_true(par_all(c, covered >= expected && expected >= 3));
}

static double largest_rate_error(rig *r) {
  const double error = r->e->value[0] > 0 ? rate_error(r, 1e-7) : INFINITY;
  return r->noise > 0 ? fmax(error - 5 * r->noise, 0) : error;
}

static void modes_grow_as_predicted(void **state) {
  for_every_loss(*state, largest_rate_error, 1e-6);
}

/** Any small W, not only a mode: -dL/dW = W G; about a point only across it. */
static double gradient_error(rig *r) {
  double w[D * M], got[D * M], u[D], worst = 0, top = 0;
  direction(r->point, u);
  for (int i = 0; i < D * M; i++)
    w[i] = 1e-7 *
           (length_of(r->point) > 0 ? u[i / M] * cos(1 + 3 * (i % M)) : cos(1 + 3 * i));
  descend(r, w, got);
  for (int i = 0; i < D * M; i++) {
    double expected = 0;
    for (int j = 0; j < M; j++) expected += w[i / M * M + j] * r->g[j * M + i % M];
    worst = worse(worst, fabs(got[i] - expected));
    top = fmax(top, fabs(expected));
  }
  return r->noise > 0 ? fmax(worst / top - 5 * r->noise, 0) : worst / top;
}

static void gradient_is_w_times_g(void **state) {
  for_every_loss(*state, gradient_error, 1e-6);
}

/** LeJEPA draws K directions q a step; given these, G holds with d S in place of 1 in the
 *  part of SIGReg, S the mean q q': -dL/dW = d S W (G + B) - W B with B the part of the
 *  distance, (1 - weight) D / 2d. */
static void lejepa_flow_given_its_directions(void **state) {
  enum { SLICES = 16384 };
  const loss_case k = {"lejepa", {"slices=16384"}};
  const double weight = 0.02; /* the default */
  rig r;
  bool wanted = false;
  double all[2][N * M], b[M * M] = {0}, s[D * D] = {0}, w[D * M], got[D * M];
  double turned[D * M] = {0}, worst = 0, top = 0;
  assert_int_equal(open_rig(*state, &k, &r, &wanted), ES_OK);
  loss_views(23, N, M, all[0], all[1]);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < M * M; j++)
      b[j] += (1 - weight) / (2 * N * D) *
              (all[0][i * M + j / M] - all[1][i * M + j / M]) *
              (all[0][i * M + j % M] - all[1][i * M + j % M]);
  for (uint32_t i = 0; i < SLICES; i++) {
    es_rng g = es_rng_at(r.loss->seed, ES_STREAM_LOSS, 0, i);
    double q[D], square = 0;
    for (int a = 0; a < D; a++) q[a] = es_rng_normal(&g);
    for (int a = 0; a < D; a++) square += q[a] * q[a];
    for (int a = 0; a < D * D; a++) s[a] += q[a / D] * q[a % D] / square / SLICES;
  }
  for (int i = 0; i < D * M; i++) w[i] = 1e-4 * cos(1 + 3 * i);
  for (int i = 0; i < D * M; i++)
    for (int a = 0; a < D; a++) turned[i] += D * s[i / M * D + a] * w[a * M + i % M];
  descend(&r, w, got);
  for (int i = 0; i < D * M; i++) {
    double expected = 0;
    for (int j = 0; j < M; j++) {
      const int at = j * M + i % M;
      expected += turned[i / M * M + j] * (r.g[at] + b[at]) - w[i / M * M + j] * b[at];
    }
    worst = worse(worst, fabs(got[i] - expected));
    top = fmax(top, fabs(expected));
  }
  close_rig(&r);
  if (!(worst < 1e-4 * top)) print_message("LeJEPA's flow: %g of %g\n", worst, top);
  assert_true(par_all(*state, wanted && worst < 1e-4 * top));
}

/** A vector added to all views neither changes G nor costs digits, where the loss does
 *  not depend on it. */
static double shift_error(rig *r) {
  es_dmat *g = NULL;
  double shifted[M * M], worst = 0, top = 0;
  if (!es_loss_modes_of(r->loss).center) return 0;
  for (int i = 0; i < r->p.n * M; i++)
    for (int v = 0; v < 2; v++) r->x[v][i] += 100 + i % M;
  const bool ok = predict(r, &g) == ES_OK && es_dmat_gather(g, shifted) == ES_OK;
  for (int i = 0; i < M * M; i++) {
    worst = worse(worst, fabs(shifted[i] - r->g[i]));
    top = fmax(top, fabs(r->g[i]));
  }
  es_dmat_destroy(&g);
  return ok ? worst / top : INFINITY;
}

static void shifts_are_invisible(void **state) {
  for_every_loss(*state, shift_error, 1e-10);
}

static double accepts_one_pair(rig *r) {
  es_dmat *g = NULL;
  const bool several = predict(r, &g) == ES_OK;
  es_dmat_destroy(&g);
  r->p.total = 1;
  return several && predict(r, &g) == ES_EARG && g == NULL ? 0 : 1;
}

static void a_single_pair_is_refused(void **state) {
  for_every_loss(*state, accepts_one_pair, 0.5);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(modes_grow_as_predicted),
      cmocka_unit_test(gradient_is_w_times_g),
      cmocka_unit_test(lejepa_flow_given_its_directions),
      cmocka_unit_test(shifts_are_invisible),
      cmocka_unit_test(a_single_pair_is_refused),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
