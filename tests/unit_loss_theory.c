/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_loss_theory.c  What losses say of themselves against the losses themselves:
 *  start, plateaus, finite-batch bias, range. Over all losses in their list and all forms
 *  in loss_cases.h; how they grow is par_rates.c's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "eigenstep/loss_theory.h"
#include "eigenstep/mem.h"
#include "loss_cases.h"

enum { D = 4 };

static es_comm *comm; /* cmocka passes nothing else into a test */

static const es_loss_setup plain = {
    .dim = D, .layers = 1, .optim = "sgd", .lr = 1e-3, .constant_lr = true};

/** A loss of a case, and a setup for it with these pairs. NULL: it has no theory. */
static es_loss *with_theory(int k, int pairs, es_loss_setup *s) {
  es_loss *l = loss_of(&loss_cases[k], comm, pairs, pairs, D);
  assert_non_null(l);
  *s = plain;
  s->pairs = pairs;
  if (l->ops->theory == NULL) es_loss_destroy(&l);
  return l;
}

static double value_of(es_loss *l, int n, const double *z1, const double *z2) {
  double value = NAN;
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = n, .z = {z1, z2}, .dz = {NULL, NULL}},
                   &value),
      ES_OK);
  return value;
}

/** Tiny embeddings; for losses of directions: near one point. */
static void start_is_the_loss_of_tiny_embeddings(void **state) {
  (void) state;
  enum { N = 12 };
  int tested = 0;
  for (int k = 0; k < LOSS_CASES; k++) {
    es_loss_setup s;
    es_loss *l = with_theory(k, N, &s);
    if (l == NULL) continue;
    const double start =
        l->ops->theory->start != NULL ? l->ops->theory->start(l->par, &s) : NAN;
    double z[2][N * D];
    loss_views(3, N, D, z[0], z[1]);
    for (int v = 0; v < 2; v++)
      for (int i = 0; i < N * D; i++)
        z[v][i] = 1e-8 * z[v][i] + (es_loss_modes_of(l).unit ? 1 + i % D : 0);
    const double value = value_of(l, N, z[0], z[1]);
    es_loss_destroy(&l);
    if (isnan(start)) continue;
    tested++;
    if (!(fabs(value - start) < 1e-6 * (1 + fabs(start))))
      fail_msg("case %d: a loss of %.12g, expected %.12g", k, value, start);
  }
  assert_true(tested >= 10);
}

/** Vector k of an orthonormal basis of R^D in whose order any leading span, or that of
 *  pairs alone, has a projector of equal diagonal entries: constant, cosine and sine of a
 *  turn, alternating. */
static double basis(int k, int j) {
  static const double b[D][D] = {
      {1, 1, 1, 1}, {1, 0, -1, 0}, {0, 1, 0, -1}, {1, -1, 1, -1}};
  static const double scale[D] = {0.5, M_SQRT1_2, M_SQRT1_2, 0.5};
  return scale[k] * b[k][j];
}

/** Is vector m of the basis among the k modes of a plateau? */
static bool among(int m, int k) {
  static const bool chosen[D + 1][D] = {
      {0}, {1, 0, 0, 0}, {0, 1, 1, 0}, {1, 1, 1, 0}, {1, 1, 1, 1}};
  return chosen[k][m];
}

/** n = 2^p rows with mean 0 and second moment size x projector on k modes, exactly: mode
 *  m has the m-th Walsh function of one bit as its coordinate. */
static void whitened(int n, int k, double size, double *z) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j < D; j++) {
      double sum = 0;
      for (int m = 0; m < D; m++)
        if (among(m, k)) sum += (i >> m & 1 ? 1 : -1) * basis(m, j);
      z[i * D + j] = sqrt(size) * sum;
    }
}

static bool has_plateau(const es_loss *l, const es_loss_setup *s) {
  double value;
  return l->ops->theory->plateau != NULL &&
         isfinite(l->ops->theory->plateau(l->par, s, 1, &value));
}

/** On k modes of the size it says the loss is what it says, and least in that size. Each
 *  term of k^2 / N is the spectral loss's: it leaves out the pairs themselves. */
