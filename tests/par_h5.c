/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_h5.c  Parallel HDF5: what is written by any number of ranks is read back,
 * and what goes wrong on one rank is an error on all. */
#include "par.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "io/h5_private.h"

/* A file name of this communicator's own in the current folder; nothing there yet. */
static const char *fresh(const es_comm *c, const char *name) {
  static char path[128];
  long id = (long) getpid();
  es_comm_bcast(c, &id, sizeof id, 0);
  snprintf(path, sizeof path, "tmp_%s.%ld.h5", name, id);
  if (c->rank == 0) unlink(path);
  es_comm_barrier(c);
  return path;
}

static void drop(const es_comm *c, const char *path) {
  es_comm_barrier(c);
  if (c->rank == 0) unlink(path);
}

/* Rows by uneven shares (none on the last rank), extended twice, read as other shares. */
static void rows(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "rows");
  enum { N = 37, W = 5 };
  const es_h5_dataset d = {"/a/x", ES_H5_F64, 2, {ES_H5_UNLIMITED, W}, 4, "m", "numbers"};
  const int64_t workers = c->size > 1 ? c->size - 1 : 1;
  es_h5 *f = NULL;
  bool ok = es_h5_create(c, path, &f) == ES_OK;
  assert_true(par_all(c, ok));
  f->round_bytes = 3 * W * 8; /* several rounds of 3 rows */
  assert_int_equal(es_h5_declare(f, &d), ES_OK);
  double x[2 * N][W], y[2 * N][W];
  for (int i = 0; i < 2 * N * W; i++) (&x[0][0])[i] = i + 0.5;
  for (int part = 0; part < 2; part++) {
    const int64_t from = c->rank < workers ? c->rank * N / workers : N;
    const int64_t to = c->rank < workers ? (c->rank + 1) * N / workers : N;
    ok = es_h5_write_rows(f, "/a/x", ES_H5_F64, part * N + from, to - from,
                          x[part * N + from]) == ES_OK;
    assert_true(par_all(c, ok));
  }
  assert_int_equal(es_h5_flush(f), ES_OK);
  assert_int_equal(es_h5_close(&f), ES_OK);
  assert_null(f);

  assert_int_equal(es_h5_open(c, path, false, &f), ES_OK);
  f->round_bytes = 2 * W * 8;
  es_h5_info info;
  assert_int_equal(es_h5_stat(f, "/a/x", &info), ES_OK);
  assert_int_equal(info.type, ES_H5_F64);
  assert_int_equal(info.ndim, 2);
  assert_int_equal(info.dim[0], 2 * N);
  assert_int_equal(info.dim[1], W);
  int64_t first, mine;
  es_comm_local_range(c, 2 * N, &first, &mine);
  ok = es_h5_read_rows(f, "/a/x", ES_H5_F64, first, mine, y) == ES_OK;
  ok = ok && memcmp(y, x[first], (size_t) mine * sizeof x[0]) == 0;
  assert_true(par_all(c, ok));
  float z[W]; /* converted, the same row on all ranks */
  ok = es_h5_read_rows(f, "/a/x", ES_H5_F32, 7, 1, z) == ES_OK && z[2] == 37.5f;
  assert_true(par_all(c, ok));
  assert_int_equal(es_h5_write_rows(f, "/a/x", ES_H5_F64, 0, 1, x), ES_EARG);
  assert_int_equal(es_h5_close(&f), ES_OK);
  drop(c, path);
}

