/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_traj.c  Trajectories: what is appended by any number of ranks is in the
 * file, labelled. With arguments it writes one for tests/traj_readers.sh:
 *
 *    par_traj sample FILE   a short run
 *    par_traj killed FILE   the same, killed in the middle of the next rows
 *    par_traj fill FILE     flush row after row until the disk is full */
#include "par.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/traj.h"

enum { K = 5, D = 7, ROWS = 9 };

static const es_traj_field spectrum[] = {
    ES_TRAJ_VECTOR("eigenvalues", K, "mode", "1", "eigenvalues in descending order"),
    ES_TRAJ_SCALAR("trace", "1", "sum of all eigenvalues"),
    ES_TRAJ_MATRIX("overlap", D, "direction", K, "mode", "1", "overlap with directions"),
};
static const es_traj_field loss[] = {ES_TRAJ_SCALAR("value", "1", "training loss")};
static const es_traj_field vectors[] = {
    ES_TRAJ_MATRIX("eigenvectors", D, "row", K, "mode", "1", "columns are eigenvectors")};
static const es_traj_field steps[] = {
    ES_TRAJ_SCALAR("mode", "1", "number of the mode"),
    ES_TRAJ_SCALAR("step_measured", "1", "training step at which it rose")};

/** All-reduces of this rank, HDF5's too. */
static int reductions;

int MPI_Allreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm) {
  reductions++;
  return PMPI_Allreduce(from, to, n, type, op, comm);
}

static double entry(int64_t step, int i) {
  return 100.0 * (double) step + i;
}

typedef struct ids {
  int spectrum, loss, vectors;
} ids;

static es_status declare_groups(es_traj *t, ids *id) {
  ES_TRY(
      es_traj_declare(t, "/spectrum/covariance", "spectrum", spectrum, 3, &id->spectrum));
  ES_TRY(es_traj_declare(t, "/loss", "loss", loss, 1, &id->loss));
  return es_traj_declare(t, "/vectors", "vectors", vectors, 1, &id->vectors);
}

static es_status declare(es_traj *t, ids *id) {
  ES_TRY(declare_groups(t, id));
  ES_TRY(es_h5_text(es_traj_h5(t), "/parameters/text", "[run]\nseed = 1\n", "run.ini"));
  return es_h5_attr_string(es_traj_h5(t), "/parameters", "run.seed", "1");
}

/* Rows of steps [from, to); step s of the loss, every other one a spectrum. */
static es_status append(const es_comm *c, es_traj *t, const ids *id, int64_t from,
                        int64_t to) {
  double row[K + 1 + D * K], mine[D * K];
  int64_t first, n;
  es_comm_local_range(c, D, &first, &n);
  for (int64_t s = from; s < to; s++) {
    for (int i = 0; i < K + 1 + D * K; i++) row[i] = entry(s, i);
    ES_TRY(es_traj_append(t, id->loss, s, 0.1 * (double) s, row));
    if (s % 2) continue;
    ES_TRY(es_traj_append(t, id->spectrum, s, 0.1 * (double) s, row));
    for (int i = 0; i < D * K; i++) mine[i] = entry(s, (int) first * K + i);
    const es_traj_part part = {first, n, mine};
    ES_TRY(es_traj_append_part(t, id->vectors, s, 0.1 * (double) s, &part));
  }
  return ES_OK;
}

static es_status write_sample(const es_comm *c, const char *path, es_traj **t, ids *id) {
  const double few[3][2] = {{1, 10}, {2, 20}, {3, 30}}, more[1][2] = {{1, 11}};
  ES_TRY(es_traj_create(c, path, t));
  ES_TRY(declare(*t, id));
  ES_TRY(append(c, *t, id, 0, 4));
  ES_TRY(es_traj_flush(*t));
  es_traj_table table = {"/steps", "when modes rose", steps, 2, 3, &few[0][0]};
  ES_TRY(es_traj_write_table(*t, &table));
  table.rows = 1;
  table.values = &more[0][0];
  ES_TRY(es_traj_write_table(*t, &table));
  ES_TRY(append(c, *t, id, 4, ROWS));
  return es_traj_flush(*t);
}

