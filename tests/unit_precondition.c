/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_precondition.c  Preconditioned gradients: against the matrices they are
 *  made of, and in the linear model against what the theory says of the times. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "eigenstep/mem.h"
#include "eigenstep/precondition.h"
#include "loss_cases.h"

enum { N = 9, D = 4, ND = N * D };

static es_comm *comm; /* cmocka passes nothing else into a test */

static es_precondition *make(const es_loss *l, double eps, bool clip) {
  const es_precondition_params par = {.eps = eps, .clip = clip};
  es_precondition *p = NULL;
  assert_int_equal(es_precondition_create(&par, l, comm, &p), ES_OK);
  return p;
}

/* --- one gradient --- */

/** factor (a less its mean if so)'(b likewise), made symmetric, added to c. */
static void add_moment(const double *a, const double *b, bool center, double factor,
                       double c[D][D]) {
  double mean[2][D] = {{0}};
  for (int i = 0; i < ND && center; i++) {
    mean[0][i % D] += a[i] / N;
    mean[1][i % D] += b[i] / N;
  }
  for (int i = 0; i < N; i++)
    for (int j = 0; j < D; j++)
      for (int k = 0; k < D; k++) {
        const double x = (a[i * D + j] - mean[0][j]) * (b[i * D + k] - mean[1][k]);
        c[j][k] += 0.5 * factor * x;
        c[k][j] += 0.5 * factor * x;
      }
}

static void gradients_times_c_are_the_plain_ones(void **state) {
  (void) state;
  const struct {
    loss_case k;
    bool views, center; /* covariances of the views, or their cross-correlation */
    double divisor;
  } table[] = {{{"barlow", {"symmetrize=false"}}, false, false, N},
               {{"barlow", {"center=true"}}, false, true, N},
               {{"vicreg", {NULL}}, true, true, N - 1},
               {{"spectral", {NULL}}, true, false, N},
               {{"corinfomax", {"normalize=false"}}, true, true, N},
               {{"barlow_logdet", {NULL}}, false, false, N}};
  const double eps = 0.3;
  for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
    double z[2 * ND], plain[2 * ND], g[2 * ND], value, c[D][D] = {{0}}, worst = 0;
    loss_views(8, N, D, z, z + ND);
    for (int a = 0; a < 2 && table[t].views; a++)
      add_moment(z + a * ND, z + a * ND, table[t].center, 0.5 / table[t].divisor, c);
    if (!table[t].views) add_moment(z, z + ND, table[t].center, 1 / table[t].divisor, c);
    for (int j = 0; j < D; j++) c[j][j] += eps;
    es_loss *l = loss_of(&table[t].k, comm, N, N, D);
    es_precondition *p = make(l, eps, true);
    assert_int_equal(
        es_loss_eval(
            l, &(es_loss_batch){.n = N, .z = {z, z + ND}, .dz = {plain, plain + ND}},
            &value),
        ES_OK);
    memcpy(g, plain, sizeof g);
    const int64_t before = es_mem_count();
    assert_int_equal(
        es_precondition_apply(
            p, 0.1, &(es_loss_batch){.n = N, .z = {NULL, NULL}, .dz = {g, g + ND}}),
        ES_OK);
    assert_true(es_mem_count() == before);
    for (int i = 0; i < 2 * N; i++)
      for (int k = 0; k < D; k++) {
        double back = 0;
        for (int j = 0; j < D; j++) back += g[i * D + j] * c[j][k];
        worst = worse(worst, fabs(back - plain[i * D + k]));
      }
    if (!(worst < 1e-11)) fail_msg("%s: %g", table[t].k.name, worst); /* of about 1 */
    es_precondition_destroy(&p);
    es_loss_destroy(&l);
  }
}

