/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_traj_read.c  Reading trajectories: what any number of ranks wrote, any other
 *  number reads; all ranks refuse a damaged or foreign file. For tests/e2e_live_read.sh:
 *
 *    par_traj_read follow FILE ROWS   read again and again until there are ROWS losses */
#include "par.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"
#include "eigenstep/traj.h"
#include "eigenstep/traj_read.h"

enum { K = 5, D = 7, ROWS = 9, SAMPLES = 6 };
#define COVARIANCE "/spectrum/covariance"
#define CROSS "/spectrum/cross_correlation"

static const es_traj_field spectrum[] = {
    ES_TRAJ_VECTOR("eigenvalues", K, "mode", "1", "eigenvalues in descending order"),
    ES_TRAJ_SCALAR("trace", "1", "sum of all eigenvalues"),
    ES_TRAJ_MATRIX("overlap", D, "direction", K, "mode", "1", "overlap with directions")};
static const es_traj_field loss = ES_TRAJ_SCALAR("value", "1", "training loss");
static const es_traj_field pca =
    ES_TRAJ_MATRIX("pca", SAMPLES, "sample", 3, "axis", "1", "axes");
static const es_traj_field column[] = {ES_TRAJ_SCALAR("mode", "1", "number of the mode"),
                                       ES_TRAJ_SCALAR("time", "1", "when it rose")};

/* Value i of a row of step `step`; `group` tells groups apart. */
static double entry(int64_t step, int group, int i) {
  return 1e4 * group + 100.0 * (double) step + i;
}

static es_status append(es_traj *t, const int id[4], int64_t from, int64_t to) {
  double row[K + 1 + D * K];
  for (int64_t s = from; s < to; s++) {
    for (int g = 0; g < 4; g++) {
      if (g > 0 && s % 2) continue; /* every other step is a snapshot */
      for (int i = 0; i < K + 1 + D * K; i++) row[i] = entry(s, g, i);
      ES_TRY(es_traj_append(t, id[g], s, 0.1 * (double) s, row));
    }
  }
  return ES_OK;
}

static es_status write_labels(es_h5 *f) {
  const es_h5_dataset d = {"/embedding/label", ES_H5_I64, 1, {SAMPLES}, 0, "1",
                           "classes"};
  const int64_t label[] = {-1, 0, 1, 2, 3, 4};
  ES_TRY(es_h5_declare(f, &d));
  ES_TRY(es_h5_attr_string(f, d.path, "class_names", "cat dog"));
  return es_h5_write_rows(f, d.path, ES_H5_I64, 0, SAMPLES, label);
}

static es_status write_rest(es_traj *t) {
  es_h5 *const f = es_traj_h5(t);
  const int64_t version[2] = {1, 0};
  const double table[3][2] = {{1, 10.5}, {2, 20.5}, {3, 30.5}};
  const double gamma[] = {0.5, 0.25};
  ES_TRY(es_h5_attr_string(f, "/", "software", "eigenstep"));
  ES_TRY(es_h5_group(f, "/schema", "layout"));
  ES_TRY(es_h5_attr_i64s(f, "/schema", "version", 2, version));
  ES_TRY(es_h5_text(f, "/parameters/text", "[run]\nseed = 1\n", "run.ini"));
  ES_TRY(es_h5_attr_f64(f, "/loss", "norm", 1.5));
  ES_TRY(write_labels(f));
  ES_TRY(es_traj_write_numbers(t, "/theory/gamma", 2, gamma, "1", "rates"));
  return es_traj_write_table(t, &(es_traj_table){.path = "/steps",
                                                 .doc = "when modes rose",
                                                 .column = column,
                                                 .columns = 2,
                                                 .rows = 3,
                                                 .values = &table[0][0]});
}