/* Read everything back; the same on all ranks. */
static bool is_sample(es_h5 *f) {
  enum { T = (ROWS + 1) / 2 };
  double v[ROWS], e[T][K], o[T][D][K], x[T][D][K];
  int64_t s[ROWS];
  es_h5_info info;
  const char *group = "/spectrum/covariance/";
  char path[64];
  bool ok = es_h5_stat(f, "/loss/value", &info) == ES_OK && info.dim[0] == ROWS;
  ok = ok && es_h5_read_rows(f, "/loss/value", ES_H5_F64, 0, ROWS, v) == ES_OK;
  for (int i = 0; ok && i < ROWS; i++) ok = v[i] == entry(i, 0);
  ok = ok && es_h5_read_rows(f, "/loss/step", ES_H5_I64, 0, ROWS, s) == ES_OK;
  for (int i = 0; ok && i < ROWS; i++) ok = s[i] == i;
  snprintf(path, sizeof path, "%seigenvalues", group);
  ok = ok && es_h5_read_rows(f, path, ES_H5_F64, 0, T, e) == ES_OK;
  snprintf(path, sizeof path, "%soverlap", group);
  ok = ok && es_h5_read_rows(f, path, ES_H5_F64, 0, T, o) == ES_OK;
  ok = ok && es_h5_read_rows(f, "/vectors/eigenvectors", ES_H5_F64, 0, T, x) == ES_OK;
  for (int r = 0; ok && r < T; r++) {
    for (int i = 0; ok && i < K; i++) ok = e[r][i] == entry(2 * r, i);
    for (int i = 0; ok && i < D * K; i++) {
      ok = (&o[r][0][0])[i] == entry(2 * r, K + 1 + i);
      ok = ok && (&x[r][0][0])[i] == entry(2 * r, i);
    }
  }
  ok = ok && es_h5_stat(f, "/steps/mode", &info) == ES_OK && info.dim[0] == 1;
  ok = ok && es_h5_read_rows(f, "/steps/step_measured", ES_H5_F64, 0, 1, v) == ES_OK;
  return ok && v[0] == 11;
}

static const char *fresh(const es_comm *c, const char *name) {
  static char path[128];
  long id = (long) getpid();
  es_comm_bcast(c, &id, sizeof id, 0);
  snprintf(path, sizeof path, "tmp_%s.%ld.h5", name, id);
  if (c->rank == 0) unlink(path);
  es_comm_barrier(c);
  return path;
}

static void round_trip(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "traj");
  es_traj *t = NULL;
  es_h5 *f = NULL;
  ids id;
  assert_true(par_all(c, write_sample(c, path, &t, &id) == ES_OK));
  assert_int_equal(es_traj_close(&t), ES_OK);
  assert_null(t);
  assert_int_equal(es_h5_open(c, path, false, &f), ES_OK);
  assert_true(par_all(c, is_sample(f)));
  assert_int_equal(es_h5_close(&f), ES_OK);
  if (c->rank == 0) unlink(path);
}

/* Closing writes what waits; many rows between two flushes are all kept. */
static void many_rows(void **state) {
  const es_comm *c = *state;
  enum { MANY = 10000 };
  const char *path = fresh(c, "many");
  es_traj *t = NULL;
  es_h5 *f = NULL;
  int id = -1;
  assert_int_equal(es_traj_create(c, path, &t), ES_OK);
  assert_int_equal(es_traj_declare(t, "/loss", "loss", loss, 1, &id), ES_OK);
  for (int64_t i = 0; i < MANY; i++) {
    const double x = (double) (i * i);
    assert_int_equal(es_traj_append(t, id, i, 0, &x), ES_OK);
  }
  assert_int_equal(es_traj_close(&t), ES_OK);
  static double x[MANY];
  assert_int_equal(es_h5_open(c, path, false, &f), ES_OK);
  bool ok = es_h5_read_rows(f, "/loss/value", ES_H5_F64, 0, MANY, x) == ES_OK;
  for (int64_t i = 0; i < MANY; i++) ok = ok && x[i] == (double) (i * i);
  assert_true(par_all(c, ok));
  assert_int_equal(es_h5_close(&f), ES_OK);
  if (c->rank == 0) unlink(path);
}

