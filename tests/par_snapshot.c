/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_snapshot.c  Which matrices a snapshot measures and which one it follows, on
 *  any number of ranks; what it writes is what the matrices' own functions give. */
#include "par.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/cov.h"
#include "eigenstep/mem.h"
#include "eigenstep/snapshot.h"

enum { D = 5, N = 23, VIEWS = 2 };
#define COVARIANCE "/spectrum/covariance"
#define CROSS "/spectrum/cross_correlation"
#define UNIT "/spectrum/unit_covariance"

/* This rank's samples, round robin, with their embeddings at a step. */
typedef struct set {
  int64_t row[N], n;
  double z[VIEWS * N * D];
} set;

static es_embedding embed(const es_comm *c, int64_t step, set *s) {
  s->n = 0;
  for (int64_t i = c->rank; i < N; i += c->size) s->row[s->n++] = i;
  for (int v = 0; v < VIEWS; v++)
    for (int64_t i = 0; i < s->n; i++)
      for (int j = 0; j < D; j++) {
        const double x = (double) s->row[i] + 0.3 * v;
        s->z[(v * s->n + i) * D + j] = sin((j + 1.3) * x + j) + 0.1 * j * (double) step;
      }
  return (es_embedding){
      .views = VIEWS, .d = D, .samples = N, .n = s->n, .row = s->row, .z = s->z};
}

/* A file name of this communicator's own in the current folder; nothing there yet. */
static const char *fresh(const es_comm *c) {
  static char path[128];
  long id = (long) getpid();
  es_comm_bcast(c, &id, sizeof id, 0);
  snprintf(path, sizeof path, "tmp_snapshot.%ld.h5", id);
  if (c->rank == 0) unlink(path);
  es_comm_barrier(c);
  return path;
}

static void drop(const es_comm *c, const char *path) {
  es_comm_barrier(c);
  if (c->rank == 0) unlink(path);
}

static es_spectrum_params spectrum(const char *matrices) {
  es_spectrum_params p = {.probe = N};
  snprintf(p.every, sizeof p.every, "1");
  snprintf(p.solver, sizeof p.solver, "auto");
  snprintf(p.matrices, sizeof p.matrices, "%s", matrices);
  snprintf(p.of, sizeof p.of, "embedding");
  snprintf(p.keep, sizeof p.keep, "none");
  snprintf(p.keep_every, sizeof p.keep_every, "log2");
  return p;
}

/* Two snapshots with these options: is `followed` the matrix, and are its eigenvalues the
 * snapshot's? */
static bool follows(const es_grid *g, const char *matrices, const char *loss,
                    const char *followed, bool unit) {
  const es_comm *const c = g->comm;
  const char *path = fresh(c);
  const es_spectrum_params p = spectrum(matrices);
  const es_snapshot_options o = {
      .dim = D, .samples = N, .pairs = true, .center = true, .followed = loss};
  es_traj *t = NULL;
  es_snapshot *s = NULL;
  es_traj_rows r = {0};
  char *name = NULL;
  set x;
  int k = 0;
  bool ok = es_traj_create(c, path, &t) == ES_OK;
  ok = ok && es_snapshot_create(g, t, &p, &o, &s) == ES_OK;
  for (int64_t step = 0; ok && step < 2; step++) {
    const es_embedding e = embed(c, step, &x);
    ok = es_snapshot_take(s, step, 0.5 * (double) step, &e) == ES_OK;
  }
  es_h5 *const f = es_traj_h5(t);
  ok = ok && es_traj_flush(t) == ES_OK &&
       es_h5_get_string(f, "/spectrum", "followed", &name) == ES_OK;
  ok = ok && strcmp(name, followed) == 0 && es_h5_exists(f, UNIT) == unit;
  ok = ok && es_traj_read_followed(f, 1, &r) == ES_OK && r.n == 1 && r.step[0] == 1;
  const double *const value = s ? es_snapshot_values(s, &k) : NULL;
  for (int i = 0; ok && i < D; i++) ok = k == D && value[i] == r.values[i];
  es_traj_rows_free(&r);
  es_free(&name);
  es_snapshot_destroy(&s);
  ok = es_traj_close(&t) == ES_OK && ok;
  drop(c, path);
  return ok;
}

static void the_followed_matrix_is_chosen(void **state) {
  static const char both[] = "covariance, cross", cov[] = "covariance", cross[] = "cross";
  const es_comm *c = *state;
  es_grid *g = NULL;
  assert_int_equal(es_grid_create(c, 0, &g), ES_OK);
  assert_true(par_all(c, follows(g, both, NULL, COVARIANCE, false)));
  assert_true(par_all(c, follows(g, both, "cross", CROSS, false)));
  assert_true(par_all(c, follows(g, both, "unit", UNIT, true)));
  assert_true(par_all(c, follows(g, cov, "cross", COVARIANCE, false)));
  assert_true(par_all(c, follows(g, cov, "unit", UNIT, true)));
  assert_true(par_all(c, follows(g, cross, NULL, CROSS, false)));
  assert_true(par_all(c, follows(g, cross, "unit", CROSS, false)));
  es_grid_destroy(&g);
}