static void plateaus_are_the_loss_of_whitened_embeddings(void **state) {
  (void) state;
  enum { N = 1 << 14 };
  double *z = NULL, *dz = NULL;
  int tested = 0;
  assert_int_equal(ES_NEW(N * D, &z), ES_OK);
  assert_int_equal(ES_NEW(2 * N * D, &dz), ES_OK);
  for (int c = 0; c < LOSS_CASES; c++) {
    es_loss_setup s;
    es_loss *l = with_theory(c, N, &s);
    for (int k = 1; l != NULL && has_plateau(l, &s) && k <= D; k++) {
      double size, value = NAN, slope = 0;
      const double expected = l->ops->theory->plateau(l->par, &s, k, &size);
      whitened(N, k, size, z);
      const es_loss_batch b = {.n = N, .z = {z, z}, .dz = {dz, dz + N * D}};
      assert_int_equal(es_loss_eval(l, &b, &value), ES_OK);
      for (int i = 0; i < N * D; i++) slope += z[i] * (dz[i] + dz[N * D + i]);
      const double tolerance = 4.0 * k * k / N;
      if (!(fabs(value - expected) < tolerance && fabs(slope) < tolerance))
        fail_msg("case %d, %d modes: a loss of %.9g, expected %.9g; slope %.3g", c, k,
                 value, expected, slope);
      if (k == D) assert_true(fabs(size - es_loss_modes_of(l).settled) < 1e-12);
      tested++;
    }
    es_loss_destroy(&l);
  }
  es_free(&dz);
  es_free(&z);
  assert_true(tested >= 3 * D);
}

/** Mean over batches of Gaussian embeddings with k modes; 3 % are four standard errors,
 *  and the bias is known to leading order in 1/N. */
static void batches_lie_above_the_plateau(void **state) {
  (void) state;
  enum { N = 16, BATCHES = 20000 };
  int tested = 0;
  for (int c = 0; c < LOSS_CASES; c++) {
    es_loss_setup s;
    es_loss *l = with_theory(c, N, &s);
    if (l == NULL) continue;
    const es_loss_theory *const t = l->ops->theory;
    for (int k = 1; t->batch_bias != NULL && k <= D; k += D - 1) {
      const double bias = t->batch_bias(l->par, &s, k);
      double size, z[N * D], sum = 0;
      if (isnan(bias)) continue;
      const double plateau = t->plateau(l->par, &s, k, &size);
      for (int b = 0; b < BATCHES; b++) {
        es_rng r = es_rng_at(5, ES_STREAM_TEST, (uint64_t) b, 0);
        memset(z, 0, sizeof z);
        for (int i = 0; i < N; i++)
          for (int m = 0; m < D; m++) {
            const double x = es_rng_normal(&r);
            for (int j = 0; j < D && among(m, k); j++)
              z[i * D + j] += sqrt(size) * x * basis(m, j);
          }
        sum += value_of(l, N, z, z) / BATCHES;
      }
      if (!(fabs(sum - plateau - bias) < (0.03 + 1.0 / N) * bias))
        fail_msg("case %d, %d modes: %.4g above the plateau, expected %.4g", c, k,
                 sum - plateau, bias);
      tested++;
    }
    es_loss_destroy(&l);
  }
  assert_true(tested >= 2);
}

/** One mode of the solved flow in the time of the training: it grows at the rate that the
 *  transition detector divides by, from the loss of the start. */
static void flow_has_the_rate_and_the_start(void **state) {
  (void) state;
  const double gamma = 0.7, w[D] = {1e-6, 0, 0, 0}, t = 0.3;
  int tested = 0;
  for (int c = 0; c < LOSS_CASES; c++) {
    es_loss_setup s;
    es_loss *l = with_theory(c, 8, &s);
    if (l == NULL || !es_loss_has_flow(l->ops) || es_loss_obstacle(l, &s) != NULL) {
      es_loss_destroy(&l);
      continue;
    }
    for (int i = 0; i < 2; i++) { /* plain, and with momentum: 1 / (1 - mu) as fast */
      es_loss_flow law;
      es_flow *f = NULL;
      double before[D], after[D], loss, unused;
      s.momentum = i == 0 ? 0 : 0.75;
      s.constant_lr = false; /* gradient flow: no steps to correct for */
      l->ops->theory->flow(l->par, &s, &law);
      assert_int_equal(es_flow_create(D, 1, &gamma, w, &law.options, &f), ES_OK);
      es_flow_at(f, 0, before, &loss);
      es_flow_at(f, t * law.speed, after, &unused);
      const double rate = log(after[0] / before[0]) / t * (1 - s.momentum);
      assert_true(fabs(rate / (es_loss_modes_of(l).rate * gamma) - 1) < 1e-6);
      const double start = l->ops->theory->start(l->par, &s);
      assert_true(fabs(law.scale * loss / start - 1) < 1e-6);
      es_flow_destroy(&f);
    }
    tested++;
    es_loss_destroy(&l);
  }
  assert_true(tested >= 1);
}