static void refusals(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "bad");
  const es_traj_field nameless = ES_TRAJ_VECTOR("x", 3, NULL, "1", "text");
  const es_traj_field unitless = ES_TRAJ_SCALAR("x", "", "text");
  const es_traj_field other[] = {ES_TRAJ_VECTOR("x", 3, "mode", "1", "text"),
                                 ES_TRAJ_VECTOR("y", 4, "mode", "1", "text")};
  const double x[K + 1 + D * K] = {0};
  es_traj *t = NULL;
  int id = -1, none = -1;
  assert_int_equal(es_traj_create(c, path, &t), ES_OK);
  assert_int_equal(es_traj_declare(t, "/a", "text", &nameless, 1, &none), ES_EARG);
  assert_int_equal(es_traj_declare(t, "/b", "text", &unitless, 1, &none), ES_EARG);
  assert_int_equal(es_traj_declare(t, "/c", "text", other, 2, &none), ES_EARG);
  assert_int_equal(es_traj_declare(t, "/d", "text", other, 0, &none), ES_EARG);
  assert_int_equal(none, -1);
  assert_int_equal(es_traj_declare(t, "/e", "text", spectrum, 3, &id), ES_OK);
  assert_int_equal(es_traj_append(t, id + 1, 0, 0, x), ES_EARG);
  es_traj_part part = {0, D, x};
  assert_int_equal(es_traj_append_part(t, id, 0, 0, &part), ES_EARG);
  assert_int_equal(es_traj_declare(t, "/f", "text", vectors, 1, &id), ES_OK);
  const bool last = c->rank == c->size - 1; /* its share reaches beyond the dimension */
  part = (es_traj_part){D - 1, last ? 2 : 0, x};
  assert_int_equal(es_traj_append_part(t, id, 0, 0, &part), ES_EARG);
  es_h5_info info; /* no half row is left */
  assert_int_equal(es_h5_stat(es_traj_h5(t), "/f/step", &info), ES_OK);
  assert_int_equal(info.dim[0], 0);
  assert_int_equal(es_traj_close(&t), ES_OK);
  assert_int_equal(es_traj_create(c, path, &t), ES_EIO);
  assert_null(t);
  if (c->rank == 0) unlink(path);
}

/* A run that got further than its checkpoint, and wrote one series of a group less far
 * than the others, gives the sample again. */
static void resumed(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "resumed");
  const es_traj_field other = ES_TRAJ_VECTOR("value", 3, "mode", "1", "text");
  es_traj *t = NULL;
  es_traj_rows r;
  es_h5 *f = NULL;
  ids id;
  int none = -1;
  assert_true(par_all(c, write_sample(c, path, &t, &id) == ES_OK));
  assert_false(es_traj_resumed(t));
  assert_int_equal(append(c, t, &id, ROWS, 2 * ROWS), ES_OK);
  assert_int_equal(es_traj_close(&t), ES_OK);
  assert_int_equal(es_h5_open(c, path, true, &f), ES_OK);
  assert_int_equal(es_h5_resize(f, "/spectrum/covariance/trace", 3), ES_OK);
  const int64_t zero = 0; /* as HDF5 fills rows that were dropped and not given up */
  assert_int_equal(es_h5_write_rows(f, "/loss/step", ES_H5_I64, 7, c->rank == 0, &zero),
                   ES_OK);
  assert_int_equal(es_h5_close(&f), ES_OK);

  assert_int_equal(es_traj_open(c, path, &t), ES_OK);
  assert_true(es_traj_resumed(t));
  assert_int_equal(es_traj_declare(t, "/loss", "loss", &other, 1, &none), ES_EFORMAT);
  assert_int_equal(declare_groups(t, &id), ES_OK);
  for (int i = 0; i < es_traj_groups(t); i++)
    assert_int_equal(es_traj_keep(t, i, i == id.loss ? 4 : 5), ES_OK);
  assert_int_equal(es_traj_history(t, id.spectrum, &r), ES_OK);
  bool ok = r.n == 3 && r.width == K;
  for (int i = 0; ok && i < 3; i++)
    ok = r.step[i] == 2 * i && r.time[i] == 0.1 * (2 * i) &&
         r.values[i * K + K - 1] == entry(2 * i, K - 1);
  assert_true(par_all(c, ok));
  es_traj_rows_free(&r);
  assert_int_equal(append(c, t, &id, 5, ROWS), ES_OK);
  assert_int_equal(es_traj_declare(t, "/new", "loss", loss, 1, &none), ES_OK);
  assert_int_equal(es_traj_close(&t), ES_OK);
  assert_int_equal(es_h5_open(c, path, false, &f), ES_OK);
  assert_true(par_all(c, is_sample(f)));
  assert_true(par_all(c, es_h5_exists(f, "/new/value")));
  assert_int_equal(es_h5_close(&f), ES_OK);
  if (c->rank == 0) unlink(path);
  es_comm_barrier(c);
  assert_int_equal(es_traj_open(c, path, &t), ES_EIO);
}

