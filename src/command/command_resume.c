/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_resume.c  eigenstep resume: go on with a training run from its last
 *  checkpoint, on any number of ranks.
 *
 *  The parameters are those of the folder's run.ini, and the folder is the one given,
 *  also where it was moved. What would make another run of it must be as in the
 *  checkpoint. */
#include "eigenstep/command.h"
#include <stdio.h>
#include <string.h>
#include "eigenstep/ckpt.h"
#include "eigenstep/mem.h"
#include "eigenstep/run_files.h"
#include "command_train.h"

/** How long, how fast, and where the same data are: nothing of the model, its loss or its
 *  descent. */
static const char *const free_keys[] = {
    "run.steps",     "run.walltime",  "run.log_every",   "run.skip_max",
    "data.path",     "data.prefetch", "backend.threads", "backend.tune",
    "backend.plans", "ckpt.every",    "ckpt.keep"};
enum { FREE = sizeof free_keys / sizeof free_keys[0] };

static bool is_free(const char *section, const char *line) {
  char key[192];
  const int width = (int) strcspn(line, " =");
  snprintf(key, sizeof key, "%s.%.*s", section, width, line);
  for (int i = 0; i < FREE; i++)
    if (strcmp(free_keys[i], key) == 0) return true;
  return false;
}

static void list_free(char *text, size_t size) {
  size_t used = 0;
  for (int i = 0; i < FREE && used < size; i++)
    used += (size_t) snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "",
                              free_keys[i]);
}

/** Take the line at *text, without its end. */
static void next_line(const char **text, char *line, size_t size) {
  const size_t n = strcspn(*text, "\n");
  snprintf(line, size, "%.*s", (int) n, *text);
  *text += n + ((*text)[n] == '\n');
}

/** Two configurations as written by es_config_text: line by line the same keys.
 *  *longer: run.steps differs. */
static es_status compare(const char *now, const char *then, bool *longer) {
  char section[96] = "", a[1400], b[1400], list[400];
  while (*now != '\0' || *then != '\0') {
    next_line(&now, a, sizeof a);
    next_line(&then, b, sizeof b);
    if (a[0] == '[')
      snprintf(section, sizeof section, "%.*s", (int) strcspn(a + 1, "]"), a + 1);
    if (strcmp(a, b) == 0) continue;
    *longer = *longer || (strcmp(section, "run") == 0 && strncmp(a, "steps ", 6) == 0);
    if (is_free(section, a)) continue;
    list_free(list, sizeof list);
    ES_CHECK(false, ES_ECONFIG,
             "resume: got %s.%s, expected '%s' as in the checkpoint; what may change: %s",
             section, a, b, list);
  }
  return ES_OK;
}

/** The configuration of a checkpoint, in today's words. */
static es_status canonical(const char *text, const es_section *s, size_t n, char **out) {
  es_config *cfg = NULL;
  ES_TRY(es_config_create(&cfg));
  es_status st = es_config_read_text(cfg, text, "the checkpoint's parameters");
  if (st == ES_OK) st = es_config_text(cfg, s, n, false, out);
  es_config_destroy(&cfg);
  return st;
}

static es_status check_same(const es_job *job, const es_config *cfg, const char *stored,
                            bool *longer) {
  char *now = NULL, *then = NULL;
  es_status st = es_config_text(cfg, job->section, job->sections, false, &now);
  if (st == ES_OK) st = canonical(stored, job->section, job->sections, &then);
  if (st == ES_OK) st = compare(now, then, longer);
  es_free(&then);
  es_free(&now);
  return st;
}

static es_status walk_nothing(void *state, es_visitor *v) {
  (void) state;
  (void) v;
  return ES_OK;
}

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
  char path[1200], word[8] = "";
  int64_t done = 0;
  snprintf(path, sizeof path, "%s/STATUS", dir);
  FILE *f = c->rank == 0 ? fopen(path, "r") : NULL;
  if (f != NULL) done = fscanf(f, "%7s", word) == 1 && strcmp(word, "DONE") == 0;
  if (f != NULL) fclose(f);
  es_comm_bcast(c, &done, sizeof done, 0);
  return done != 0;
}

/** Collective. A run killed between its last checkpoint and its end has nothing to do. */
static es_status finish(const es_comm *c, const char *dir, int64_t step) {
  es_info("'%s' had made all its %lld steps; its STATUS says so now", dir,
          (long long) step);
  return es_comm_agree(c, c->rank == 0 ? es_run_files_status(dir, "DONE") : ES_OK);
}

static es_status resume(const es_job *job, const char *dir, int argc, char *const *argv,
                        es_run_folder *o) {
  const es_comm *const c = job->comm;
  char path[1200], file[1200];
  char *stored = NULL;
  bool longer = false;
  int64_t step = 0;
  es_config *cfg = NULL;
  es_settings s = {.ckpt = {0}};
  es_status st;
  snprintf(file, sizeof file, "%s/ckpt", dir);
  ES_TRY(es_ckpt_latest(c, file, path, &step));
  snprintf(file, sizeof file, "%s/run.ini", dir);
  ES_TRY(es_config_load(job, file, argc, argv, &cfg));
  ES_TRY_GOTO(es_ckpt_read(c, path, walk_nothing, NULL, NULL, &stored), done);
  ES_TRY_GOTO(es_comm_agree(c, check_same(job, cfg, stored, &longer)), done);
  ES_TRY_GOTO(es_settings_read(cfg, c->size, &s), done);
  if (step == s.run.steps && !is_done(c, dir)) {
    st = finish(c, dir, step);
    goto done;
  }
  ES_TRY_GOTO(check_length(&s, longer, dir, step), done);
  s.encoder.weights[0] = '\0'; /* the checkpoint has them all */
  st = es_training_run(job, cfg, &s, path, o);
done:
  es_settings_free(&s);
  es_free(&stored);
  es_config_destroy(&cfg);
  return st;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  es_run_folder o;
  ES_CHECK(argc >= 1, ES_ECONFIG, "resume: got no output folder, expected OUTDIR");
  ES_CHECK(strlen(argv[0]) < sizeof o.dir, ES_ECONFIG,
           "resume: got a path of %zu characters, expected fewer than %zu",
           strlen(argv[0]), sizeof o.dir);
  ES_TRY(es_run_folder_lock(job, argv[0], &o));
  const es_status st = resume(job, argv[0], argc - 1, argv + 1, &o);
  es_run_folder_unlock(&o);
  return st;
}

const es_command_ops es_command_resume = {
    .name = "resume",
    .doc = "go on with a training run from its last checkpoint, on any number of ranks",
    .usage = "OUTDIR [section.key=value ...]",
    .run = run};