/* Blocks along the second dimension, cut into rounds there. */
static void slabs(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "slabs");
  enum { D = 11, K = 3 };
  const es_h5_dataset d = {"/v", ES_H5_I32, 3, {ES_H5_UNLIMITED, D, K}, 0, "1", "blocks"};
  es_h5 *f = NULL;
  assert_int_equal(es_h5_create(c, path, &f), ES_OK);
  f->round_bytes = 1;
  assert_int_equal(es_h5_declare(f, &d), ES_OK);
  int64_t first, mine;
  es_comm_local_range(c, D, &first, &mine);
  int32_t v[D][K], all[2][D][K];
  for (int i = 0; i < D * K; i++) (&v[0][0])[i] = (int32_t) (first * K) + i;
  const int64_t start[3] = {1, first, 0}, count[3] = {1, mine, K};
  assert_true(par_all(c, es_h5_write_slab(f, "/v", ES_H5_I32, start, count, v) == ES_OK));
  bool ok = es_h5_read_rows(f, "/v", ES_H5_I32, 0, 2, all) == ES_OK;
  for (int i = 0; i < D * K; i++) {
    ok = ok && (&all[1][0][0])[i] == i && (&all[0][0][0])[i] == 0;
  }
  assert_true(par_all(c, ok));
  assert_int_equal(es_h5_resize(f, "/v", 5), ES_OK);
  assert_int_equal(es_h5_resize(f, "/v", 1), ES_OK);
  es_h5_info info;
  assert_int_equal(es_h5_stat(f, "/v", &info), ES_OK);
  assert_int_equal(info.dim[0], 1);
  assert_int_equal(es_h5_close(&f), ES_OK);
  drop(c, path);
}

/* Empty groups and data sets, labels, texts of `big`. */
static void write_labels(const es_comm *c, const char *path, const char *big) {
  const es_h5_dataset three = {"/p/u", ES_H5_U8, 1, {3}, 0, "1", "bytes"};
  const es_h5_dataset none = {"/p/e", ES_H5_F64, 1, {0}, 0, "1", "empty"};
  const uint8_t u[3] = {1, 128, 255};
  es_h5 *f = NULL;
  assert_int_equal(es_h5_create(c, path, &f), ES_OK);
  assert_int_equal(es_h5_group(f, "/p/q", "a group"), ES_OK);
  assert_int_equal(es_h5_group(f, "/p/q", "again"), ES_OK);
  assert_true(es_h5_exists(f, "/p/q"));
  assert_false(es_h5_exists(f, "/p/x"));
  assert_false(es_h5_exists(f, "/none/x/y"));
  assert_int_equal(es_h5_declare(f, &three), ES_OK);
  assert_int_equal(es_h5_declare(f, &none), ES_OK);
  assert_int_equal(es_h5_write_rows(f, "/p/e", ES_H5_F64, 0, 0, NULL), ES_OK);
  const bool last = c->rank == c->size - 1;
  assert_true(par_all(c, es_h5_write_rows(f, "/p/u", ES_H5_U8, 0, last ? 3 : 0,
                                          last ? u : NULL) == ES_OK));
  assert_int_equal(es_h5_attr_f64(f, "/", "pi", 3.14), ES_OK);
  assert_int_equal(es_h5_attr_i64(f, "/p/u", "n", INT64_MAX), ES_OK);
  assert_int_equal(es_h5_attr_i64(f, "/p/u", "n", -5), ES_OK);
  char key[16];
  for (int i = 0; i < 100; i++) { /* more than a compact header holds */
    snprintf(key, sizeof key, "key.%d", i);
    assert_int_equal(es_h5_attr_string(f, "/p", key, i ? "caf\xc3\xa9" : ""), ES_OK);
  }
  assert_int_equal(es_h5_attr_string(f, "/p", "big", big), ES_OK);
  assert_int_equal(es_h5_text(f, "/t/ini", big, "long text"), ES_OK);
  assert_int_equal(es_h5_text(f, "/t/none", "", "no text"), ES_OK);
  assert_int_equal(es_h5_close(&f), ES_OK);
}