static void gamma_means_the_same_everywhere(void **state) {
  (void) state;
  for (int c = 0; c < LOSS_CASES; c++) {
    es_loss_setup s;
    es_loss_linear linear;
    es_loss *l = with_theory(c, 8, &s);
    if (l != NULL && es_loss_has_growth_matrix(l->ops)) {
      l->ops->theory->linear(l->par, &s, &linear);
      assert_true(fabs(es_loss_modes_of(l).rate * linear.unit / 2 - 1) < 1e-15);
      assert_true(linear.small > 0 && linear.small < 1);
    }
    es_loss_destroy(&l);
  }
}

/** Losses that draw directions draw +1 or -1 in one dimension: there -dL/dw = w G in any
 *  single evaluation. Twice the pairs of the features, to tell both numbers apart. */
static void drawn_directions_of_a_line_are_exact(void **state) {
  (void) state;
  enum { N = 9, M = 4, TWICE = 2 * N };
  double x[2][N * M], w[M] = {1e-7, -2e-7, 1.5e-7, 5e-8}, g[M * M];
  int tested = 0;
  loss_views(23, N, M, x[0], x[1]);
  const es_pairs p = {.n = N, .total = N, .m = M, .x = {x[0], x[1]}};
  for (int c = 0; c < LOSS_CASES; c++) {
    es_loss_setup s = plain;
    es_loss_linear linear = {0};
    es_loss *l = loss_of(&loss_cases[c], comm, TWICE, TWICE, 1);
    s.dim = 1;
    s.pairs = TWICE;
    if (l != NULL && es_loss_has_growth_matrix(l->ops)) {
      es_loss_setup wide = s;
      wide.dim = D;
      l->ops->theory->linear(l->par, &wide, &linear);
    }
    if (linear.noise > 0) {
      es_grid *grid = NULL;
      es_dmat *matrix = NULL;
      double z[2][TWICE] = {{0}}, dz[2][TWICE], value, got[M] = {0};
      assert_int_equal(es_grid_create(comm, 0, &grid), ES_OK);
      assert_int_equal(l->ops->theory->growth_matrix(l->par, &s, grid, &p, 1, &matrix),
                       ES_OK);
      assert_int_equal(es_dmat_gather(matrix, g), ES_OK);
      for (int i = 0; i < 2 * TWICE * M; i++)
        z[i / (TWICE * M)][i / M % TWICE] +=
            w[i % M] * x[i / (TWICE * M)][i / M % TWICE % N * M + i % M];
      const es_loss_batch b = {TWICE, {z[0], z[1]}, {dz[0], dz[1]}, 5};
      assert_int_equal(es_loss_eval(l, &b, &value), ES_OK);
      for (int i = 0; i < 2 * TWICE * M; i++)
        got[i % M] -= dz[i / (TWICE * M)][i / M % TWICE] *
                      x[i / (TWICE * M)][i / M % TWICE % N * M + i % M];
      for (int i = 0; i < M; i++) {
        double expected = 0;
        for (int j = 0; j < M; j++) expected += w[j] * g[j * M + i];
        assert_true(fabs(got[i] - expected) < 1e-6 * fabs(expected));
      }
      tested++;
      es_dmat_destroy(&matrix);
      es_grid_destroy(&grid);
    }
    es_loss_destroy(&l);
  }
  assert_true(tested >= 2);
}

static bool refuses(const es_loss *l, es_loss_setup s, const char *word) {
  const char *const why = es_loss_obstacle(l, &s);
  return why != NULL && strstr(why, word) != NULL;
}