/* What readers find is complete at any instant: it is replaced by whole copies. What a
 * killed run left of its working file is not read. */
static void published(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "published");
  char part[300], got[300];
  es_traj *t = NULL, *again = NULL;
  es_h5 *f = NULL;
  es_h5_info info;
  ids id;
  snprintf(part, sizeof part, "%s.part", path);
  snprintf(got, sizeof got, "%s", path);
  assert_true(par_all(c, write_sample(c, path, &t, &id) == ES_OK));
  assert_int_equal(append(c, t, &id, ROWS, 2 * ROWS), ES_OK);
  assert_int_equal(es_traj_publish(t), ES_OK);
  assert_int_equal(es_h5_open(c, got, false, &f), ES_OK); /* while it is being written */
  assert_int_equal(es_h5_stat(f, "/loss/value", &info), ES_OK);
  assert_int_equal(info.dim[0], 2 * ROWS);
  assert_int_equal(es_h5_close(&f), ES_OK);
  assert_int_equal(es_traj_create(c, got, &again), ES_EIO);
  assert_int_equal(es_traj_close(&t), ES_OK);
  FILE *junk = c->rank == 0 ? fopen(part, "r") : NULL;
  assert_true(par_all(c, junk == NULL));
  if (c->rank == 0) {
    junk = fopen(part, "w");
    if (junk) fputs("what a kill left", junk);
    if (junk) fclose(junk);
  }
  es_comm_barrier(c);
  assert_int_equal(es_traj_open(c, got, &t), ES_OK);
  assert_int_equal(declare_groups(t, &id), ES_OK);
  for (int i = 0; i < es_traj_groups(t); i++)
    assert_int_equal(es_traj_keep(t, i, ROWS - 1), ES_OK);
  assert_int_equal(es_traj_close(&t), ES_OK);
  assert_int_equal(es_h5_open(c, got, false, &f), ES_OK);
  assert_int_equal(es_h5_stat(f, "/loss/value", &info), ES_OK);
  assert_int_equal(info.dim[0], ROWS);
  assert_int_equal(es_h5_close(&f), ES_OK);
  if (c->rank == 0) unlink(got);
}

/* One rank fails before its last two rows, all close: what all have is in the file. */
static void unequal_rows(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "unequal");
  const int mine = c->size > 1 && c->rank == c->size - 1 ? 4 : 6;
  const double x = 1;
  es_traj *t = NULL;
  es_h5 *f = NULL;
  es_h5_info a, b;
  int id[2];
  bool ok = es_traj_create(c, path, &t) == ES_OK;
  ok = ok && es_traj_declare(t, "/a", "first", loss, 1, &id[0]) == ES_OK;
  ok = ok && es_traj_declare(t, "/b", "second", loss, 1, &id[1]) == ES_OK;
  for (int i = 0; i < mine && ok; i++)
    ok = es_traj_append(t, id[i % 2], i, i, &x) == ES_OK;
  assert_true(par_all(c, ok));
  assert_int_equal(es_traj_close(&t), ES_OK);
  assert_int_equal(es_h5_open(c, path, false, &f), ES_OK);
  ok = es_h5_stat(f, "/a/value", &a) == ES_OK && es_h5_stat(f, "/b/value", &b) == ES_OK;
  assert_int_equal(es_h5_close(&f), ES_OK);
  assert_true(ok && a.dim[0] == (c->size > 1 ? 2 : 3) && b.dim[0] == a.dim[0]);
  if (c->rank == 0) unlink(path);
}