static void types_and_labels(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "labels");
  char *big = NULL;
  assert_int_equal(es_alloc(100001, "text", (void **) &big), ES_OK);
  memset(big, 'x', 100000);
  write_labels(c, path, big);

  es_h5 *f = NULL;
  assert_int_equal(es_h5_open(c, path, true, &f), ES_OK);
  double pi = 0;
  int64_t n = 0;
  char *text = NULL;
  assert_int_equal(es_h5_get_f64(f, "/", "pi", &pi), ES_OK);
  assert_true(pi == 3.14);
  assert_int_equal(es_h5_get_i64(f, "/p/u", "n", &n), ES_OK);
  assert_int_equal(n, -5);
  assert_int_equal(es_h5_get_i64(f, "/p/u", "m", &n), ES_EFORMAT);
  assert_int_equal(es_h5_read_text(f, "/t/ini", &text), ES_OK);
  assert_true(par_all(c, strcmp(text, big) == 0));
  es_free(&text);
  assert_int_equal(es_h5_read_text(f, "/t/none", &text), ES_OK);
  assert_string_equal(text, "");
  es_free(&text);
  assert_int_equal(es_h5_read_text(f, "/p/u", &text), ES_EFORMAT);
  es_free(&big);
  int64_t w[3] = {0};
  assert_int_equal(es_h5_read_rows(f, "/p/u", ES_H5_I64, 0, 3, w), ES_OK);
  assert_true(par_all(c, w[0] == 1 && w[1] == 128 && w[2] == 255));
  es_h5_info info;
  assert_int_equal(es_h5_stat(f, "/p/u", &info), ES_OK);
  assert_int_equal(info.type, ES_H5_U8);
  assert_int_equal(es_h5_stat(f, "/t/ini", &info), ES_EFORMAT);
  assert_int_equal(es_h5_stat(f, "/nothing", &info), ES_EFORMAT);
  assert_int_equal(es_h5_close(&f), ES_OK);
  drop(c, path);
}

/* The same status on all ranks where one rank, or the file, is wrong. */
static void refusals(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "refuse");
  const es_h5_dataset good = {"/x", ES_H5_F64, 2, {4, 2}, 0, "1", "text"};
  es_h5_dataset bad[3] = {good, good, good};
  bad[0].units = "";
  bad[1].doc = "";
  bad[2].dim[1] = ES_H5_UNLIMITED;
  const double x[8] = {0};
  es_h5 *f = NULL, *g = NULL;
  assert_int_equal(es_h5_open(c, path, false, &f), ES_EIO);
  assert_int_equal(es_h5_create(c, "no/such/folder.h5", &f), ES_EIO);
  assert_int_equal(es_h5_create(c, path, &f), ES_OK);
  assert_int_equal(es_h5_create(c, path, &g), ES_EIO); /* never overwritten */
  assert_null(g);
  for (int i = 0; i < 3; i++) assert_int_equal(es_h5_declare(f, &bad[i]), ES_EARG);
  assert_int_equal(es_h5_declare(f, &good), ES_OK);
  assert_int_equal(es_h5_declare(f, &good), ES_EIO);
  /* the last rank is out of range, the others are not */
  const bool last = c->rank == c->size - 1;
  assert_int_equal(es_h5_write_rows(f, "/x", ES_H5_F64, last ? 3 : 0, last ? 2 : 0, x),
                   ES_EARG);
  assert_int_equal(es_h5_write_rows(f, "/x", ES_H5_F64, 0, last ? -1 : 0, x), ES_EARG);
  assert_int_equal(es_h5_write_rows(f, "/y", ES_H5_F64, 0, 0, x), ES_EIO);
  assert_int_equal(es_h5_resize(f, "/x", 5), ES_EARG);
  assert_int_equal(es_h5_write_rows(f, "/x", ES_H5_F64, 0, last ? 4 : 0, x), ES_OK);
  assert_int_equal(es_h5_close(&f), ES_OK);
  /* one rank has another path */
  assert_int_equal(es_h5_open(c, last ? "elsewhere.h5" : path, false, &f), ES_EIO);
  /* cut short, and not HDF5 at all */
  if (c->rank == 0) assert_int_equal(truncate(path, 300), 0);
  es_comm_barrier(c);
  assert_int_equal(es_h5_open(c, path, false, &f), ES_EIO);
  if (c->rank == 0) assert_int_equal(truncate(path, 0), 0);
  es_comm_barrier(c);
  assert_int_equal(es_h5_open(c, path, false, &f), ES_EFORMAT);
  assert_null(f);
  drop(c, path);
}

