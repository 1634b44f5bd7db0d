/* SPDX-License-Identifier: BSD-3-Clause */
/** @file exp_resume.c  eigenstep resume: go on with a training run from its last
 *  checkpoint, on any number of ranks.
 *
 *  The parameters are those of the folder's run.ini. What would make another run of it
 *  must be as in the checkpoint; how long, where and how often may change. */
#include <stdio.h>
#include <string.h>
#include "eigenstep/ckpt.h"
#include "eigenstep/mem.h"
#include "exp_train.h"

/** Results do not depend on them, but for where the run ends. */
static const char *const free_keys[] = {
    "run.steps",    "run.walltime",  "run.log_every", "run.skip_max",
    "output.dir",   "data.path",     "data.prefetch", "backend.threads",
    "backend.tune", "backend.plans", "ckpt.every",    "ckpt.keep"};
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

/** Two configurations as written by es_config_text: line by line the same keys. */
static es_status compare(const char *now, const char *then) {
  char section[96] = "", a[1400], b[1400], list[400];
  while (*now != '\0' || *then != '\0') {
    next_line(&now, a, sizeof a);
    next_line(&then, b, sizeof b);
    if (a[0] == '[')
      snprintf(section, sizeof section, "%.*s", (int) strcspn(a + 1, "]"), a + 1);
    if (strcmp(a, b) == 0 || is_free(section, a)) continue;
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

static es_status check_same(const es_config *cfg, const char *stored) {
  es_section *s = NULL;
  size_t n = 0;
  char *now = NULL, *then = NULL;
  es_status st = es_sections(&s, &n);
  if (st == ES_OK) st = es_config_text(cfg, s, n, false, &now);
  if (st == ES_OK) st = canonical(stored, s, n, &then);
  if (st == ES_OK) st = compare(now, then);
  es_free(&then);
  es_free(&now);
  es_free(&s);
  return st;
}

static es_status walk_nothing(void *state, es_visitor *v) {
  (void) state;
  (void) v;
  return ES_OK;
}

static es_status check_length(const es_settings *s, const char *dir, int64_t step) {
  ES_CHECK(step < s->run.steps, ES_ECONFIG,
           "resume: run.steps = %lld, but '%s' is at step %lld already; expected more",
           (long long) s->run.steps, dir, (long long) step);
  return ES_OK;
}

static es_status resume(const es_job *job, const char *dir, int argc, char *const *argv) {
  const es_comm *const c = job->comm;
  char path[1200], file[1200];
  char *stored = NULL;
  int64_t step = 0;
  es_config *cfg = NULL;
  es_settings s;
  es_status st;
  ES_CHECK(strlen(dir) < sizeof s.output.dir, ES_ECONFIG,
           "resume: got a path of %zu characters, expected fewer than %zu", strlen(dir),
           sizeof s.output.dir);
  snprintf(file, sizeof file, "%s/ckpt", dir);
  ES_TRY(es_ckpt_latest(c, file, path, &step));
  snprintf(file, sizeof file, "%s/run.ini", dir);
  ES_TRY(es_config_load(job, file, argc, argv, &cfg));
  ES_TRY_GOTO(es_ckpt_read(c, path, walk_nothing, NULL, NULL, &stored), done);
  ES_TRY_GOTO(es_comm_agree(c, check_same(cfg, stored)), done);
  ES_TRY_GOTO(es_settings_read(cfg, c->size, &s), done);
  ES_TRY_GOTO(check_length(&s, dir, step), done);
  snprintf(s.output.dir, sizeof s.output.dir, "%s", dir); /* it may have been moved */
  st = es_exp_train(job, cfg, &s, path);
done:
  es_free(&stored);
  es_config_destroy(&cfg);
  return st;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  ES_CHECK(argc >= 1, ES_ECONFIG, "resume: got no output folder, expected OUTDIR");
  return resume(job, argv[0], argc - 1, argv + 1);
}

const es_experiment_ops es_experiment_resume = {
    .name = "resume",
    .doc = "go on with a training run from its last checkpoint, on any number of ranks",
    .usage = "OUTDIR [section.key=value ...]",
    .run = run};
