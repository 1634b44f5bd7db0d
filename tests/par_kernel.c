/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_kernel.c  Kernel machines on any number of ranks: the matrix against the
 *  formula, the identities of the spectrum of K~, and descent in function space against
 *  descent on explicit features, held-out points included. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "kernel_pairs.h"
#include "par.h"

enum { N = 9, NEW = 4, M = 6, D = 3, POINTS = 2 * N, FRESH = 2 * NEW };

static const es_points trained = {0, N}, fresh = {N, NEW};

/* K of the training points and K of training against new points. */
static es_status matrices(const es_grid *g, const es_pairs *p, const char *name,
                          const char *setting, es_dmat **k, es_dmat **k_new) {
  es_kernel *kernel = NULL;
  ES_TRY(make(g->comm, p, N, name, setting, &kernel));
  es_status st = es_kernel_matrix(kernel, g, p, trained, trained, k);
  if (st == ES_OK) st = es_kernel_matrix(kernel, g, p, trained, fresh, k_new);
  es_kernel_destroy(&kernel);
  return st;
}

static double distance(int a, int b, bool new_b) {
  const int of_b = new_b ? NEW : N, first = new_b ? N : 0;
  double sum = 0;
  for (int j = 0; j < M; j++) {
    const double x = sample(a / N, a % N, j) - sample(b / of_b, first + b % of_b, j);
    sum += x * x;
  }
  return sqrt(sum);
}

static void matrix_is_the_formula(void **state) {
  const es_comm *c = *state;
  bool ok = true;
  for (int rows = 1; rows <= c->size; rows++) {
    es_grid *g = NULL;
    es_dmat *k = NULL, *k_new = NULL;
    double full[POINTS * POINTS] = {0}, other[POINTS * FRESH] = {0}, root = 0;
    if (c->size % rows) continue;
    es_pairs p = spread(c, N + NEW, M, sample);
    ok = es_grid_create(c, rows, &g) == ES_OK && ok;
    ok =
        matrices(g, &p, "laplace", "kernel.laplace.width=1.5", &k, &k_new) == ES_OK && ok;
    ok = es_dmat_gather(k, full) == ES_OK && es_dmat_gather(k_new, other) == ES_OK && ok;
    for (int i = 0; i < POINTS; i++) {
      for (int j = 0; j < POINTS; j++) {
        const double d = distance(i, j, false);
        root += d * d / (POINTS * (POINTS - 1.0));
        ok = ok && fabs(full[i * POINTS + j] - exp(-d / 1.5)) < 1e-14;
      }
      for (int j = 0; j < FRESH; j++)
        ok = ok && fabs(other[i * FRESH + j] - exp(-distance(i, j, true) / 1.5)) < 1e-14;
    }
    double got;
    ok = es_points_rms_distance(c, &p, N, &got) == ES_OK &&
         fabs(got - sqrt(root)) < 1e-13 && ok;
    es_dmat_destroy(&k_new);
    es_dmat_destroy(&k);
    es_grid_destroy(&g);
    es_pairs_free(&p);
  }
  assert_true(par_all(c, ok));
}

/* [rows, cols] = A B of small replicated matrices. */
static void times(int rows, int inner, int cols, const double *a, const double *b,
                  double *out) {
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < cols; j++) {
      double sum = 0;
      for (int l = 0; l < inner; l++) sum += a[i * inner + l] * b[l * cols + j];
      out[i * cols + j] = sum;
    }
}

/* With X = K^(-1/2) B: X'K X = I, X'(K S K / 2n) X = diag(gamma), and S K X are
   eigenvectors of S K / 2n with the same eigenvalues. */
static bool identities(const es_dmat *k, const es_kernel_modes *modes) {
  const int n = POINTS, r = modes->basis.k;
  double full[POINTS * POINTS], x[POINTS * POINTS], kx[POINTS * POINTS];
  double skx[POINTS * POINTS], xt[POINTS * POINTS], one[POINTS * POINTS];
  double gram[POINTS * POINTS], image[POINTS * POINTS], worst = 0;
  bool ok = es_dmat_gather(k, full) == ES_OK && es_dmat_gather(modes->dual, x) == ES_OK;
  times(n, n, r, full, x, kx);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < r; j++) {
      skx[i * r + j] = kx[(i + N) % n * r + j];
      xt[j * n + i] = x[i * r + j];
    }
  times(r, n, r, xt, kx, one);
  times(n, n, r, full, skx, gram); /* K S K X */
  times(r, n, r, xt, gram, image); /* X'K S K X */
  const double top = modes->basis.gamma[0];
  for (int i = 0; i < r; i++)
    for (int j = 0; j < r; j++) {
      worst = fmax(worst, fabs(one[i * r + j] - (i == j)));
      const double want = i == j ? modes->basis.gamma[j] : 0;
      worst = fmax(worst, fabs(image[i * r + j] / n - want) / top);
    }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < r; j++) {
      const double got = gram[(i + N) % n * r + j] / n;
      worst = fmax(worst, fabs(got - modes->basis.gamma[j] * skx[i * r + j]) / top);
    }
  return ok && worst < 1e-12;
}