/* Eigenvalues of the covariance of these embeddings, both views. */
static bool solve(const es_grid *g, const es_embedding *e, double *lambda) {
  double z[VIEWS * N * D];
  es_dmat *a = NULL;
  es_eigen *w = NULL;
  memcpy(z, e->z, sizeof(double) * (size_t) (VIEWS * e->n * D));
  bool ok = es_cov_covariance(g, z, VIEWS * e->n, D, 1, &a) == ES_OK;
  ok = ok && es_eig_solve("auto", a, 0, &w) == ES_OK;
  if (ok) memcpy(lambda, w->value, D * sizeof *lambda);
  es_eig_destroy(&w);
  es_dmat_destroy(&a);
  return ok;
}

/* The embeddings stay as they were, and a resumed snapshot knows the rows before. */
static void what_is_taken_is_written(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c);
  const es_spectrum_params p = spectrum("covariance, cross");
  const es_snapshot_options o = {.dim = D, .samples = N, .pairs = true};
  es_grid *g = NULL;
  es_traj *t = NULL;
  es_snapshot *s = NULL;
  set x, before;
  double lambda[D];
  int k;
  assert_int_equal(es_grid_create(c, 0, &g), ES_OK);
  assert_int_equal(es_traj_create(c, path, &t), ES_OK);
  assert_int_equal(es_snapshot_create(g, t, &p, &o, &s), ES_OK);
  const es_embedding e = embed(c, 3, &x);
  embed(c, 3, &before);
  assert_int_equal(es_snapshot_take(s, 3, 1, &e), ES_OK);
  const size_t used = sizeof(double) * (size_t) (VIEWS * x.n * D);
  bool ok = memcmp(x.z, before.z, used) == 0 && solve(g, &e, lambda);
  const double *value = es_snapshot_values(s, &k);
  for (int i = 0; ok && i < D; i++) ok = value[i] == lambda[i];
  assert_true(par_all(c, ok));
  es_snapshot_destroy(&s);
  assert_int_equal(es_traj_close(&t), ES_OK);

  assert_int_equal(es_traj_open(c, path, &t), ES_OK);
  assert_int_equal(es_snapshot_create(g, t, &p, &o, &s), ES_OK);
  assert_int_equal(es_snapshot_replay(s), ES_OK);
  value = es_snapshot_values(s, &k);
  for (int i = 0; ok && i < D; i++) ok = value[i] == lambda[i];
  assert_true(par_all(c, ok));
  assert_int_equal(es_snapshot_take(s, 3, 2, &e), ES_EARG); /* step 3 is there */
  es_snapshot_destroy(&s);
  assert_int_equal(es_traj_close(&t), ES_OK);
  es_grid_destroy(&g);
  drop(c, path);
}

static void wrong_embeddings_are_refused(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c);
  es_spectrum_params p = spectrum("covariance, cross");
  const es_snapshot_options o = {.dim = D, .samples = N, .pairs = true};
  const es_snapshot_options single = {.dim = D, .samples = N};
  es_grid *g = NULL;
  es_traj *t = NULL;
  es_snapshot *s = NULL;
  set x;
  assert_int_equal(es_grid_create(c, 0, &g), ES_OK);
  assert_int_equal(es_traj_create(c, path, &t), ES_OK);
  assert_int_equal(es_snapshot_create(g, t, &p, &o, &s), ES_OK);
  es_embedding e = embed(c, 0, &x);
  e.views = 1;
  assert_int_equal(es_snapshot_take(s, 0, 0, &e), ES_EARG);
  e = embed(c, 0, &x);
  if (c->rank == c->size - 1) x.z[1] = NAN;
  assert_int_equal(es_snapshot_take(s, 0, 0, &e), ES_EMATH);
  e = embed(c, 0, &x);
  assert_int_equal(es_snapshot_take(s, 0, 0, &e), ES_OK);
  es_snapshot_destroy(&s);
  p = spectrum("cross");
  assert_int_equal(es_snapshot_check(&p, &single), ES_ECONFIG); /* no pairs */
  p = spectrum("unit");
  assert_int_equal(es_snapshot_check(&p, &o), ES_ECONFIG); /* the loss's choice */
  assert_int_equal(es_traj_close(&t), ES_OK);
  es_grid_destroy(&g);
  drop(c, path);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_followed_matrix_is_chosen),
      cmocka_unit_test(what_is_taken_is_written),
      cmocka_unit_test(wrong_embeddings_are_refused),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
