/* SPDX-License-Identifier: BSD-3-Clause */
/** @file plan.c  Axes -> runs. */
#include "plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/config_load.h"
#include "eigenstep/mem.h"
#include "eigenstep/settings.h"
#include "run_name.h"

enum { MOST_RUNS = 100000 };

es_status es_sweep_config(const es_sweep_spec *s, const es_sweep_run *r,
                          es_config **out) {
  const es_words *const set = r != NULL ? &r->set : &s->fixed;
  es_config *cfg = NULL;
  ES_TRY(es_config_create(&cfg));
  es_status st = es_config_read_text(cfg, s->base, s->base_path);
  for (int i = 0; i < set->n && st == ES_OK; i++) st = es_config_set(cfg, set->word[i]);
  if (st != ES_OK) es_config_destroy(&cfg);
  *out = cfg;
  return st;
}

/* What makes a run's identity, hashed as it is visited. */
typedef struct hasher {
  uint64_t hash;
  const es_words *varied;
} hasher;

/* FNV-1a. */
static void hash_text(hasher *h, const char *text) {
  for (const char *c = text; *c != '\0'; c++) {
    h->hash ^= (unsigned char) *c;
    h->hash *= 0x100000001b3u;
  }
}

static bool is_varied(const es_words *varied, const char *key) {
  for (int i = 0; i < varied->n; i++)
    if (strcmp(varied->word[i], key) == 0) return true;
  return false;
}

static bool counts(const es_words *varied, const char *key) {
  static const char *const other[] = {"output.", "sweep.", "bench.", "views."};
  for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
    if (strncmp(key, other[i], strlen(other[i])) == 0) return false;
  return is_varied(varied, key) || !es_config_may_change(key);
}

static void hash_key(void *ctx, const char *key, const char *value) {
  hasher *const h = ctx;
  if (!counts(h->varied, key)) return;
  hash_text(h, key);
  hash_text(h, "=");
  hash_text(h, value);
  hash_text(h, "\n");
}

/* The effective value of one key, looked for. */
typedef struct wanted {
  const char *key;
  char *value; /**< [ES_STRING_MAX] */
} wanted;

static void look(void *ctx, const char *key, const char *value) {
  const wanted *const w = ctx;
  if (strcmp(w->key, key) == 0) snprintf(w->value, ES_STRING_MAX, "%s", value);
}

/* What a run is evaluated with. */
typedef struct place {
  const es_job *job;
  const es_config *cfg;
  es_string value;
} place;

static const char *value_of(void *ctx, const char *key) {
  place *const p = ctx;
  es_string text = "";
  wanted w = {key, text};
  es_config_each(p->cfg, p->job->section, p->job->sections, look, &w);
  es_config_canonical(key, text, p->job->section, p->job->sections, p->value);
  return p->value;
}

/* The parameters of the point `at` of all axes; at[i] is a point of axis i. */
static es_status set_values(const es_sweep_spec *s, const int *at, es_sweep_run *r) {
  for (int i = 0; i < s->fixed.n; i++) ES_TRY(es_words_add(&r->set, s->fixed.word[i]));
  for (int i = 0; i < s->axes; i++) {
    const es_axis *const a = &s->axis[i];
    for (int k = 0; k < a->key.n; k++)
      ES_TRY(
          es_words_assign(&r->set, a->key.word[k], a->value.word[at[i] * a->key.n + k]));
  }
  return ES_OK;
}

/* Identity, name and values of a run whose parameters are set; *skip: it is left out. */
static es_status describe(const es_job *job, const es_sweep_spec *s,
                          const es_sweep_plan *plan, es_sweep_run *r, bool *skip) {
  const es_words *const varied = &plan->varied, *const named = &plan->named;
  es_words values = {0};
  place p = {.job = job};
  es_config *cfg = NULL;
  hasher h = {.hash = 0xcbf29ce484222325u, .varied = varied};
  es_status st;
  ES_TRY(es_sweep_config(s, r, &cfg));
  p.cfg = cfg;
  r->expected = NAN;
  hash_text(&h, es_sweep_commands[s->par.command]);
  hash_text(&h, "\n");
  es_config_each_changed(cfg, job->section, job->sections, hash_key, &h);
  snprintf(r->id, sizeof r->id, "%016llx", (unsigned long long) h.hash);
  r->steps = atoll(value_of(&p, "run.steps"));
  *skip = es_condition_holds(&s->skip, value_of, &p);
  for (int k = 0; k < varied->n; k++)
    ES_TRY_GOTO(es_words_add(&r->value, value_of(&p, varied->word[k])), done);
  for (int k = 0; k < named->n; k++)
    ES_TRY_GOTO(es_words_add(&values, value_of(&p, named->word[k])), done);
  st = es_sweep_name(named, &values, &r->name);
done:
  es_words_free(&values);
  es_config_destroy(&cfg);
  return st;
}

static void free_run(es_sweep_run *r) {
  es_free(&r->name);
  es_words_free(&r->set);
  es_words_free(&r->value);
}

/* Does the first of the keys that move together tell all points of the axis apart? */
static bool first_tells(const es_axis *a) {
  for (int i = 0; i < a->points; i++)
    for (int j = 0; j < i; j++)
      if (strcmp(a->value.word[i * a->key.n], a->value.word[j * a->key.n]) == 0)
        return false;
  return true;
}