/* Rank 0: change a byte of the header of every object but the root. */
static void damage_headers(const es_comm *c, const char *path) {
  static char bytes[1 << 16];
  int headers = 0;
  if (c->rank == 0) {
    FILE *const f = fopen(path, "r+b");
    assert_non_null(f);
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    for (size_t i = 0; i + 16 < n; i++)
      if (memcmp(bytes + i, "OHDR", 4) == 0 && headers++ > 0) bytes[i + 12] ^= 1;
    rewind(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
  }
  assert_true(par_all(c, c->rank != 0 || headers == 4));
}

/* What is not there is absent; what is damaged is an error, and no absence. */
static void damage_is_no_absence(void **state) {
  const es_comm *const c = *state;
  const char *const path = fresh(c, "damage");
  const es_h5_dataset d = {"/g/x", ES_H5_I64, 1, {3}, 0, "1", "numbers"};
  es_h5_info info;
  es_h5 *f = NULL;
  int64_t version;
  assert_int_equal(es_h5_create(c, path, &f), ES_OK);
  assert_int_equal(es_h5_declare(f, &d), ES_OK);
  assert_int_equal(es_h5_attr_i64(f, "/g/x", "version", 1), ES_OK);
  assert_false(es_h5_exists(f, "/g/x/below")); /* a dataset holds nothing */
  assert_false(es_h5_has_attr(f, "/g/x/below", "version"));
  const es_h5_dataset axis = {"/g/axis", ES_H5_I64, 1, {3}, 0, "1", "an axis"};
  assert_int_equal(es_h5_declare(f, &axis), ES_OK);
  assert_false(es_h5_is_attached(f, "/g/x", 0, "/g/axis")); /* no scale yet */
  assert_int_equal(es_h5_scale(f, "/g/axis", "axis"), ES_OK);
  assert_false(es_h5_is_attached(f, "/g/x", 0, "/g/axis"));
  assert_false(es_h5_is_attached(f, "/g/axis", 0, "/g/axis")); /* HDF5 fails there */
  assert_int_equal(es_h5_stat(f, "/g", &info), ES_EFORMAT);
  assert_int_equal(es_h5_get_i64(f, "/g", "version", &version), ES_EFORMAT);
  assert_int_equal(es_h5_close(&f), ES_OK);

  damage_headers(c, path);
  assert_int_equal(es_h5_open(c, path, false, &f), ES_OK);
  assert_int_equal(es_h5_stat(f, "/g/x", &info), ES_EIO);
  assert_int_equal(es_h5_get_i64(f, "/g/x", "version", &version), ES_EIO);
  assert_int_equal(es_h5_close(&f), ES_OK); /* both were said */
  assert_int_equal(es_h5_open(c, path, false, &f), ES_OK);
  assert_false(es_h5_has_attr(f, "/g", "optional"));
  assert_int_equal(es_h5_close(&f), ES_EIO);
  /* what is written beside the damage stays, though the flush tells of it */
  assert_int_equal(es_h5_open(c, path, true, &f), ES_OK);
  assert_false(es_h5_has_attr(f, "/g", "optional"));
  assert_int_equal(es_h5_flush(f), ES_EIO);
  assert_true(es_h5_is_whole(f));
  assert_int_equal(es_h5_close(&f), ES_OK);
  drop(c, path);
}

/* Disk space that is reserved for writing is given back by a flush and at the end. */
static void space_is_given_back(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "space");
  const es_h5_dataset one = {"/x", ES_H5_F64, 1, {1 << 17}, 0, "m", "a mebibyte"};
  enum { SLACK = 1 << 16 };
  es_h5 *f = NULL;
  struct stat s;
  assert_int_equal(es_h5_create(c, path, &f), ES_OK);
  assert_int_equal(es_h5_declare(f, &one), ES_OK);
  for (int i = 0; i < 64; i++) assert_int_equal(es_h5_reserve(f, 1 << 16), ES_OK);
  assert_int_equal(es_h5_flush(f), ES_OK);
  es_comm_barrier(c);
  bool ok = stat(path, &s) == 0 && s.st_blocks * 512 <= s.st_size + SLACK;
  assert_true(par_all(c, ok));
  assert_int_equal(es_h5_close(&f), ES_OK);
  ok = stat(path, &s) == 0 && s.st_blocks * 512 <= s.st_size + SLACK;
  assert_true(par_all(c, ok));
  drop(c, path);
}

/* Rank 0 writes a series again and again, then all ranks change what nobody has used
 * meanwhile: hangs where rank 0's cache of metadata has dropped it, others' have not. */