/* Collective. A short run's file, left open; ids of loss, two matrices, pca. */
static es_status write_run(const es_comm *c, const char *path, es_traj **t, int id[4]) {
  ES_TRY(es_traj_create(c, path, t));
  ES_TRY(es_traj_declare(*t, "/loss", "training loss", &loss, 1, &id[0]));
  ES_TRY(es_traj_declare(*t, COVARIANCE, "spectrum", spectrum, 3, &id[1]));
  ES_TRY(es_traj_declare(*t, CROSS, "spectrum", spectrum, 3, &id[2]));
  ES_TRY(es_traj_declare(*t, "/embedding", "embeddings", &pca, 1, &id[3]));
  ES_TRY(append(*t, id, 0, ROWS));
  ES_TRY(write_rest(*t));
  return es_traj_flush(*t);
}

/* Rows [first, first + n) of a snapshot's series whose row begins at value `at`. */
static bool rows_are(const es_traj_rows *r, int matrix, int64_t first, int64_t n,
                     int at) {
  bool ok = r->n == n;
  for (int64_t i = 0; ok && i < n; i++) {
    const int64_t step = 2 * (first + i);
    ok = r->step[i] == step && r->time[i] == 0.1 * (double) step;
    for (int64_t j = 0; ok && j < r->width; j++)
      ok = r->values[i * r->width + j] == entry(step, matrix, at + (int) j);
  }
  return ok;
}

static bool series_are_read(es_h5 *f) {
  es_traj_rows r = {0};
  bool ok = es_traj_read_series(f, "/loss/value", 0, &r) == ES_OK && r.ndim == 0;
  ok = ok && r.n == ROWS && r.width == 1 && r.step[8] == 8 && r.values[8] == 800;
  es_traj_rows_free(&r);
  ok = ok && es_traj_read_series(f, COVARIANCE "/eigenvalues", 0, &r) == ES_OK;
  ok = ok && r.ndim == 1 && r.dim[0] == K && rows_are(&r, 1, 0, 5, 0);
  es_traj_rows_free(&r);
  ok = ok && es_traj_read_series(f, CROSS "/overlap", 2, &r) == ES_OK;
  ok = ok && r.ndim == 2 && r.dim[0] == D && r.dim[1] == K && r.width == D * K;
  ok = ok && rows_are(&r, 2, 3, 2, K + 1);
  es_traj_rows_free(&r);
  ok = ok && es_traj_read_series(f, COVARIANCE "/trace", 100, &r) == ES_OK;
  ok = ok && rows_are(&r, 1, 0, 5, K);
  es_traj_rows_free(&r);
  return ok;
}

static bool names_are_listed(es_h5 *f) {
  static const char *const expected[] = {"/embedding/pca",          "/loss/value",
                                         COVARIANCE "/eigenvalues", COVARIANCE "/overlap",
                                         COVARIANCE "/trace",       CROSS "/eigenvalues",
                                         CROSS "/overlap",          CROSS "/trace"};
  const int n = sizeof expected / sizeof *expected;
  es_h5_names have = {0};
  bool ok = es_traj_read_list(f, &have) == ES_OK && have.n == n;
  for (int i = 0; ok && i < n; i++) ok = strcmp(have.name[i], expected[i]) == 0;
  es_h5_names_free(&have);
  return ok;
}

static bool rest_is_read(es_h5 *f) {
  es_traj_labels l = {0};
  double *x = NULL, norm = 0;
  char *text = NULL;
  int64_t n = 0;
  bool ok = es_traj_read_numbers(f, "/theory/gamma", &n, &x) == ES_OK && n == 2;
  ok = ok && x[0] == 0.5 && x[1] == 0.25;
  es_free(&x);
  ok = ok && es_traj_read_numbers(f, "/steps/time", &n, &x) == ES_OK && n == 3;
  ok = ok && x[2] == 30.5;
  es_free(&x);
  ok = ok && es_traj_read_numbers(f, CROSS "/overlap", &n, &x) == ES_OK;
  ok = ok && n == 5 * D * K && x[n - 1] == entry(8, 2, K + D * K);
  es_free(&x);
  ok = ok && es_traj_read_labels(f, &l) == ES_OK && l.n == SAMPLES;
  ok = ok && l.label[0] == -1 && l.label[5] == 4 && l.classes == 2;
  ok = ok && !strcmp(l.class_name[0], "cat") && !strcmp(l.class_name[1], "dog");
  es_traj_labels_free(&l);
  ok = ok && es_traj_read_parameters(f, &text) == ES_OK;
  ok = ok && strcmp(text, "[run]\nseed = 1\n") == 0;
  es_free(&text);
  ok = ok && es_h5_get_string(f, "/loss/value", "description", &text) == ES_OK;
  ok = ok && strcmp(text, "training loss") == 0;
  es_free(&text);
  return ok && es_h5_get_f64(f, "/loss", "norm", &norm) == ES_OK && norm == 1.5;
}