/* Until the disk is full: the same error on all ranks, no hang, a file that closes. */
static bool fill(const es_comm *c, const char *path) {
  const es_traj_field wide[] = {ES_TRAJ_VECTOR("x", 4000, "mode", "1", "text")};
  static double x[4000];
  es_traj *t = NULL;
  int id = -1;
  es_status st = es_traj_create(c, path, &t);
  if (st == ES_OK) st = es_traj_declare(t, "/wide", "wide rows", wide, 1, &id);
  for (int64_t i = 0; st == ES_OK && i < 100000; i++) {
    st = es_traj_append(t, id, i, 0, x);
    if (st == ES_OK) st = es_traj_flush(t);
  }
  const es_status closed = es_traj_close(&t);
  return par_all(c, st == ES_EIO && closed == ES_OK);
}

enum { MANY = 12 };

/** Ranks agree once on what one of them alone can know: on the disk's room for some
 *  hundred declarations, on a group's memory, on the rows of a flush; not in each call.
 */
static void agreements(void **state) {
  const es_comm *const c = *state;
  es_traj_field field[MANY];
  char name[MANY][16], path[64];
  double row[MANY] = {0};
  long id = (long) getpid();
  es_traj *t = NULL;
  int group[2] = {0};
  es_comm_bcast(c, &id, sizeof id, 0);
  snprintf(path, sizeof path, "tmp_agree.%ld.h5", id);
  for (int i = 0; i < MANY; i++) {
    snprintf(name[i], sizeof name[i], "field%d", i);
    field[i] = (es_traj_field) ES_TRAJ_SCALAR(name[i], "1", "a number");
  }
  bool ok = es_traj_create(c, path, &t) == ES_OK;
  reductions = 0;
  ok = ok && es_traj_declare(t, "/a", "group", field, MANY, &group[0]) == ES_OK;
  ok = ok && es_traj_declare(t, "/b", "group", field, MANY, &group[1]) == ES_OK;
  const int declared = reductions;
  reductions = 0;
  for (int i = 0; i < 10 && ok; i++)
    ok = es_traj_append(t, group[i % 2], i, i, row) == ES_OK;
  ok = ok && es_traj_flush(t) == ES_OK;
  const int flushed = reductions;
  if (c->rank == 0)
    print_message("%d ranks: %d all-reduces to declare, %d to flush %d series\n", c->size,
                  declared, flushed, 2 * MANY);
  ok = es_traj_close(&t) == ES_OK && ok;
  if (c->rank == 0) remove(path);
  assert_true(par_all(c, ok));
  assert_true(par_all(c, declared <= MANY));
  assert_true(par_all(c, flushed <= 2 * (2 * MANY + 4) + 8)); /* two of HDF5 a series */
}

static int write_file(const es_comm *c, const char *what, const char *path) {
  es_traj *t = NULL;
  ids id;
  es_log_setup(c->rank, ES_LOG_INFO, false);
  if (!strcmp(what, "fill")) return !fill(c, path);
  if (!par_all(c, write_sample(c, path, &t, &id) == ES_OK)) return 1;
  if (!strcmp(what, "sample")) return es_traj_close(&t) != ES_OK;
  if (es_traj_publish(t) != ES_OK) return 1;
  if (append(c, t, &id, ROWS, 5 * ROWS) != ES_OK) return 1;
  es_comm_barrier(c);
  return raise(SIGKILL);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(round_trip),   cmocka_unit_test(many_rows),
      cmocka_unit_test(published),    cmocka_unit_test(refusals),
      cmocka_unit_test(resumed),      cmocka_unit_test(agreements),
      cmocka_unit_test(unequal_rows),
  };
  if (argc != 3) return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
  es_comm *c = NULL;
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &c) != ES_OK) return 1;
  const int rc = write_file(c, argv[1], argv[2]);
  es_comm_destroy(&c);
  MPI_Finalize();
  return rc;
}
