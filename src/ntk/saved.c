/* SPDX-License-Identifier: BSD-3-Clause */
/** @file saved.c  The state of kernels that are not finished, on disk. */
#include "saved.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/ckpt.h"
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"
#include "eigenstep/path.h"
#include "eigenstep/run_files.h"

enum { PATH_BYTES = 1200, KEPT = 2 };
#define COSTS 50 /* a state is written after so many times what the last one took */

/* Collective. Has an earlier command left its states? */
static bool exists(const es_comm *c, const char *dir) {
  struct stat st;
  int64_t found = 0;
  if (c->rank == 0) found = stat(dir, &st) == 0 && S_ISDIR(st.st_mode);
  es_comm_bcast(c, &found, sizeof found, 0);
  return found != 0;
}

void es_ntk_saved_clear(const es_ntk_saved *s, const char *folder) {
  static const char *const file[] = {"ntk.h5", "ntk.h5.part"};
  char path[PATH_BYTES];
  for (int i = 0; i < 2 && s->found && s->comm->rank == 0; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, file[i]);
    unlink(path);
  }
}

static es_status make_dirs(const char *dir) {
  const int err = es_path_make_dirs(dir);
  ES_CHECK(err == 0, ES_EIO, "cannot create '%s': %s", dir, strerror(err));
  return ES_OK;
}

/* A request that was obeyed does not stop the command that goes on. */
static void remove_request(const es_ntk_saved *s) {
  if (s->found && s->comm->rank == 0 && unlink(s->stop->file) == 0)
    es_info("removed the file '%s'", s->stop->file);
}

es_status es_ntk_saved_find(const es_job *job, const char *folder, es_stop *stop,
                            es_ntk_saved *s) {
  *s = (es_ntk_saved){.comm = job->comm, .stop = stop};
  s->lock.lock = -1;
  const int n = snprintf(s->dir, sizeof s->dir, "%s/unfinished", folder);
  ES_CHECK(n < (int) sizeof s->dir - 64, ES_ECONFIG,
           "output.dir: got a path of %d characters, expected fewer than %zu", n,
           sizeof s->dir - 64);
  stop->every = 1;
  snprintf(stop->file, sizeof stop->file, "%s/stop", folder);
  s->found = exists(job->comm, s->dir);
  if (!s->found) return es_run_folder_check(job, folder);
  ES_TRY(es_run_folder_claim(job, s->dir, &s->lock));
  remove_request(s);
  return ES_OK;
}

/* The command that goes on may have another limit of time. */
static void forget_limit(char *text) {
  char *const line = strstr(text, "\nwalltime ");
  char *const end = line != NULL ? strchr(line + 1, '\n') : NULL;
  if (end != NULL) memmove(line, end, strlen(end) + 1);
}

es_status es_ntk_saved_open(const es_job *job, const es_config *cfg, const char *folder,
                            double every, es_ntk_saved *s) {
  const es_comm *const c = job->comm;
  s->every = every;
  s->at = es_now();
  ES_TRY(es_comm_agree(
      c, es_config_text(cfg, job->section, job->sections, false, &s->text)));
  forget_limit(s->text);
  ES_TRY(es_row_layout_replicate(c, &s->alone));
  if (s->found) return ES_OK;
  ES_TRY(es_run_files_create(c, folder));
  ES_TRY(es_comm_agree(c, c->rank == 0 ? make_dirs(s->dir) : ES_OK));
  return es_run_folder_claim(job, s->dir, &s->lock);
}

static void rank_dir(const es_ntk_saved *s, char dir[PATH_BYTES]) {
  snprintf(dir, PATH_BYTES, "%s/step_%lld/rank_%d_of_%d", s->dir, (long long) s->step,
           s->comm->rank, s->comm->size);
}

/* Collective. The newest state that every rank has; -1: none. A kill may have hit between
 * two ranks, which then differ by one of KEPT states. */
static es_status common_state(const es_ntk_saved *s, const char *dir, int64_t *common) {
  int64_t state[KEPT], oldest;
  const int n = es_ckpt_list(dir, KEPT, state);
  if (n < 0) es_error("cannot read the folder '%s': %s", dir, strerror(errno));
  ES_TRY(es_comm_agree(s->comm, n < 0 ? ES_EIO : ES_OK));
  oldest = n > 0 ? -state[n - 1] : 1;
  es_comm_max_i64(s->comm, &oldest, 1);
  int64_t missing = 1;
  for (int i = 0; i < n; i++)
    if (state[i] == -oldest) missing = 0;
  es_comm_max_i64(s->comm, &missing, 1);
  *common = missing != 0 ? -1 : -oldest;
  return ES_OK;
}