/* A file name of this communicator's own in the current folder; nothing there yet. */
static const char *fresh(const es_comm *c) {
  static char path[128];
  long id = (long) getpid();
  es_comm_bcast(c, &id, sizeof id, 0);
  snprintf(path, sizeof path, "tmp_traj_read.%ld.h5", id);
  if (c->rank == 0) unlink(path);
  es_comm_barrier(c);
  return path;
}

static void drop(const es_comm *c, const char *path) {
  es_comm_barrier(c);
  if (c->rank == 0) unlink(path);
}

/* By the ranks that wrote it, and by every rank alone at the same time. */
static void what_was_written_is_read(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c);
  es_traj *t = NULL;
  es_comm *self = NULL;
  int id[4];
  bool ok = write_run(c, path, &t, id) == ES_OK;
  ok = es_traj_close(&t) == ES_OK && ok;
  assert_true(par_all(c, ok && es_comm_create(MPI_COMM_SELF, &self) == ES_OK));
  const es_comm *const reader[] = {c, self};
  for (int i = 0; i < 2; i++) {
    es_h5 *f = NULL;
    assert_true(par_all(c, es_traj_read_open(reader[i], path, &f) == ES_OK));
    assert_true(par_all(c, series_are_read(f)));
    assert_true(par_all(c, names_are_listed(f)));
    assert_true(par_all(c, rest_is_read(f)));
    assert_true(par_all(c, es_h5_close(&f) == ES_OK));
  }
  es_comm_destroy(&self);
  drop(c, path);
}

/* Written by one rank, read by all, while rows wait in the writer's memory; the writer
 * goes on afterwards. */
static void a_run_under_way_is_read(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c);
  es_comm *self = NULL;
  es_traj *t = NULL;
  es_h5 *f = NULL;
  es_traj_rows r = {0};
  int id[4];
  bool ok = es_comm_create(MPI_COMM_SELF, &self) == ES_OK;
  if (c->rank == 0)
    ok = ok && write_run(self, path, &t, id) == ES_OK &&
         append(t, id, ROWS, ROWS + 4) == ES_OK;
  assert_true(par_all(c, ok));
  assert_int_equal(es_traj_read_open(c, path, &f), ES_OK);
  assert_true(par_all(c, series_are_read(f)));
  assert_int_equal(es_h5_close(&f), ES_OK);
  if (c->rank == 0) ok = es_traj_close(&t) == ES_OK;
  assert_true(par_all(c, ok));
  assert_int_equal(es_traj_read_open(c, path, &f), ES_OK);
  ok = es_traj_read_series(f, COVARIANCE "/eigenvalues", 0, &r) == ES_OK &&
       rows_are(&r, 1, 0, 7, 0);
  assert_true(par_all(c, ok));
  es_traj_rows_free(&r);
  assert_int_equal(es_h5_close(&f), ES_OK);
  es_comm_destroy(&self);
  drop(c, path);
}

