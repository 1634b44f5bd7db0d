/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_resume.c  eigenstep resume: continue a training run from its last
 *  checkpoint, on any number of ranks.
 *
 *  The parameters are those of the folder's run.ini, and the folder is the one given,
 *  also where it was moved. What would make another run of it must be as in the
 *  checkpoint. */
#include "eigenstep/command.h"
#include <stdio.h>
#include <string.h>
#include "eigenstep/reopen.h"
#include "eigenstep/run_facts.h"
#include "eigenstep/run_files.h"
#include "training_run.h"

static es_status check_length(const es_settings *s, bool longer, const char *dir,
                              int64_t step) {
  ES_CHECK(step < s->run.steps, ES_ECONFIG,
           "resume: run.steps = %lld, but '%s' is at step %lld already; expected more",
           (long long) s->run.steps, dir, (long long) step);
  ES_CHECK(!longer || strcmp(s->sched.name, "constant") == 0, ES_ECONFIG,
           "resume: got another run.steps with sched.name = %s, expected that of the "
           "checkpoint: learning rates follow from it",
           s->sched.name);
  return ES_OK;
}

/** Collective. Does the folder's STATUS say that the run is done? */
static bool is_done(const es_comm *c, const char *dir) {
  char status[16] = "";
  if (c->rank == 0) es_run_facts_line(dir, "STATUS", "", status, sizeof status);
  int64_t done = strcmp(status, "DONE") == 0;
  es_comm_bcast(c, &done, sizeof done, 0);
  return done != 0;
}

/** Collective. A run killed between its last checkpoint and its end has nothing to do. */
static es_status finish(const es_comm *c, const char *dir, int64_t step) {
  es_info("'%s' had made all its %lld steps; its STATUS is now DONE", dir,
          (long long) step);
  return es_comm_agree(c, c->rank == 0 ? es_run_files_status(dir, "DONE") : ES_OK);
}

static es_status resume(const es_job *job, const es_reopen_options *from,
                        es_run_folder *o) {
  const es_comm *const c = job->comm;
  es_reopened *r = NULL;
  bool longer = false;
  es_status st;
  ES_TRY(es_reopen(job, from, ES_REOPEN_SETTINGS, &r));
  es_settings *const s = &r->settings;
  st = es_config_check_same(job, r->config, r->text, &longer);
  if (st == ES_OK) st = es_config_check_surgery(&s->surgery, r->text, r->step);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  if (r->step == s->run.steps && !is_done(c, from->dir)) {
    st = finish(c, from->dir, r->step);
    goto done;
  }
  ES_TRY_GOTO(check_length(s, longer, from->dir, r->step), done);
  ES_TRY_GOTO(es_reopen_build(c, r, ES_REOPEN_TRAINING), done);
  st = es_training_run(job, r->config, s, r->parts, true, o);
done:
  es_reopen_close(&r);
  return st;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  es_run_folder o;
  ES_CHECK(argc >= 1, ES_ECONFIG, "resume: got no output folder, expected OUTDIR");
  ES_CHECK(strlen(argv[0]) < sizeof o.dir, ES_ECONFIG,
           "resume: got a path of %zu characters, expected fewer than %zu",
           strlen(argv[0]), sizeof o.dir);
  const es_reopen_options from = {
      .dir = argv[0], .step = ES_REOPEN_LATEST, .argc = argc - 1, .argv = argv + 1};
  ES_TRY(es_run_folder_lock(job, argv[0], &o));
  const es_status st = resume(job, &from, &o);
  es_run_folder_unlock(&o);
  return st;
}

const es_command_ops es_command_resume = {
    .name = "resume",
    .of_a_run = true,
    .doc = "continue a training run from its last checkpoint, on any number of ranks",
    .usage = "OUTDIR [section.key=value ...]",
    .run = run};
