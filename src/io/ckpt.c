/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ckpt.c  Write a checkpoint atomically, find the newest one, read one.
 *
 *  state.h5 holds /state/... (ckpt_items.c), /parameters/text with its hash, and the root
 *  attributes schema, step and time, which HDF5 keeps with checksums. Folders and DONE
 *  markers: ckpt_sets.c. */
#include "ckpt_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/collective_error.h"
#include "eigenstep/path.h"

enum { PATH_BYTES = 1200, SCHEMA = 2 };
#define STEP_END INT64_C(1000000000000000)

static const char text_path[] = "/parameters/text";

static int64_t text_hash(const char *text) {
  return es_words_hash(text, (int64_t) strlen(text));
}

/* Collective. Write the state into a new file, close it and flush it to disk. */
static es_status write_file(const es_comm *c, const char *path, const es_ckpt_set *set,
                            es_state_walk walk, void *state) {
  es_h5 *f = NULL;
  ES_TRY(es_h5_create(c, path, &f));
  es_status st = es_h5_attr_i64(f, "/", "schema", SCHEMA);
  if (st == ES_OK) st = es_h5_attr_i64(f, "/", "step", set->step);
  if (st == ES_OK) st = es_h5_attr_f64(f, "/", "time", set->time);
  if (st == ES_OK) st = es_h5_text(f, text_path, set->config_text, "run.ini");
  if (st == ES_OK)
    st = es_h5_attr_i64(f, text_path, "hash64", text_hash(set->config_text));
  if (st == ES_OK)
    st = es_h5_group(f, "/state", "state of the run: one dataset per item, by name");
  if (st == ES_OK) st = es_ckpt_save_items(f, c, walk, state);
  const es_status closed = es_h5_close(&f);
  return st != ES_OK ? st : closed;
}

/* Collective. Turn the errno value of rank 0's action in `dir` into a common status. */
static es_status agree_on_errno(const es_comm *c, int err, const char *what,
                                const char *dir, int64_t step) {
  es_collective_error n = {0};
  if (err) {
    es_collective_error_set(&n, ES_EIO, "cannot %s checkpoint %s/step_%08lld: %s", what,
                            dir, (long long) step, strerror(err));
  }
  return es_collective_error_agree(c, &n);
}

es_status es_ckpt_write(const es_comm *c, const es_ckpt_set *set, es_state_walk walk,
                        void *state) {
  const char *const dir = set->dir;
  const int64_t step = set->step;
  const int keep = set->keep;
  ES_CHECK(step >= 0 && step < STEP_END && keep >= 1 && strlen(dir) < PATH_BYTES - 100,
           ES_EARG,
           "checkpoint: got step %lld, keep %d, expected 0 <= step < 10^15 and keep >= 1",
           (long long) step, keep);
  char tmp[PATH_BYTES], path[PATH_BYTES + 16];
  es_ckpt_path(tmp, dir, step, ".tmp");
  snprintf(path, sizeof path, "%s/state.h5", tmp);
  const bool first = c->rank == 0;
  ES_TRY(
      agree_on_errno(c, first ? es_ckpt_begin(dir, step, tmp) : 0, "begin", dir, step));
  es_status st = write_file(c, path, set, walk, state);
  if (st == ES_OK) {
    st = agree_on_errno(c, first ? es_ckpt_commit(dir, step) : 0, "complete", dir, step);
  }
  if (st != ES_OK) {
    if (first) es_path_remove_dir(tmp);
    return st;
  }
  return agree_on_errno(c, first ? es_ckpt_prune(dir, step, keep) : 0,
                        "remove checkpoints older than", dir, step);
}

es_status es_ckpt_before(const es_comm *c, const char *dir, int64_t bound,
                         char path[1200], int64_t *step) {
  struct {
    int64_t step;
    char path[PATH_BYTES];
  } newest = {.step = -1};
  es_collective_error n = {0};
  if (c->rank == 0) newest.step = es_ckpt_newest(dir, bound);
  const int err = newest.step < 0 ? errno : 0;
  if (newest.step >= 0) es_ckpt_complete_path(newest.path, dir, newest.step);
  if (c->rank == 0 && err != 0)
    es_collective_error_set(&n, ES_EIO, "cannot read the folder %s: %s", dir,
                            strerror(err));
  ES_TRY(es_collective_error_agree(c, &n));
  es_comm_bcast(c, &newest, sizeof newest, 0);
  if (newest.step < 0)
    es_collective_error_set(
        &n, ES_EIO,
        "no complete checkpoint in %s%s: expected a folder step_N with a DONE file; the "
        "run ended before it wrote one (ckpt.minutes): start it again with another "
        "output.dir, and stop it by 'touch OUTDIR/stop', or by Ctrl-C under "
        "jobs/mpirun.sh, as mpirun kills it at once",
        dir, bound < INT64_MAX ? " before the damaged one" : "");
  ES_TRY(es_collective_error_agree(c, &n));
  memcpy(path, newest.path, PATH_BYTES);
  *step = newest.step;
  return ES_OK;
}