/** Of two batches the second is divided by the first one's C. */
static void the_batch_before_divides(void **state) {
  (void) state;
  const loss_case k = {"barlow", {NULL}};
  const double eps = 0.3;
  double z[2][2 * ND], plain[2 * ND], g[2 * ND], value, c[D][D] = {{0}}, worst = 0;
  es_loss *l = loss_of(&k, comm, N, N, D);
  es_precondition *p = make(l, eps, false);
  for (int b = 0; b < 2; b++) {
    loss_views(8 + b, N, D, z[b], z[b] + ND);
    assert_int_equal(
        es_loss_eval(
            l,
            &(es_loss_batch){.n = N, .z = {z[b], z[b] + ND}, .dz = {plain, plain + ND}},
            &value),
        ES_OK);
    memcpy(g, plain, sizeof g);
    assert_int_equal(
        es_precondition_apply(
            p, 0.1, &(es_loss_batch){.n = N, .z = {NULL, NULL}, .dz = {g, g + ND}}),
        ES_OK);
  }
  add_moment(z[0], z[0] + ND, false, 1.0 / N, c);
  for (int j = 0; j < D; j++) c[j][j] += eps;
  for (int i = 0; i < 2 * N; i++)
    for (int m = 0; m < D; m++) {
      double back = 0;
      for (int j = 0; j < D; j++) back += g[i * D + j] * c[j][m];
      worst = worse(worst, fabs(back - plain[i * D + m]));
    }
  assert_true(worst < 1e-11);
  es_precondition_destroy(&p);
  es_loss_destroy(&l);
}

/** C = diag(-1/2, 1): the first gain is 1/eps, not 1/(eps - 1/2). */
static void negative_eigenvalues_count_as_zero(void **state) {
  (void) state;
  const loss_case k = {"barlow", {NULL}};
  const double z1[] = {1, 0, 0, 1}, z2[] = {-1, 0, 0, 2};
  double g[8], plain[8], value;
  es_loss *l = loss_of(&k, comm, 2, 2, 2);
  es_precondition *p = make(l, 0.2, true);
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = 2, .z = {z1, z2}, .dz = {plain, plain + 4}},
                   &value),
      ES_OK);
  memcpy(g, plain, sizeof g);
  assert_int_equal(
      es_precondition_apply(
          p, 0.1, &(es_loss_batch){.n = 2, .z = {NULL, NULL}, .dz = {g, g + 4}}),
      ES_OK);
  assert_true(fabs(plain[0]) > 0.1);
  for (int i = 0; i < 8; i++)
    assert_true(fabs(g[i] - plain[i] / (i % 2 == 0 ? 0.2 : 1.2)) < 1e-14);
  es_precondition_destroy(&p);
  es_loss_destroy(&l);
}

static void without_eps_nothing_changes(void **state) {
  (void) state;
  const loss_case k = {"simclr", {NULL}};
  es_loss *l = loss_of(&k, comm, N, N, D);
  double g[2] = {1, 2};
  es_precondition *p = make(l, 0, true);
  assert_null(p);
  assert_int_equal(
      es_precondition_apply(
          p, 0.1, &(es_loss_batch){.n = 1, .z = {NULL, NULL}, .dz = {g, g + 1}}),
      ES_OK);
  assert_true(g[0] == 1 && g[1] == 2);
  es_precondition_destroy(&p);
  es_loss_destroy(&l);
}

static void losses_without_a_matrix_are_refused_by_name(void **state) {
  (void) state;
  const es_precondition_params par = {.eps = 0.1};
  const loss_case without[] = {{"simclr", {NULL}}, {"wmse", {NULL}}};
  for (int k = 0; k < 2; k++) {
    es_precondition *p = NULL;
    es_loss *l = loss_of(&without[k], comm, N, N, D);
    assert_int_equal(es_precondition_create(&par, l, comm, &p), ES_ECONFIG);
    assert_null(p);
    assert_non_null(strstr(es_log_last_error(), without[k].name));
    es_loss_destroy(&l);
  }
}

/** The caller decides on the loss, which is not finite either. */
static void what_is_not_finite_stays(void **state) {
  (void) state;
  const loss_case k = {"barlow", {NULL}};
  double z[2 * ND], g[2 * ND], plain[2 * ND], value;
  es_loss *l = loss_of(&k, comm, N, N, D);
  es_precondition *p = make(l, 0.1, true);
  loss_views(8, N, D, z, z + ND);
  z[3] = INFINITY;
  assert_int_equal(
      es_loss_eval(l, &(es_loss_batch){.n = N, .z = {z, z + ND}, .dz = {g, g + ND}},
                   &value),
      ES_OK);
  assert_false(isfinite(value));
  memcpy(plain, g, sizeof g);
  assert_int_equal(
      es_precondition_apply(
          p, 0.1, &(es_loss_batch){.n = N, .z = {NULL, NULL}, .dz = {g, g + ND}}),
      ES_OK);
  assert_memory_equal(g, plain, sizeof g);
  es_precondition_destroy(&p);
  es_loss_destroy(&l);
}