static void caches_stay_equal(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "caches");
  enum { SERIES = 40, ROWS = 1000, TIMES = 100 };
  static const double x[ROWS];
  char name[SERIES][16];
  es_h5 *f = NULL;
  assert_int_equal(es_h5_create(c, path, &f), ES_OK);
  for (int i = 0; i < SERIES; i++) {
    snprintf(name[i], sizeof name[i], "/g%d/x", i);
    const es_h5_dataset one = {name[i], ES_H5_F64, 1, {ES_H5_UNLIMITED}, 1, "m", "n"};
    assert_int_equal(es_h5_declare(f, &one), ES_OK);
  }
  es_status st = es_h5_flush(f);
  for (int i = 0; i < TIMES && st == ES_OK; i++)
    st = es_h5_write_rows(f, name[0], ES_H5_F64, 0, c->rank == 0 ? ROWS : 0, x);
  if (st == ES_OK) st = es_h5_flush(f);
  for (int i = 0; i < SERIES && st == ES_OK; i++)
    st = es_h5_attr_string(f, name[i], "units", "km");
  if (st == ES_OK) st = es_h5_group(f, "/steps", "made at the end");
  assert_int_equal(st, ES_OK);
  assert_int_equal(es_h5_close(&f), ES_OK);
  drop(c, path);
}

/* Rank 0: is all on the disk that was reserved? */
static bool is_kept(const es_h5 *f) {
  struct stat s;
  return f->fd < 0 || (fstat(f->fd, &s) == 0 && s.st_blocks * 512 >= f->end);
}

/* Takes the disk's room but `rest` bytes. */
static bool take_room(const es_h5 *f, int64_t rest) {
  struct statvfs v;
  if (f->fd < 0) return true;
  const int fd = open("filler", O_CREAT | O_RDWR, 0600);
  bool ok = fd >= 0 && fstatvfs(fd, &v) == 0;
  const int64_t room = ok ? (int64_t) v.f_bavail * (int64_t) v.f_frsize - rest : 0;
  ok = ok && posix_fallocate(fd, 0, room) == 0;
  if (fd >= 0) close(fd);
  return ok;
}

/* On a disk of some 100 MB, which is the current folder (tests/full_disk.sh): a later
 * operation that finds room only for itself, or none, leaves what was reserved. That
 * there is none is said once. */
static bool room_stays(const es_comm *c) {
  const char *path = fresh(c, "room");
  enum { SMALL = 1 << 20, LARGE = 1 << 28 };
  es_h5 *f = NULL;
  bool ok = es_h5_create(c, path, &f) == ES_OK;
  ok = par_all(c, ok && es_h5_reserve(f, SMALL) == ES_OK && f->ahead > SMALL);
  ok = par_all(c, ok && is_kept(f) && take_room(f, 2 * SMALL));
  ok = par_all(c, ok && es_h5_reserve(f, f->ahead + SMALL / 2) == ES_OK && is_kept(f));
  ok = ok && es_h5_reserve(f, LARGE) == ES_EIO && es_h5_is_whole(f);
  ok = par_all(c, ok && is_kept(f));
  ok = ok && es_h5_reserve(f, LARGE) == ES_EIO && !es_h5_is_whole(f);
  ok = par_all(c, ok && is_kept(f));
  ok = es_h5_close(&f) == ES_OK && ok;
  if (c->rank == 0) unlink("filler");
  drop(c, path);
  return ok;
}

static int only_room(void) {
  es_comm *c = NULL;
  MPI_Init(NULL, NULL);
  if (es_comm_create(MPI_COMM_WORLD, &c) != ES_OK) return 1;
  es_log_setup(c->rank, ES_LOG_INFO, false);
  const bool ok = room_stays(c);
  es_comm_destroy(&c);
  MPI_Finalize();
  return ok ? 0 : 1;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows),
      cmocka_unit_test(slabs),
      cmocka_unit_test(types_and_labels),
      cmocka_unit_test(refusals),
      cmocka_unit_test(damage_is_no_absence),
      cmocka_unit_test(caches_stay_equal),
      cmocka_unit_test(space_is_given_back),
  };
  if (argc == 2 && strcmp(argv[1], "room") == 0) return only_room();
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