es_status es_ckpt_latest(const es_comm *c, const char *dir, char path[1200],
                         int64_t *step) {
  return es_ckpt_before(c, dir, INT64_MAX, path, step);
}

es_status es_ckpt_find(const es_comm *c, const char *dir, int64_t step, char path[1200]) {
  struct {
    int64_t step;
    char path[PATH_BYTES];
  } found = {.step = -1};
  es_collective_error n = {0};
  if (c->rank == 0) found.step = es_ckpt_newest(dir, step + 1);
  if (found.step == step)
    es_ckpt_complete_path(found.path, dir, step);
  else if (c->rank == 0)
    found.step = es_ckpt_newest(dir, INT64_MAX);
  if (c->rank == 0 && found.step < 0 && errno != 0)
    es_collective_error_set(&n, ES_EIO, "cannot read the folder %s: %s", dir,
                            strerror(errno));
  ES_TRY(es_collective_error_agree(c, &n));
  es_comm_bcast(c, &found, sizeof found, 0);
  if (found.step < 0)
    es_collective_error_set(&n, ES_EIO, "no complete checkpoint in %s", dir);
  else if (found.step != step)
    es_collective_error_set(&n, ES_EIO,
                            "no complete checkpoint of step %lld in %s; the newest is of "
                            "step %lld",
                            (long long) step, dir, (long long) found.step);
  ES_TRY(es_collective_error_agree(c, &n));
  memcpy(path, found.path, PATH_BYTES);
  return ES_OK;
}

/* Collective. Parameters without a hash were written before there was one. */
static es_status read_parameters(const es_comm *c, es_h5 *f, char **text) {
  int64_t expected = 0;
  es_collective_error n = {0};
  ES_TRY(es_h5_read_text(f, text_path, text));
  if (!es_h5_has_attr(f, text_path, "hash64")) return ES_OK;
  es_status st = es_h5_get_i64(f, text_path, "hash64", &expected);
  const int64_t got = text_hash(*text);
  if (st == ES_OK && got != expected)
    es_collective_error_set(&n, ES_EIO,
                            "the checkpoint's parameters are corrupted: got hash "
                            "%016llx, expected %016llx",
                            (unsigned long long) got, (unsigned long long) expected);
  if (st == ES_OK) st = es_collective_error_agree(c, &n);
  if (st != ES_OK) es_free(text);
  return st;
}

/* Collective. Check the schema of an open file; read its time and configuration. */
static es_status read_header(const es_comm *c, es_h5 *f, double *time, char **text) {
  int64_t schema = 0;
  es_collective_error n = {0};
  ES_TRY(es_h5_get_i64(f, "/", "schema", &schema));
  if (schema != SCHEMA) {
    es_collective_error_set(&n, ES_EFORMAT,
                            "checkpoint schema: got %lld, expected %d (written by "
                            "another version of eigenstep)",
                            (long long) schema, SCHEMA);
  }
  ES_TRY(es_collective_error_agree(c, &n));
  ES_TRY(es_h5_get_f64(f, "/", "time", time));
  return read_parameters(c, f, text);
}

es_status es_ckpt_read(const es_comm *c, const char *path, es_state_walk walk,
                       void *state, double *time, char **config_text) {
  char file[PATH_BYTES + 16];
  es_h5 *f = NULL;
  double t = 0;
  char *text = NULL;
  snprintf(file, sizeof file, "%s/state.h5", path);
  es_status st = es_h5_open(c, file, false, &f);
  if (st != ES_OK) return st == ES_EFORMAT ? ES_EIO : st; /* it was HDF5 when complete */
  st = read_header(c, f, &t, &text);
  if (st == ES_OK) st = es_ckpt_load_items(f, c, walk, state);
  const es_status closed = es_h5_close(&f);
  if (st == ES_OK) st = closed;
  if (st != ES_OK || !config_text) es_free(&text);
  if (st != ES_OK) return st;
  if (time) *time = t;
  if (config_text) *config_text = text;
  return ES_OK;
}