/* --- the linear model --- */

/** f(x) = W x on pairs whose Gamma is diag(gamma): pair i is x = x' = sqrt(M gamma_i)
 *  e_i. From W(0) = U s(0), U a reflection, W stays U S: lambda_j = gamma_j |W_j|^2. */
enum { M = 6, MM = M * M };
static const double gammas[M] = {1.0208, 0.6624, 0.4935, 0.3355, 0.2529, 0.15478};

typedef struct model {
  double w[MM], z[MM], dz[2 * MM];
  es_loss *loss;
  es_precondition *p;
  double smallest, largest; /* lambda */
} model;

static void start(model *m, const char *loss, double s, double eps, bool clip) {
  const loss_case k = {loss, {NULL}};
  m->loss = loss_of(&k, comm, M, M, M);
  assert_non_null(m->loss);
  m->p = make(m->loss, eps, clip);
  for (int i = 0; i < MM; i++) m->w[i] = s * ((i % (M + 1) == 0) - 2.0 / M);
}

static void finish(model *m) {
  es_precondition_destroy(&m->p);
  es_loss_destroy(&m->loss);
}

static void step(model *m, double lr) {
  double value;
  for (int i = 0; i < MM; i++)
    m->z[i] = sqrt(M * gammas[i / M]) * m->w[i % M * M + i / M];
  assert_int_equal(
      es_loss_eval(m->loss,
                   &(es_loss_batch){.n = M, .z = {m->z, m->z}, .dz = {m->dz, m->dz + MM}},
                   &value),
      ES_OK);
  assert_int_equal(
      es_precondition_apply(
          m->p, lr,
          &(es_loss_batch){.n = M, .z = {NULL, NULL}, .dz = {m->dz, m->dz + MM}}),
      ES_OK);
  m->smallest = INFINITY;
  m->largest = 0;
  for (int j = 0; j < M; j++) {
    const double x = sqrt(M * gammas[j]);
    double lambda = 0;
    for (int i = 0; i < M; i++) {
      double *const w = &m->w[i * M + j];
      *w -= lr * x * (m->dz[j * M + i] + m->dz[MM + j * M + i]);
      lambda += gammas[j] * *w * *w;
    }
    m->smallest = fmin(m->smallest, lambda);
    m->largest = fmax(m->largest, lambda);
  }
}

/** Time until all lambda exceed `level`. */
static double learned_at(const char *loss, double s, double eps, double lr,
                         double level) {
  model m = {.loss = NULL};
  int64_t steps = 0;
  start(&m, loss, s, eps, true);
  for (; steps < 400000 && !(m.smallest > level && steps > 0); steps++) step(&m, lr);
  finish(&m);
  return (double) steps * lr;
}

/** d lambda/dt = 8 gamma lambda (1 - lambda)/(lambda + eps) takes
 *  t = [eps ln l - (1 + eps) ln(1 - l)]/(8 gamma) between two l. With the start for which
 *  plain descent needs 30.26 that is 6.75, 4.03 and 3.75 until all lambda > 0.99. The
 *  error of finite steps is about half of 4 lr gamma/eps of the short time below eps, and
 *  2 lr gamma for the plain one. */
static void times_of_the_theory(void **state) {
  (void) state;
  const double plain = 30.26, slowest = gammas[M - 1];
  const double s = sqrt(exp(log(99) - 8 * slowest * plain) / slowest);
  const struct {
    double eps, lr, expected;
  } table[] = {
      {0, 2e-3, 30.26}, {1e-1, 1e-3, 6.75}, {1e-2, 2e-4, 4.03}, {1e-3, 5e-5, 3.75}};
  for (int k = 0; k < 4; k++) {
    const double t = learned_at("barlow", s, table[k].eps, table[k].lr, 0.99);
    if (!(fabs(t / table[k].expected - 1) < 0.01))
      fail_msg("eps = %g: %g, expected %g", table[k].eps, t, table[k].expected);
  }
}