static void spectrum_has_its_identities(void **state) {
  const es_comm *c = *state;
  es_pairs p = spread(c, N + NEW, M, sample);
  es_grid *g = NULL;
  es_dmat *k = NULL, *k_new = NULL;
  es_kernel_modes *modes = NULL, *flat = NULL;
  es_modes *linear = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  ok = matrices(g, &p, "rbf", "kernel.rbf.width=0.8", &k, &k_new) == ES_OK && ok;
  ok = es_kernel_modes_create(k, &modes) == ES_OK && ok;
  ok = modes->dropped == 0 && modes->basis.k == POINTS && identities(k, modes) && ok;
  es_dmat_destroy(&k);
  es_dmat_destroy(&k_new);
  /* the linear kernel has the eigenvalues of Gamma, and a singular matrix */
  es_pairs few = spread(c, N, M, sample);
  ok = matrices(g, &p, "linear", "kernel.linear.scale=1", &k, &k_new) == ES_OK && ok;
  ok = es_kernel_modes_create(k, &flat) == ES_OK && ok;
  ok = es_modes_create(g, &few, 0, "syevd", &linear) == ES_OK && ok;
  ok = flat->basis.k == M && flat->dropped == POINTS - M && identities(k, flat) && ok;
  for (int j = 0; j < M && ok; j++)
    ok = fabs(flat->basis.gamma[j] - linear->gamma[j]) < 1e-13 * linear->gamma[0];
  es_modes_destroy(&linear);
  es_kernel_modes_destroy(&flat);
  es_kernel_modes_destroy(&modes);
  es_dmat_destroy(&k_new);
  es_dmat_destroy(&k);
  es_grid_destroy(&g);
  es_pairs_free(&few);
  es_pairs_free(&p);
  assert_true(par_all(c, ok));
}

/* Features of (x'y / 2 + 1)^2: products, values, a constant. */
enum { QUADRATIC = M * M + M + 1 };
static double quadratic(int v, int i, int j) {
  if (j < M * M) return 0.5 * sample(v, i, j / M) * sample(v, i, j % M);
  return j < M * M + M ? sample(v, i, j - M * M) : 1;
}

/* w [D, m] on the features of n pairs from `first` on -> f [D, 2n], leading
   dimension `stride`. */
static void embed(const double *w, int m, int first, int n, int stride,
                  double (*feature)(int v, int i, int j), double *f) {
  for (int a = 0; a < D; a++)
    for (int x = 0; x < 2 * n; x++) {
      double sum = 0;
      for (int j = 0; j < m; j++) sum += w[a * m + j] * feature(x / n, first + x % n, j);
      f[a * stride + x] = sum;
    }
}

static es_status copy_c(void *ctx, double at, const double *c) {
  (void) at;
  memcpy(ctx, c, D * D * sizeof *c);
  return ES_OK;
}

enum { ALL = POINTS + FRESH };

/* Largest difference over the norm. */
static double difference(const double *a, const double *b) {
  double most = 0, size = 0;
  for (int i = 0; i < D * ALL; i++) {
    most = fmax(most, fabs(a[i] - b[i]));
    size = fmax(size, fabs(b[i]));
  }
  return most / size;
}

/* On the modes: f_0(x) + (w(t) - w(0)) B'K^(-1/2) k(x). start: [D, ALL]. */
static es_status on_modes(const es_dmat *k, const es_dmat *k_new, es_descent o,
                          const double *start, double *f) {
  es_kernel_modes *modes = NULL;
  double f0[D * POINTS], w[D * POINTS], w0[D * POINTS], part[D * ALL];
  for (int a = 0; a < D; a++)
    memcpy(f0 + a * POINTS, start + a * ALL, POINTS * sizeof *f0);
  ES_TRY(es_kernel_modes_create(k, &modes));
  es_status st = es_kernel_weights(modes, D, f0, w0);
  memcpy(w, w0, sizeof w);
  o.m = modes->basis.k;
  o.w = w;
  if (st == ES_OK) st = es_descent_modes(&o, modes->basis.gamma);
  for (int i = 0; i < D * modes->basis.k; i++) w[i] -= w0[i];
  memcpy(f, start, D * ALL * sizeof *f);
  if (st == ES_OK) st = es_kernel_embed(modes, D, w, k, part);
  for (int i = 0; i < D * POINTS; i++) f[i / POINTS * ALL + i % POINTS] += part[i];
  if (st == ES_OK) st = es_kernel_embed(modes, D, w, k_new, part);
  for (int i = 0; i < D * FRESH; i++) f[i / FRESH * ALL + POINTS + i % FRESH] += part[i];
  es_kernel_modes_destroy(&modes);
  return st;
}

