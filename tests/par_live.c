/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_live.c  A file that another program replaces all the time, as a run does its
 *  trajectory, is opened by all ranks as the same one, again and again. */
#include "par.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "eigenstep/h5.h"

enum { OPENINGS = 200, LONG = 40000, PAUSE = 30000 /* microseconds */ };

/** Names of this communicator's own in the current folder. */
typedef struct names {
  char part[2][48], live[48], next[48];
  atomic_bool stop;
} names;

static void name_files(const es_comm *c, names *n) {
  long id = (long) getpid();
  es_comm_bcast(c, &id, sizeof id, 0);
  for (int i = 0; i < 2; i++)
    snprintf(n->part[i], sizeof n->part[i], "tmp_live%d.%ld.h5", i, id);
  snprintf(n->live, sizeof n->live, "tmp_live.%ld.h5", id);
  snprintf(n->next, sizeof n->next, "tmp_live.%ld.next", id);
  atomic_init(&n->stop, false);
}

static void remove_files(const es_comm *c, const names *n) {
  es_comm_barrier(c);
  if (c->rank != 0) return;
  for (int i = 0; i < 2; i++) unlink(n->part[i]);
  unlink(n->live);
  unlink(n->next);
}

/** So many rows, and how many they are. */
static es_status write_file(const es_comm *c, const char *path, int64_t rows) {
  const es_h5_dataset d = {"/x", ES_H5_F64, 1, {ES_H5_UNLIMITED}, 0, "1", "numbers"};
  const int64_t mine = c->rank == 0 ? rows : 0;
  double *x = calloc((size_t) rows, sizeof *x);
  es_h5 *f = NULL;
  es_status st = es_h5_create(c, path, &f);
  if (st == ES_OK) st = es_h5_declare(f, &d);
  if (st == ES_OK) st = es_h5_write_rows(f, "/x", ES_H5_F64, 0, mine, x);
  if (st == ES_OK) st = es_h5_attr_i64(f, "/x", "rows", rows);
  const es_status closed = es_h5_close(&f);
  free(x);
  return st != ES_OK ? st : closed;
}

/** A new file, as a run writes one. */
static bool copy_file(const char *from, const char *to) {
  FILE *const in = fopen(from, "rb"), *const out = fopen(to, "wb");
  char bytes[BUFSIZ];
  bool ok = in != NULL && out != NULL;
  for (size_t n = 1; ok && n > 0;) {
    n = fread(bytes, 1, sizeof bytes, in);
    ok = fwrite(bytes, 1, n, out) == n && ferror(in) == 0;
  }
  if (in != NULL) fclose(in);
  if (out != NULL) ok = fclose(out) == 0 && ok;
  return ok;
}

/** Now the one, now the other. */
static void *replace(void *ctx) {
  names *const n = ctx;
  for (int i = 0; !atomic_load(&n->stop); i++) {
    if (copy_file(n->part[i % 2], n->next)) rename(n->next, n->live);
    usleep(PAUSE);
  }
  return NULL;
}

/** What is in the file is what its attribute says, on all ranks the same. */
static bool is_whole(const es_comm *c, const char *path, int64_t *rows) {
  es_h5 *f = NULL;
  es_h5_info info;
  if (!par_all(c, es_h5_open_live(c, path, &f) == ES_OK)) return false;
  bool ok = es_h5_get_i64s(f, "/x", "rows", 1, rows) == ES_OK &&
            es_h5_stat(f, "/x", &info) == ES_OK && info.dim[0] == *rows;
  int64_t both[2] = {*rows, -*rows};
  es_comm_max_i64(c, both, 2);
  ok = es_h5_close(&f) == ES_OK && ok && both[0] == -both[1];
  return par_all(c, ok);
}

static void all_ranks_open_the_same_file(void **state) {
  const es_comm *c = *state;
  names n;
  pthread_t thread;
  bool ok = true, seen[2] = {false, false};
  name_files(c, &n);
  remove_files(c, &n);
  for (int i = 0; i < 2; i++)
    ok = write_file(c, n.part[i], i == 0 ? 1 : LONG) == ES_OK && ok;
  if (c->rank == 0) ok = ok && copy_file(n.part[0], n.live);
  if (c->rank == 0) ok = pthread_create(&thread, NULL, replace, &n) == 0 && ok;
  assert_true(par_all(c, ok));
  for (int i = 0; i < OPENINGS && ok; i++) {
    int64_t rows = 0;
    ok = is_whole(c, n.live, &rows);
    seen[rows == LONG] = true;
  }
  atomic_store(&n.stop, true);
  if (c->rank == 0) pthread_join(thread, NULL);
  remove_files(c, &n);
  assert_true(par_all(c, ok && seen[0] && seen[1]));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_ranks_open_the_same_file)};
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