/* Who may go on with a state. */
typedef struct identity {
  es_ntk_sum *sum;
  int64_t now[ES_NTK_IDENTITY], then[ES_NTK_IDENTITY];
} identity;

static es_status walk_identity(void *state, es_visitor *v) {
  identity *const i = state;
  es_item item = {"ntk/identity", ES_ITEM_I64, 1, {ES_NTK_IDENTITY}, i->then};
  return v->item(v, &item);
}

static es_status walk(void *state, es_visitor *v) {
  identity *const i = state;
  ES_TRY(walk_identity(state, v));
  return es_ntk_sum_visit(i->sum, v);
}

/* Of one rank's state: may this command go on with it? */
static es_status check(const es_ntk_saved *s, const char *path, identity *of) {
  char *text = NULL;
  ES_TRY(es_ckpt_read(s->alone.loss_comm, path, walk_identity, of, NULL, &text));
  const bool same = strcmp(text, s->text) == 0;
  es_free(&text);
  ES_CHECK(same && memcmp(of->then, of->now, sizeof of->now) == 0, ES_ECONFIG,
           "'%s' is of other parameters or another state of the run: go on with the same "
           "command, or remove it",
           s->dir);
  return ES_OK;
}

es_status es_ntk_saved_resume(es_ntk_saved *s, int64_t step, es_ntk_sum *sum) {
  char dir[PATH_BYTES], path[PATH_BYTES];
  identity of = {.sum = sum};
  s->step = step;
  rank_dir(s, dir);
  if (!s->found) return ES_OK;
  int64_t state;
  ES_TRY(common_state(s, dir, &state));
  if (state < 0) return ES_OK;
  es_status st = es_ntk_sum_identify(sum, of.now);
  if (st == ES_OK) st = es_ckpt_find(s->alone.loss_comm, dir, state, path);
  if (st == ES_OK) st = check(s, path, &of);
  ES_TRY(es_comm_agree(s->comm, st));
  ES_TRY(es_comm_agree(s->comm,
                       es_ckpt_read(s->alone.loss_comm, path, walk, &of, NULL, NULL)));
  es_info("step %lld: going on after %lld layers of the kernel", (long long) step,
          (long long) state);
  return ES_OK;
}

/* Not collective. */
static es_status save(es_ntk_saved *s, es_ntk_sum *sum) {
  char dir[PATH_BYTES];
  identity of = {.sum = sum};
  rank_dir(s, dir);
  const es_ckpt_set set = {
      .dir = dir, .step = es_ntk_sum_progress(sum), .keep = KEPT, .config_text = s->text};
  ES_TRY(es_ntk_sum_identify(sum, of.then));
  ES_TRY(make_dirs(dir));
  return es_ckpt_write(s->alone.loss_comm, &set, walk, &of);
}

es_status es_ntk_saved_layer(void *saved, es_ntk_sum *sum) {
  es_ntk_saved *const s = saved;
  const double now = es_now();
  const double wait = s->every > 0 ? fmax(s->every, COSTS * s->cost) : 0;
  int64_t ask[2] = {es_stop_poll(s->stop, s->comm)};
  if (s->comm->rank == 0) ask[1] = now - s->at >= wait;
  es_comm_max_i64(s->comm, ask, 2);
  const es_stop_cause cause = (es_stop_cause) ask[0];
  ES_CHECK(cause != ES_STOP_GONE, ES_EIO,
           "the folder of '%s' was removed while the kernel was computed; start the "
           "command again",
           s->dir);
  if (cause == ES_STOP_NONE && ask[1] == 0) return ES_OK;
  ES_TRY(es_comm_agree(s->comm, save(s, sum)));
  s->at = es_now();
  s->cost = s->at - now;
  if (cause <= ES_STOP_CHECKPOINT) return ES_OK;
  s->stop->cause = cause;
  es_info(
      "stopped in the kernel of step %lld (%s): what is computed is kept in '%s'; the "
      "same command goes on from it",
      (long long) s->step, es_stop_name(cause), s->dir);
  return ES_STOPPED;
}

es_status es_ntk_saved_done(const es_ntk_saved *s) {
  es_status st = ES_OK;
  if (s->comm->rank == 0) {
    const int err = es_path_remove_tree(s->dir);
    if (err != 0) {
      es_error("cannot remove '%s': %s", s->dir, strerror(err));
      st = ES_EIO;
    }
  }
  return es_comm_agree(s->comm, st);
}

void es_ntk_saved_close(es_ntk_saved *s) {
  es_run_folder_unlock(&s->lock);
  es_row_layout_free(&s->alone);
  es_free(&s->text);
}