static void the_followed_matrix_is_found(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c);
  es_traj *t = NULL;
  es_traj_rows r = {0};
  int id[4], only;
  assert_int_equal(write_run(c, path, &t, id), ES_OK);
  es_h5 *const f = es_traj_h5(t);
  assert_int_equal(es_traj_read_followed(f, 0, &r), ES_EFORMAT); /* one of two */
  assert_int_equal(es_h5_attr_string(f, "/spectrum", "followed", CROSS), ES_OK);
  assert_int_equal(es_traj_read_followed(f, 3, &r), ES_OK);
  assert_true(par_all(c, rows_are(&r, 2, 2, 3, 0)));
  es_traj_rows_free(&r);
  assert_int_equal(es_traj_close(&t), ES_OK);
  drop(c, path);
  assert_int_equal(es_traj_create(c, path, &t), ES_OK);
  assert_int_equal(es_traj_declare(t, CROSS, "spectrum", spectrum, 1, &only), ES_OK);
  assert_int_equal(es_traj_read_followed(es_traj_h5(t), 0, &r), ES_OK);
  assert_true(par_all(c, r.n == 0 && r.width == K));
  es_traj_rows_free(&r);
  assert_int_equal(es_traj_close(&t), ES_OK);
  drop(c, path);
}

static void what_is_not_there_is_refused(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c);
  es_traj *t = NULL;
  es_h5 *f = NULL;
  es_traj_rows r;
  double *x = NULL;
  char *text;
  int64_t n = 0;
  int id[4];
  assert_int_equal(write_run(c, path, &t, id), ES_OK);
  assert_int_equal(es_traj_close(&t), ES_OK);
  assert_int_equal(es_traj_read_open(c, path, &f), ES_OK);
  static const char *const none[] = {"/metrics/rankme/value",
                                     "/loss/step",
                                     "/loss/time",
                                     "/steps/time",
                                     "/embedding/label",
                                     "/embedding/axis",
                                     "/loss",
                                     "/",
                                     "",
                                     "loss"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    assert_int_equal(es_traj_read_series(f, none[i], 0, &r), ES_EFORMAT);
  assert_int_equal(es_traj_read_numbers(f, "/theory/tau", &n, &x), ES_EFORMAT);
  assert_int_equal(es_h5_get_string(f, "/loss", "norm", &text), ES_EFORMAT);
  assert_int_equal(es_h5_get_f64(f, "/loss", "description", x), ES_EFORMAT);
  assert_int_equal(es_h5_get_i64s(f, "/schema", "version", 3, &n), ES_EFORMAT);
  assert_false(es_h5_has_attr(f, "/none", "norm") || es_h5_has_attr(f, "/loss", "none"));
  assert_int_equal(es_h5_close(&f), ES_OK);
  drop(c, path);
}

/* Rows that a killed run wrote in part, and zeros that HDF5 filled in. */
static void half_written_rows_are_left_out(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c);
  es_traj *t = NULL;
  es_h5 *f = NULL;
  es_traj_rows r = {0};
  int id[4];
  assert_int_equal(write_run(c, path, &t, id), ES_OK);
  assert_int_equal(es_traj_close(&t), ES_OK);
  assert_int_equal(es_h5_open(c, path, true, &f), ES_OK);
  assert_int_equal(es_h5_resize(f, COVARIANCE "/eigenvalues", 8), ES_OK);
  assert_int_equal(es_h5_resize(f, CROSS "/time", 3), ES_OK);
  static const char *const longer[] = {"/loss/step", "/loss/time", "/loss/value"};
  for (int i = 0; i < 3; i++)
    assert_int_equal(es_h5_resize(f, longer[i], ROWS + 2), ES_OK);
  assert_int_equal(es_traj_read_series(f, COVARIANCE "/eigenvalues", 2, &r), ES_OK);
  assert_true(par_all(c, rows_are(&r, 1, 3, 2, 0)));
  es_traj_rows_free(&r);
  assert_int_equal(es_traj_read_series(f, CROSS "/eigenvalues", 2, &r), ES_OK);
  assert_true(par_all(c, rows_are(&r, 2, 1, 2, 0)));
  es_traj_rows_free(&r);
  assert_int_equal(es_traj_read_series(f, "/loss/value", 0, &r), ES_OK);
  assert_true(par_all(c, r.n == ROWS));
  es_traj_rows_free(&r);
  assert_int_equal(es_h5_close(&f), ES_OK);
  drop(c, path);
}

