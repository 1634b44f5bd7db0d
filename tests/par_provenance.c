/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_provenance.c  Provenance: one description on all ranks, in text and in the
 *  file;
 * and the output folder it goes to. */
#include "par.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "eigenstep/run_files.h"
#include "eigenstep/provenance.h"
#include "io/h5_private.h"

typedef struct toy {
  int64_t seed;
  double rate;
} toy;

static const es_param table[] = {
    ES_INT(toy, seed, "7", 0, 100, "1", "seed of the toy"),
    ES_DOUBLE(toy, rate, "0.5", 0, 1, "1", "rate of the toy"), ES_PARAM_END};
static const es_section sections[] = {{"toy", table, "a toy", NULL}};

static const char *fresh(const es_comm *c, const char *name) {
  static char path[128];
  long id = (long) getpid();
  es_comm_bcast(c, &id, sizeof id, 0);
  snprintf(path, sizeof path, "tmp_%s.%ld", name, id);
  if (c->rank == 0) unlink(path);
  es_comm_barrier(c);
  return path;
}

/* A string attribute of our own file, compared. */
static bool attribute_is(const es_h5 *f, const char *path, const char *key,
                         const char *expected) {
  char *got = NULL;
  const hid_t a = H5Aopen_by_name(f->id, path, key, H5P_DEFAULT, H5P_DEFAULT);
  if (a < 0) return false;
  const hid_t type = H5Aget_type(a);
  bool same = H5Aread(a, type, &got) >= 0 && strcmp(got, expected) == 0;
  H5free_memory(got);
  H5Tclose(type);
  H5Aclose(a);
  return same;
}

static void file(void **state) {
  const es_comm *c = *state;
  const char *path = fresh(c, "provenance.h5");
  char *const argv[] = {"eigenstep", "train", "a b.ini"};
  char mine[64]; /* environments differ between ranks: rank 0's is the one */
  snprintf(mine, sizeof mine, "SLURM_PROCID=%d%.*s", c->rank, c->rank, "xxxxxxxx");
  char *const envp[] = {"HOME=/nowhere", mine, "OMP_NUM_THREADS=1", NULL};
  const es_job job = {.comm = c,
                      .argc = 3,
                      .argv = argv,
                      .envp = envp,
                      .section = sections,
                      .sections = 1};
  es_config *cfg = NULL;
  es_h5 *f = NULL;
  char *text = NULL, *expected = NULL, ranks[16];
  assert_int_equal(es_config_create(&cfg), ES_OK);
  assert_int_equal(es_config_set(cfg, "toy.seed=42"), ES_OK);
  assert_int_equal(es_h5_create(c, path, &f), ES_OK);
  assert_int_equal(es_provenance_h5(f, &job, cfg), ES_OK);
  assert_int_equal(es_h5_close(&f), ES_OK);

  assert_int_equal(es_h5_open(c, path, false, &f), ES_OK);
  snprintf(ranks, sizeof ranks, "%d", c->size);
  bool ok = attribute_is(f, "/environment", "ranks", ranks);
  ok = ok && attribute_is(f, "/environment", "argv", "eigenstep train 'a b.ini'");
  ok = ok && attribute_is(f, "/environment", "SLURM_PROCID", "0");
  ok = ok && !attribute_is(f, "/environment", "HOME", "/nowhere");
  ok = ok && attribute_is(f, "/parameters", "toy.seed", "42");
  ok = ok && attribute_is(f, "/parameters", "toy.rate", "0.5");
  ok = ok && attribute_is(f, "/", "software", "eigenstep");
  ok = ok && H5Aexists_by_name(f->id, "/code", "mpi", H5P_DEFAULT) > 0;
  ok = ok && H5Aexists_by_name(f->id, "/schema", "version", H5P_DEFAULT) > 0;
  assert_true(par_all(c, ok));
  assert_int_equal(es_h5_read_text(f, "/parameters/text", &text), ES_OK);
  assert_int_equal(es_config_text(cfg, sections, 1, false, &expected), ES_OK);
  assert_string_equal(text, expected);
  assert_int_equal(es_h5_close(&f), ES_OK);
  es_free(&text);
  es_free(&expected);
  es_config_destroy(&cfg);
  if (c->rank == 0) unlink(path);
}

static void text(void **state) {
  const es_comm *c = *state;
  char *const argv[] = {"eigenstep"}, ranks[64];
  const es_job job = {.comm = c, .argc = 1, .argv = argv};
  FILE *out = c->rank == 0 ? tmpfile() : NULL;
  assert_int_equal(es_provenance_job(&job, out), ES_OK);
  snprintf(ranks, sizeof ranks, "%-14s %d\n", "ranks", c->size);
  bool found = c->rank != 0;
  if (out) {
    rewind(out);
    char read[4096];
    while (fgets(read, sizeof read, out)) found = found || !strcmp(read, ranks);
    fclose(out);
  }
  assert_true(par_all(c, found));
}

static void folder(void **state) {
  const es_comm *c = *state;
  char dir[160], deep[180], status[200], got[64] = "";
  snprintf(dir, sizeof dir, "%s", fresh(c, "outdir"));
  snprintf(deep, sizeof deep, "%s/a/b", dir);
  snprintf(status, sizeof status, "%s/STATUS", deep);
  assert_int_equal(es_run_files_create(c, deep), ES_OK);
  assert_int_equal(es_run_files_create(c, deep), ES_OK); /* still empty */
  assert_int_equal(es_run_files_create(c, dir), ES_ECONFIG);
  assert_int_equal(es_run_files_create(c, ""), ES_ECONFIG);
  bool ok = true;
  if (c->rank == 0) {
    ok = es_run_files_status(deep, "RUNNING") == ES_OK &&
         es_run_files_status(deep, "FAILED one\ntwo") == ES_OK;
    FILE *f = fopen(status, "r");
    ok = ok && f && fread(got, 1, sizeof got - 1, f) > 0 && !strcmp(got, "FAILED one\n");
    if (f) fclose(f);
    ok = ok && es_run_files_write("no/such", "x", "text") == ES_EIO;
  }
  assert_true(par_all(c, ok));
  assert_int_equal(es_run_files_create(c, deep), ES_ECONFIG);
  assert_int_equal(es_run_files_create(c, status), ES_EIO); /* a file */
  assert_int_equal(es_run_files_create(c, "/proc/none"), ES_EIO);
  snprintf(got, sizeof got, "rm -rf %.50s", dir);
  es_comm_barrier(c);
  if (c->rank == 0) assert_int_equal(system(got), 0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(file),
      cmocka_unit_test(text),
      cmocka_unit_test(folder),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