/** tr h(C) with h' = (l + eps - 1)/(l + eps) has half that speed and 1 - eps for 1. */
static void log_det_learns_at_once(void **state) {
  (void) state;
  const double eps = 0.1, end = 1 - eps, slowest = gammas[M - 1], s = 1e-5;
  const double from = slowest * s * s, to = 0.99 * end;
  /* (l + eps)/(l (end - l)) = (eps/end)/l + (1 + eps/end)/(end - l) */
  const double expected =
      (eps / end * log(to / from) + (1 + eps / end) * log((end - from) / (end - to))) /
      (4 * slowest);
  const double t = learned_at("barlow_logdet", s, 0, 5e-4, to);
  if (!(fabs(t / expected - 1) < 0.01)) fail_msg("%g, expected %g", t, expected);
}

/** eps = 0.01 with lr gamma_1 = 1/16: the largest eigenvalue would grow 600-fold in a
 *  step. The growth says lr gamma_1, and clipping makes twice that eps; at eps = 0.15
 *  nothing is found wrong. */
static void eps_is_tied_to_the_growth(void **state) {
  (void) state;
  const double lr = 1 / (16 * gammas[0]), eps[] = {0.01, 0.15};
  for (int k = 0; k < 2; k++)
    for (int clip = 0; clip < 2; clip++) {
      model m = {.loss = NULL};
      double over = 0;
      start(&m, "barlow", 3e-3, eps[k], clip);
      for (int i = 0; i < 200; i++) {
        step(&m, lr);
        over = fmax(over, m.largest);
      }
      const double in_force = es_precondition_eps(m.p, lr);
      const double expected = clip && k == 0 ? 2.0 / 16 : eps[k];
      if (!(fabs(in_force / expected - 1) < 0.01)) fail_msg("eps = %g", in_force);
      if (k == 0 && !clip) assert_true(over > 1.5); /* overshoots, */
      if (k == 1 || clip) assert_true(over < 1.5);  /* does not */
      if (k == 1 || clip) assert_true(fabs(m.smallest - 1) < 1e-3);
      finish(&m);
    }
}

static void skipped_steps_teach_nothing(void **state) {
  (void) state;
  const double lr = 1 / (16 * gammas[0]);
  model m = {.loss = NULL};
  start(&m, "barlow", 3e-3, 0.01, true);
  for (int i = 0; i < 40; i++) {
    step(&m, lr);
    es_precondition_forget(m.p);
  }
  es_precondition_forget(NULL);
  assert_true(es_precondition_eps(m.p, lr) == 0.01);
  finish(&m);
}

/* --- state --- */

static double kept[2][MM];
static int items;

static es_status keep(es_visitor *v, es_item *item) {
  assert_true(item->type == ES_ITEM_F64 && es_item_count(item) <= MM);
  double *const data = item->data, *const mine = kept[items++ % 2];
  for (int64_t i = 0; i < es_item_count(item); i++) {
    if (v->loading)
      data[i] = mine[i];
    else
      mine[i] = data[i];
  }
  return ES_OK;
}

static void growth_survives_a_restart(void **state) {
  (void) state;
  const double lr = 1 / (16 * gammas[0]);
  es_visitor save = {.item = keep}, load = {.item = keep, .loading = 1};
  model m = {.loss = NULL};
  start(&m, "barlow", 1e-3, 0.01, true);
  for (int i = 0; i < 20; i++) step(&m, lr);
  assert_int_equal(es_precondition_visit(NULL, &save), ES_OK);
  assert_int_equal(items, 0);
  assert_int_equal(es_precondition_visit(m.p, &save), ES_OK);
  assert_int_equal(items, 2);
  const double expected = es_precondition_eps(m.p, lr);
  es_precondition_destroy(&m.p);
  m.p = make(m.loss, 0.01, true);
  assert_true(es_precondition_eps(m.p, lr) != expected);
  assert_int_equal(es_precondition_visit(m.p, &load), ES_OK);
  assert_true(es_precondition_eps(m.p, lr) == expected);
  finish(&m);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_times_c_are_the_plain_ones),
      cmocka_unit_test(the_batch_before_divides),
      cmocka_unit_test(negative_eigenvalues_count_as_zero),
      cmocka_unit_test(without_eps_nothing_changes),
      cmocka_unit_test(losses_without_a_matrix_are_refused_by_name),
      cmocka_unit_test(what_is_not_finite_stays),
      cmocka_unit_test(times_of_the_theory),
      cmocka_unit_test(log_det_learns_at_once),
      cmocka_unit_test(eps_is_tied_to_the_growth),
      cmocka_unit_test(skipped_steps_teach_nothing),
      cmocka_unit_test(growth_survives_a_restart),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