/* The same start on features, on the kernel's values, and on its modes. */
static bool agree(const es_comm *c, int m, double (*feature)(int v, int i, int j),
                  const char *name, const char *setting) {
  static const double at[] = {0, 7, 1200}, never[D] = {1e9, 1e9, 1e9};
  es_pairs raw = spread(c, N + NEW, M, sample), p = spread(c, N, m, feature);
  double w[D * QUADRATIC], f[D * ALL], start[D * ALL], want[D * ALL], modes[D * ALL];
  double c1[D * D], c2[D * D], c3[D * D], most = 0;
  es_grid *g = NULL;
  es_dmat *k = NULL, *k_new = NULL;
  es_crossings *crossings[3] = {NULL, NULL, NULL};
  bool ok = es_grid_create(c, 0, &g) == ES_OK;
  ok = matrices(g, &raw, name, setting, &k, &k_new) == ES_OK && ok;
  for (int i = 0; i < D * m; i++) {
    es_rng r = es_rng_at(5, ES_STREAM_TEST, (uint64_t) i, 0);
    w[i] = 1e-2 * es_rng_normal(&r);
  }
  for (int i = 0; i < 3; i++)
    ok = es_crossings_create(D, never, &crossings[i]) == ES_OK && ok;
  embed(w, m, 0, N, ALL, feature, start);
  embed(w, m, N, NEW, ALL, feature, start + POINTS);
  memcpy(f, start, sizeof f);
  es_descent o = {
      .comm = c,
      .d = D,
      .m = m,
      .w = w,
      .lr = 0.02,
      .offdiag = 1,
      .decay = 0.01,
      .observer = {
          .n = 3, .at = at, .crossings = crossings[0], .record = copy_c, .ctx = c1}};
  ok = es_descent_pairs(&o, &p, 0, 1) == ES_OK && ok;
  embed(w, m, 0, N, ALL, feature, want);
  embed(w, m, N, NEW, ALL, feature, want + POINTS);
  o.m = ALL;
  o.w = f;
  o.observer.crossings = crossings[1];
  o.observer.ctx = c2;
  ok = es_descent_kernel(&o, k, k_new) == ES_OK && o.reached == 1200 && ok;
  o.decay = 0; /* weight decay moves the start too, which on_modes leaves alone */
  o.observer.crossings = crossings[2];
  o.observer.ctx = c3;
  ok = difference(f, want) < 2e-8 && ok;
  for (int i = 0; i < D * D; i++) most = fmax(most, fabs(c1[i] - c2[i]));
  ok = most < 2e-8 && ok;
  memcpy(f, start, sizeof f);
  es_crossings_destroy(&crossings[1]);
  ok = es_crossings_create(D, never, &crossings[1]) == ES_OK && ok;
  ok = on_modes(k, k_new, o, start, modes) == ES_OK && ok;
  o.observer.crossings = crossings[1];
  ok = es_descent_kernel(&o, k, k_new) == ES_OK && difference(modes, f) < 2e-8 && ok;
  for (int i = 0; i < 3; i++) es_crossings_destroy(&crossings[i]);
  es_dmat_destroy(&k_new);
  es_dmat_destroy(&k);
  es_grid_destroy(&g);
  es_pairs_free(&p);
  es_pairs_free(&raw);
  return ok;
}

static void function_space_is_feature_space(void **state) {
  const es_comm *c = *state;
  bool ok = agree(c, M, sample, "linear", "kernel.linear.scale=1");
  ok = agree(c, QUADRATIC, quadratic, "polynomial", "kernel.polynomial.scale=0.5") && ok;
  assert_true(par_all(c, ok));
}

static double zero(void *ctx, int i, int j) {
  (void) ctx;
  (void) i;
  (void) j;
  return 0;
}
static double indefinite(void *ctx, int i, int j) {
  (void) ctx;
  return i == j ? 0 : 1;
}

/* Their messages are expected. */
static void wrong_matrices_are_refused(void **state) {
  const es_comm *c = *state;
  es_grid *g = NULL;
  es_dmat *k = NULL;
  es_kernel_modes *modes = NULL;
  bool ok = es_grid_create(c, 0, &g) == ES_OK && es_dmat_create(g, 6, 6, 0, &k) == ES_OK;
  es_dmat_fill(k, zero, NULL);
  ok = es_kernel_modes_create(k, &modes) == ES_EMATH && modes == NULL && ok;
  es_dmat_fill(k, indefinite, NULL);
  ok = es_kernel_modes_create(k, &modes) == ES_EMATH && modes == NULL && ok;
  es_dmat_destroy(&k);
  es_grid_destroy(&g);
  assert_true(par_all(c, ok));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(matrix_is_the_formula),
                                     cmocka_unit_test(spectrum_has_its_identities),
                                     cmocka_unit_test(function_space_is_feature_space),
                                     cmocka_unit_test(wrong_matrices_are_refused)};
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
