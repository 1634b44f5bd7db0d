/* SPDX-License-Identifier: BSD-3-Clause */
/** @file config_same.c  May a run with these parameters continue one with those? */
#include <stdio.h>
#include <string.h>
#include "eigenstep/config_load.h"
#include "eigenstep/mem.h"

/** How long, how fast, and where the same data are: nothing of the model, its loss or its
 *  descent. */
static const char *const free_keys[] = {
    "run.steps",     "run.walltime",    "run.log_every", "run.skip_max",  "data.path",
    "data.prefetch", "backend.threads", "backend.tune",  "backend.plans", "backend.share",
    "backend.graph", "ckpt.every",      "ckpt.keep",     "ckpt.minutes"};
enum { FREE = sizeof free_keys / sizeof free_keys[0] };

bool es_config_may_change(const char *key) {
  for (int i = 0; i < FREE; i++)
    if (strcmp(free_keys[i], key) == 0) return true;
  return false;
}

static bool is_free(const char *section, const char *line) {
  char key[192];
  if (strcmp(section, "surgery") == 0) return true; /* es_config_check_surgery */
  const int width = (int) strcspn(line, " =");
  snprintf(key, sizeof key, "%s.%.*s", section, width, line);
  return es_config_may_change(key);
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
    ES_CHECK(
        false, ES_ECONFIG,
        "resume: got %s.%s, expected '%s' as in the checkpoint; what may change: %s, "
        "and surgery.* before the surgery is done",
        section, a, b, list);
  }
  return ES_OK;
}

/** Section [surgery] of a text of parameters. */
static es_status read_surgery(const char *text, es_surgery_params *p) {
  es_config *cfg = NULL;
  ES_TRY(es_config_create(&cfg));
  es_status st = es_config_read_text(cfg, text, "the checkpoint's parameters");
  if (st == ES_OK)
    st = es_config_get(cfg, "surgery", es_surgery_table, NULL, sizeof *p, p);
  es_config_destroy(&cfg);
  return st;
}

es_status es_config_check_surgery(const es_surgery_params *now, const char *stored,
                                  int64_t step) {
  es_surgery_params then;
  es_surgery_entry a[ES_SURGERY_MODES], b[ES_SURGERY_MODES];
  ES_TRY(read_surgery(stored, &then));
  const int n = es_surgery_entries(now, a), done = es_surgery_entries(&then, b);
  if (done > 0 && then.step < step) {
    bool same = n == done && now->step == then.step;
    for (int i = 0; i < n && same; i++)
      same = a[i].mode == b[i].mode && a[i].left == b[i].left && a[i].gain == b[i].gain;
    ES_CHECK(same, ES_ECONFIG,
             "surgery: got other values than those of the checkpoint, where it was done "
             "at step %lld; expected them unchanged",
             (long long) then.step);
    return ES_OK;
  }
  ES_CHECK(
      n == 0 || now->step >= step, ES_ECONFIG,
      "surgery.step: got %lld, expected %lld or more: the checkpoint is of that step",
      (long long) now->step, (long long) step);
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

es_status es_config_check_same(const es_job *job, const es_config *cfg,
                               const char *stored, bool *longer) {
  char *now = NULL, *then = NULL;
  es_status st = es_config_text(cfg, job->section, job->sections, false, &now);
  if (st == ES_OK) st = canonical(stored, job->section, job->sections, &then);
  if (st == ES_OK) st = compare(now, then, longer);
  es_free(&then);
  es_free(&now);
  return st;
}
