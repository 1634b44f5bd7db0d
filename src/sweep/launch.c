/* SPDX-License-Identifier: BSD-3-Clause */
/** @file launch.c  Start a run of a sweep, or continue it. */
#define _POSIX_C_SOURCE 200809L
#include "launch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/ckpt.h"
#include "eigenstep/clock.h"
#include "eigenstep/config_load.h"
#include "eigenstep/path.h"
#include "eigenstep/progress.h"
#include "eigenstep/run_facts.h"
#include "folder.h"

enum { PATH = 1024 };

/* What is to be done with a run's folder. */
typedef enum action { START, CONTINUE, NOTHING, LEAVE } action;

/* Move the beginning of a run out of the way: rename(2) does it at once or not at all. */
static es_status set_aside(const char *sweep, const char *dir, const char *name,
                           int64_t generation) {
  char aside[PATH + 16], to[2 * PATH];
  snprintf(aside, sizeof aside, "%s/aside", sweep);
  snprintf(to, sizeof to, "%s/%s.%lld", aside, name, (long long) generation);
  const int err = es_path_make_dirs(aside);
  ES_CHECK(err == 0, ES_EIO, "cannot make the folder '%s': %s", aside, strerror(err));
  ES_CHECK(rename(dir, to) == 0 || errno == ENOENT, ES_EIO,
           "cannot move '%s' to '%s': %s", dir, to, strerror(errno));
  return ES_OK;
}

/* Does the folder hold a complete checkpoint? */
static es_status has_checkpoint(const char *dir, bool *has) {
  char path[2 * PATH];
  int64_t step;
  snprintf(path, sizeof path, "%s/ckpt", dir);
  const int n = es_ckpt_list(path, 1, &step);
  ES_CHECK(n >= 0, ES_EIO, "cannot read the folder '%s': %s", path, strerror(errno));
  *has = n == 1;
  return ES_OK;
}

/* First rank of the group. */
static es_status choose(const es_launch *l, const char *dir, const es_sweep_run *r,
                        int64_t generation, action *next) {
  char status[64];
  const bool train = l->spec->par.command == ES_SWEEP_TRAIN;
  *next = START;
  if (access(dir, F_OK) != 0) return ES_OK;
  *next = LEAVE; /* another program writes to it, of a sweep or not */
  if (es_run_facts_in_use(dir)) return ES_OK;
  es_run_facts_line(dir, "STATUS", "", status, sizeof status);
  const bool done = strcmp(status, "DONE") == 0;
  bool saved = false;
  if (train) ES_TRY(has_checkpoint(dir, &saved));
  *next = done && (!train || es_run_facts_steps(dir) >= (double) r->steps) ? NOTHING
          : saved                                                          ? CONTINUE
                                                                           : START;
  if (*next != START) return ES_OK;
  return set_aside(l->plan->dir, dir, r->name, generation);
}

/* The keys that may differ from the checkpoint, for resume. */
static void collect(void *ctx, const char *key, const char *value) {
  if (es_config_may_change(key)) (void) es_words_assign(ctx, key, value);
}

static es_status resume_arguments(const es_launch *l, const char *dir, int run,
                                  es_words *args) {
  es_config *cfg = NULL;
  const es_job *const job = l->group;
  ES_TRY(es_words_add(args, dir));
  ES_TRY(es_sweep_config(l->spec, &l->plan->run[run], &cfg));
  es_config_each(cfg, job->section, job->sections, collect, args);
  es_config_destroy(&cfg);
  return ES_OK;
}

static es_status start_arguments(const es_launch *l, const char *dir, int run,
                                 es_words *args) {
  const es_words *const set = &l->plan->run[run].set;
  char base[PATH];
  es_sweep_folder_base(l->plan->dir, l->spec, base, sizeof base);
  ES_TRY(es_words_add(args, base));
  for (int i = 0; i < set->n; i++) ES_TRY(es_words_add(args, set->word[i]));
  return es_words_assign(args, "output.dir", dir);
}

/* Collective. What the command makes of it. */
static es_status execute(const es_launch *l, const char *dir, int run, action next) {
  const char *const command =
      next == CONTINUE ? "resume" : es_sweep_commands[l->spec->par.command];
  es_words args = {0};
  es_status st = next == CONTINUE ? resume_arguments(l, dir, run, &args)
                                  : start_arguments(l, dir, run, &args);
  st = es_comm_agree(l->group->comm, st);
  if (st == ES_OK) st = l->options->start(l->group, command, args.n, args.word);
  es_words_free(&args);
  return st;
}

/* First rank. Another program writes to the folder: the run is for later. */
static void put_back(es_run_state *state) {
  state->phase = ES_RUN_STOPPED;
  snprintf(
      state->reason, sizeof state->reason,
      "another program writes to its folder; call the sweep again when it has ended");
}

/* First rank: what the run's end means for its state. */
static void record(const char *dir, const es_sweep_run *r, es_status st,
                   es_run_state *state) {
  char status[1200];
  const char *const why = es_log_last_error();
  state->reason[0] = '\0';
  state->phase = st == ES_OK        ? ES_RUN_DONE
                 : st == ES_STOPPED ? ES_RUN_STOPPED
                                    : ES_RUN_FAILED;
  if (st == ES_OK) state->steps = r->steps;
  if (st == ES_STOPPED) {
    es_run_facts_line(dir, "STATUS", "", status, sizeof status);
    const char *const cause = strncmp(status, "STOPPED ", 8) == 0 ? status + 8 : status;
    snprintf(state->reason, sizeof state->reason, "step %.1000s", cause);
  }
  if (st >= ES_OK) return;
  if (es_run_facts_in_use(dir))
    put_back(state);
  else
    snprintf(state->reason, sizeof state->reason, "%.1000s",
             why[0] != '\0' ? why : es_status_name(st));
}

es_status es_launch_run(const es_launch *l, int run, es_run_state *state) {
  const es_comm *const c = l->group->comm;
  const es_sweep_run *const r = &l->plan->run[run];
  const double began = es_now();
  char dir[PATH];
  action next = START;
  snprintf(dir, sizeof dir, "%s/%s", l->plan->dir, r->name);
  es_status st = ES_OK;
  const es_log_scope before = es_log_enter(c->rank);
  const int busy = es_progress_depth();
  if (c->rank == 0) st = choose(l, dir, r, state->generation, &next);
  st = es_comm_agree(c, st);
  es_comm_bcast(c, &next, sizeof next, 0);
  if (st == ES_OK && next < NOTHING) st = execute(l, dir, run, next);
  if (c->rank == 0) {
    record(dir, r, st, state);
    if (next == LEAVE) put_back(state);
    if (next < NOTHING) state->ranks = c->size;
    state->seconds += es_now() - began;
  }
  if (next == LEAVE) st = ES_STOPPED;
  es_progress_unwind(busy);
  es_log_leave(before);
  es_comm_bcast(c, state, sizeof *state, 0);
  return st;
}