/** What no theory describes, whatever the loss. */
static void other_trainings_are_named(void **state) {
  (void) state;
  const es_loss_ops *const *list;
  const size_t n = es_loss_list(&list);
  char names[200], few[12];
  es_loss_names_with_theory(names, sizeof names);
  es_loss_names_with_theory(few, sizeof few);
  assert_memory_equal(names, few, sizeof few - 1);
  for (size_t i = 0; i < n; i++) {
    const loss_case defaults = {list[i]->name, {NULL}};
    es_loss *l = loss_of(&defaults, comm, 8, 8, D);
    assert_non_null(l);
    es_loss_setup s = plain;
    const bool alone = es_loss_modes_move_alone(l, &s);
    const bool some =
        es_loss_has_growth_matrix(l->ops) || es_loss_has_flow(l->ops) || alone;
    assert_true((es_loss_obstacle(l, &s) == NULL) == some);
    assert_true((strstr(names, list[i]->name) != NULL) == some);
    s.layers = 2;
    assert_true(refuses(l, s, "layer"));
    s = plain;
    s.optim = "adamw";
    assert_true(refuses(l, s, "optim.name"));
    s = plain;
    s.precondition = 0.1;
    assert_true(alone ? es_loss_obstacle(l, &s) == NULL
                      : refuses(l, s, "preconditioned"));
    es_loss_destroy(&l);
  }
}

static void barlow_and_simclr_name_their_ranges(void **state) {
  (void) state;
  const struct {
    loss_case k;
    bool bias;
    const char *word; /**< NULL: no obstacle */
  } table[] = {{{"barlow", {NULL}}, true, "bias"},
               {{"barlow", {"center=true"}}, true, NULL},
               {{"barlow", {"normalize=batch"}}, false, "scale of embeddings"},
               {{"simclr", {NULL}}, true, NULL},
               {{"simclr", {"normalize=false"}}, true, "bias"}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    es_loss *l = loss_of(&table[i].k, comm, 8, 8, D);
    es_loss_setup s = plain;
    assert_non_null(l);
    s.bias = table[i].bias;
    if (table[i].word == NULL)
      assert_null(es_loss_obstacle(l, &s));
    else
      assert_true(refuses(l, s, table[i].word));
    es_loss_destroy(&l);
  }
}

/** Growth of an amplitude per step under heavy ball: the larger root of
 *  z^2 - (1 + mu + x) z + mu = 0. */
static double heavy_ball(double mu, double x) {
  const double b = 1 + mu + x;
  return log((b + sqrt(b * b - 4 * mu)) / 2);
}

/** Where modes do not move alone, so that the rule 1 / (1 - mu) is used: where nothing is
 *  said it is right to an eighth; where something is said it is wrong by more than a
 *  twentieth. */
static void momentum_outside_its_range_is_named(void **state) {
  (void) state;
  const loss_case k = {"barlow", {"offdiag=0.5"}}, wide = {"barlow", {"offdiag=3"}};
  const char *text[ES_LOSS_CAUTIONS];
  es_loss *l = loss_of(&k, comm, 8, 8, D);
  int said = 0;
  assert_non_null(l);
  for (int i = 0; i < 40; i++) {
    es_loss_setup s = plain;
    const double gamma = 2;
    s.momentum = i % 2 ? 0.9 : 0.5;
    s.lr = 1e-5 * pow(1.5, i / 2);
    const double x = 4 * s.lr * gamma, exact = heavy_ball(s.momentum, x);
    const double error = log1p(x / (1 - s.momentum)) / exact - 1;
    const int n = es_loss_cautions(l, &s, gamma, text);
    assert_true(n == 0 ? error < 0.125 : error > 0.05);
    if (n > 0) assert_non_null(strstr(text[0], "momentum"));
    said += n;
  }
  es_loss_destroy(&l);
  assert_true(said > 3 && said < 37);
  l = loss_of(&wide, comm, 8, 8, D);
  assert_non_null(l);
  assert_int_equal(es_loss_cautions(l, &plain, 1, text), 1);
  assert_non_null(strstr(text[0], "offdiag"));
  double value;
  assert_true(fabs(l->ops->theory->plateau(l->par, &plain, 1, &value) - (D - 1)) < 1e-12);
  assert_true(value == 1);
  es_loss_destroy(&l);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(start_is_the_loss_of_tiny_embeddings),
      cmocka_unit_test(plateaus_are_the_loss_of_whitened_embeddings),
      cmocka_unit_test(batches_lie_above_the_plateau),
      cmocka_unit_test(flow_has_the_rate_and_the_start),
      cmocka_unit_test(gamma_means_the_same_everywhere),
      cmocka_unit_test(drawn_directions_of_a_line_are_exact),
      cmocka_unit_test(other_trainings_are_named),
      cmocka_unit_test(barlow_and_simclr_name_their_ranges),
      cmocka_unit_test(momentum_outside_its_range_is_named),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