/* Rank 0 replaces `n` bytes at `at` by 0xff. */
static bool spoil(const es_comm *c, const char *path, long at, int n) {
  bool ok = true;
  if (c->rank == 0) {
    FILE *f = fopen(path, "r+b");
    ok = f != NULL && fseek(f, at, SEEK_SET) == 0;
    for (int i = 0; ok && i < n; i++) ok = fputc(0xff, f) != EOF;
    ok = (f == NULL || fclose(f) == 0) && ok;
  }
  return par_all(c, ok);
}

static void foreign_and_damaged_files_are_refused(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c);
  const int64_t version[2] = {2, 0};
  es_h5 *f = NULL;
  es_traj *t = NULL;
  int id[4];
  assert_int_equal(es_traj_read_open(c, path, &f), ES_EIO); /* none */
  assert_int_equal(es_traj_read_open(c, ".", &f), ES_EIO);
  assert_int_equal(es_h5_create(c, path, &f), ES_OK);
  assert_int_equal(es_h5_close(&f), ES_OK);
  assert_int_equal(es_traj_read_open(c, path, &f), ES_EFORMAT); /* no program named */
  assert_int_equal(es_h5_open(c, path, true, &f), ES_OK);
  assert_int_equal(es_h5_attr_string(f, "/", "software", "another"), ES_OK);
  assert_int_equal(es_h5_close(&f), ES_OK);
  assert_int_equal(es_traj_read_open(c, path, &f), ES_EFORMAT);
  drop(c, path);
  assert_int_equal(write_run(c, path, &t, id), ES_OK);
  assert_int_equal(es_h5_attr_i64s(es_traj_h5(t), "/schema", "version", 2, version),
                   ES_OK);
  assert_int_equal(es_traj_close(&t), ES_OK);
  assert_int_equal(es_traj_read_open(c, path, &f), ES_EFORMAT); /* a later layout */
  assert_true(spoil(c, path, 0, 4));                            /* the signature */
  assert_int_equal(es_traj_read_open(c, path, &f), ES_EIO);
  if (c->rank == 0) assert_int_equal(truncate(path, 5000), 0);
  es_comm_barrier(c);
  assert_int_equal(es_traj_read_open(c, path, &f), ES_EIO);
  assert_null(f);
  drop(c, path);
}

/* Read until the file holds `want` losses: what was read once stays. */
static int follow(const es_comm *c, const char *path, int64_t want) {
  const double deadline = es_now() + 120;
  int64_t seen = 0, reads = 0;
  bool same = true;
  while (seen < want && same && es_now() < deadline) {
    es_h5 *f = NULL;
    es_traj_rows r = {0};
    usleep(20000);
    if (es_traj_read_open(c, path, &f) != ES_OK) continue; /* not yet, or in a flush */
    if (es_traj_read_series(f, "/loss/value", 0, &r) == ES_OK && r.n > 0) {
      same = r.n >= seen && r.step[r.n - 1] == r.n - 1;
      seen = r.n;
      reads++;
    }
    es_traj_rows_free(&r);
    (void) es_h5_close(&f);
  }
  es_print("%lld losses in %lld reads", (long long) seen, (long long) reads);
  return same && seen >= want ? 0 : 1;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_written_is_read),
      cmocka_unit_test(a_run_under_way_is_read),
      cmocka_unit_test(the_followed_matrix_is_found),
      cmocka_unit_test(what_is_not_there_is_refused),
      cmocka_unit_test(half_written_rows_are_left_out),
      cmocka_unit_test(foreign_and_damaged_files_are_refused),
  };
  if (argc < 4 || strcmp(argv[1], "follow") != 0)
    return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
  es_comm *c = NULL;
  MPI_Init(&argc, &argv);
  const es_status st = es_comm_create(MPI_COMM_WORLD, &c);
  if (st == ES_OK) es_log_setup(c->rank, ES_LOG_ERROR, false);
  const int rc = st == ES_OK ? follow(c, argv[2], atoll(argv[3])) : 99;
  es_comm_destroy(&c);
  MPI_Finalize();
  return rc;
}