static es_status list_varied(const es_sweep_spec *s, es_words *varied, es_words *named) {
  for (int last = 0; last < 2; last++) /* run.seed in the second pass */
    for (int i = 0; i < s->axes; i++)
      for (int k = 0; k < s->axis[i].key.n && s->axis[i].points > 1; k++) {
        const char *const key = s->axis[i].key.word[k];
        if ((strcmp(key, "run.seed") == 0) != (last == 1)) continue;
        ES_TRY(es_words_add(varied, key));
        if (k == 0 || !first_tells(&s->axis[i])) ES_TRY(es_words_add(named, key));
      }
  return ES_OK;
}

static es_status count_points(const es_sweep_spec *s, int64_t *points) {
  *points = 1;
  for (int i = 0; i < s->axes; i++) {
    *points *= s->axis[i].points;
    ES_CHECK(*points <= MOST_RUNS, ES_ECONFIG,
             "%s: got more than %d runs, expected fewer: a product of %d axes", s->path,
             MOST_RUNS, s->axes);
  }
  return ES_OK;
}

static es_status fill(const es_job *job, const es_sweep_spec *s, int64_t points,
                      es_sweep_plan *p) {
  int at[ES_SWEEP_AXES] = {0};
  for (int64_t i = 0; i < points; i++) {
    es_sweep_run *const r = &p->run[p->n];
    bool skip = false;
    es_status st = set_values(s, at, r);
    if (st == ES_OK) st = describe(job, s, p, r, &skip);
    if (st != ES_OK || skip) free_run(r);
    if (st != ES_OK || skip) *r = (es_sweep_run){.name = NULL};
    ES_TRY(st);
    p->n += !skip;
    p->skipped += skip;
    for (int a = s->axes - 1; a >= 0 && ++at[a] == s->axis[a].points; a--) at[a] = 0;
  }
  return ES_OK;
}

static int by_id(const void *a, const void *b) {
  const es_sweep_run *const *const x = a, *const *const y = b;
  return strcmp((*x)->id, (*y)->id);
}

static int by_name(const void *a, const void *b) {
  const es_sweep_run *const *const x = a, *const *const y = b;
  return strcmp((*x)->name, (*y)->name);
}

/* No two runs are the same, and no two folders have one name. */
static es_status tell_apart(es_sweep_plan *p) {
  es_sweep_run **order = NULL;
  es_status st;
  ES_TRY(ES_NEW(p->n, &order));
  for (int i = 0; i < p->n; i++) order[i] = &p->run[i];
  qsort(order, (size_t) p->n, sizeof *order, by_id);
  for (int i = 1; i < p->n; i++)
    ES_CHECK_GOTO(
        strcmp(order[i]->id, order[i - 1]->id) != 0, ES_ECONFIG, done,
        "got the same run twice, as number %d and number %d (%s), expected "
        "different parameters of all runs",
        (int) ((order[i] < order[i - 1] ? order[i] : order[i - 1]) - p->run) + 1,
        (int) ((order[i] > order[i - 1] ? order[i] : order[i - 1]) - p->run) + 1,
        order[i]->name);
  qsort(order, (size_t) p->n, sizeof *order, by_name);
  for (int i = p->n - 1; i > 0; i--)
    if (strcmp(order[i]->name, order[i - 1]->name) == 0)
      ES_TRY_GOTO(es_sweep_name_extend(order[i]->id, &order[i]->name), done);
  st = ES_OK;
done:
  es_free(&order);
  return st;
}

/* What all runs share must be right, or all would fail. */
static es_status read_dir(const es_job *job, const es_sweep_spec *s, es_sweep_plan *p) {
  es_output_params output;
  es_config *cfg = NULL;
  ES_TRY(es_sweep_config(s, NULL, &cfg));
  es_status st = es_config_check(cfg, job->section, job->sections);
  if (st == ES_OK)
    st = es_config_get(cfg, "output", es_output_table, NULL, sizeof output, &output);
  es_config_destroy(&cfg);
  ES_CHECK(st != ES_OK || (output.dir[0] != '\0' && strlen(output.dir) < 512), ES_ECONFIG,
           "output.dir: got %zu characters, expected a folder for the sweep of 1 to 511",
           strlen(output.dir));
  return st == ES_OK ? es_strdup(output.dir, &p->dir) : st;
}

static es_status make(const es_job *job, const es_sweep_spec *s, es_sweep_plan *p) {
  int64_t points;
  ES_TRY(read_dir(job, s, p));
  ES_TRY(count_points(s, &points));
  ES_TRY(list_varied(s, &p->varied, &p->named));
  ES_TRY(ES_NEW(points, &p->run));
  ES_TRY(fill(job, s, points, p));
  ES_CHECK(p->n > 0, ES_ECONFIG,
           "sweep.skip: got a condition that all %d runs meet, "
           "expected at least one that is left",
           p->skipped);
  return tell_apart(p);
}

es_status es_sweep_plan_make(const es_job *job, const es_sweep_spec *s,
                             es_sweep_plan *p) {
  *p = (es_sweep_plan){.n = 0};
  const es_status st = make(job, s, p);
  if (st != ES_OK) es_sweep_plan_free(p);
  return st;
}

void es_sweep_plan_free(es_sweep_plan *p) {
  for (int i = 0; i < p->n; i++) free_run(&p->run[i]);
  es_free(&p->run);
  es_words_free(&p->varied);
  es_words_free(&p->named);
  es_free(&p->dir);
  p->n = 0;
}
