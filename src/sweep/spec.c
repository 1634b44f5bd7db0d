/* SPDX-License-Identifier: BSD-3-Clause */
/** @file spec.c  SWEEP.ini and overrides -> axes and values for all runs. */
#include "spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/config_load.h"
#include "eigenstep/mem.h"

enum { PATH = 4096, LINE = 4096 };

const char *const es_sweep_commands[] = {[ES_SWEEP_TRAIN] = "train",
                                         [ES_SWEEP_LINEAR] = "linear",
                                         [ES_SWEEP_KERNEL] = "kernel"};

typedef es_sweep_params par;
const es_param es_sweep_table[] = {
    ES_STRING(par, base, "",
              "parameter file of all runs, relative to the sweep's file; - for defaults"),
    ES_CHOICE(par, command, "train", "train|linear|kernel", "sub-command of all runs"),
    ES_INT(par, ranks, "1", 1, 1e6, "1", "ranks of a run"),
    ES_STRING(par, table, "",
              "file with a line of parameters and a line of values a run, with tabs "
              "between them; an axis like those of section [sweep]"),
    ES_STRING(par, seeds, "", "values of run.seed, the last axis: 1:5 or 1, 4, 7"),
    ES_STRING(par, skip, "",
              "runs to leave out: comparisons such as optim.lr > 0.1, joined by and, or"),
    ES_DOUBLE(par, stale, "120", 10, 1e6, "s",
              "a run without a sign of life for so long is taken over by another job"),
    ES_DOUBLE(par, report, "10", 0.1, 1e6, "s", "time between two progress lines"),
    ES_PARAM_END};

/* What the lines of the file go to. */
typedef struct reader {
  es_sweep_spec *spec;
  es_config *own; /**< section [sweep] without the axes */
  const es_job *job;
} reader;

/* The axis that has this key; -1: none. */
static int find_axis(const es_sweep_spec *s, const char *key) {
  for (int i = 0; i < s->axes; i++)
    for (int k = 0; k < s->axis[i].key.n; k++)
      if (strcmp(s->axis[i].key.word[k], key) == 0) return i;
  return -1;
}

static void remove_axis(es_sweep_spec *s, int i) {
  es_axis_free(&s->axis[i]);
  memmove(&s->axis[i], &s->axis[i + 1], (size_t) (s->axes - i - 1) * sizeof *s->axis);
  s->axes--;
}

/* Takes over what `a` owns, also after an error. */
static es_status add_axis(reader *r, es_axis *a, const char *origin) {
  es_sweep_spec *const s = r->spec;
  es_status st = ES_OK;
  for (int k = 0; k < a->key.n && st == ES_OK; k++) {
    const char *const key = a->key.word[k];
    st = es_config_check_key(key, r->job->section, r->job->sections);
    bool twice = find_axis(s, key) >= 0;
    for (int j = 0; j < k; j++) twice = twice || strcmp(a->key.word[j], key) == 0;
    if (st == ES_OK && (twice || s->axes == ES_SWEEP_AXES)) {
      es_error("%s: got '%s' a second time, or more than %d axes, expected each key once",
               origin, key, ES_SWEEP_AXES);
      st = ES_ECONFIG;
    }
    if (st == ES_OK && strncmp(key, "output.", 7) == 0) {
      es_error("%s: got an axis '%s', expected another: the sweep names the folders of "
               "its runs",
               origin, key);
      st = ES_ECONFIG;
    }
  }
  if (st == ES_OK)
    s->axis[s->axes++] = *a;
  else
    es_axis_free(a);
  return st;
}

static es_status fix(reader *r, const char *section, const char *key, const char *value) {
  char full[LINE];
  snprintf(full, sizeof full, "%s.%s", section, key);
  ES_TRY(es_config_check_key(full, r->job->section, r->job->sections));
  return es_words_assign(&r->spec->fixed, full, value);
}

/* A line of SWEEP.ini: of [sweep] a key with a dot is an axis; in other sections all are
 * values for all runs, as in a base file. */
static es_status on_line(void *ctx, const es_ini_line *at) {
  reader *const r = ctx;
  char origin[LINE], text[2 * LINE];
  snprintf(origin, sizeof origin, "%s:%d", at->origin, at->line);
  ES_CHECK(at->section[0] != '\0', ES_ECONFIG,
           "%s: got '%s' before any section, expected [sweep] first", origin, at->key);
  if (strcmp(at->section, "sweep") != 0) return fix(r, at->section, at->key, at->value);
  if (strchr(at->key, '.') != NULL) {
    es_axis a = {.points = 0};
    if (strcmp(at->key, "output.dir") == 0) return fix(r, "output", "dir", at->value);
    ES_TRY(es_axis_parse(at->key, at->value, origin, &a));
    return add_axis(r, &a, origin);
  }
  ES_CHECK(es_config_given(r->own, "sweep", at->key) == NULL, ES_ECONFIG,
           "%s: got '%s' a second time, expected each key once", origin, at->key);
  snprintf(text, sizeof text, "sweep.%s=%s", at->key, at->value);
  return es_config_set(r->own, text);
}

/* Of section [sweep]: "sweep.seeds=1:3", or "seeds=1:3" as its file has it? */
static bool is_own(const char *text) {
  const size_t dot = strcspn(text, ".");
  return strncmp(text, "sweep.", 6) == 0 || strcspn(text, "=") < dot;
}

static es_status set_own(reader *r, const char *text) {
  char full[LINE];
  const char *const section = strncmp(text, "sweep.", 6) == 0 ? "" : "sweep.";
  const int n = snprintf(full, sizeof full, "%s%s", section, text);
  ES_CHECK(n < LINE, ES_ECONFIG,
           "override '%.80s...': got %d characters, expected fewer than %d", text, n,
           LINE);
  return es_config_set(r->own, full);
}

/* Other values for axis i, as its line in the file has them; one is for all runs. */
static es_status override_axis(es_sweep_spec *s, int i, const char *key,
                               const char *values) {
  es_axis a = {.points = 0};
  ES_TRY(es_axis_parse(key, values, "command line", &a));
  if (a.points > 1) {
    es_axis_free(&s->axis[i]);
    s->axis[i] = a;
    return ES_OK;
  }
  remove_axis(s, i);
  const es_status st = es_words_assign(&s->fixed, key, a.value.word[0]);
  es_axis_free(&a);
  return st;
}

/* "section.key=value" of the command line: in place of an axis, or for all runs. */
static es_status override(reader *r, const char *text) {
  es_sweep_spec *const s = r->spec;
  char key[LINE];
  const size_t n = strcspn(text, "=");
  snprintf(key, sizeof key, "%.*s", (int) n, text);
  ES_CHECK(text[n] == '=', ES_ECONFIG, "override '%.200s': expected section.key=value",
           text);
  ES_TRY(es_config_check_key(key, r->job->section, r->job->sections));
  const int i = find_axis(s, key);
  ES_CHECK(i < 0 || s->axis[i].key.n == 1, ES_ECONFIG,
           "override '%.200s': %s moves together with other parameters, expected another "
           "key, or a change of the sweep's file",
           text, key);
  if (i >= 0) return override_axis(s, i, key, text + n + 1);
  return es_words_add(&s->fixed, text);
}

/* Its keys are parameters; its values get the form of those that they meet. */
static es_status prepare_condition(const reader *r, es_condition *c) {
  for (int i = 0; i < c->n; i++) {
    es_comparison *const t = &c->term[i];
    es_string value;
    ES_TRY(es_config_check_key(t->key, r->job->section, r->job->sections));
    es_config_canonical(t->key, t->value, r->job->section, r->job->sections, value);
    if (strlen(value) < sizeof t->value) memcpy(t->value, value, strlen(value) + 1);
  }
  return ES_OK;
}

/* The lines of the file and section [sweep], before files that it names. */
static es_status read_lines(reader *r, const es_sweep_options *o, const char *text) {
  es_sweep_spec *const s = r->spec;
  ES_TRY(es_ini_read(text, o->path, on_line, r));
  for (int i = 0; i < o->argc; i++)
    if (is_own(o->argv[i])) ES_TRY(set_own(r, o->argv[i]));
  ES_TRY(es_config_check(r->own, r->job->section, r->job->sections));
  ES_TRY(es_config_get(r->own, "sweep", es_sweep_table, NULL, sizeof s->par, &s->par));
  ES_CHECK(s->par.base[0] != '\0', ES_ECONFIG,
           "%s: got no base, expected [sweep] with base = RUN.ini, or - for the defaults",
           o->path);
  ES_TRY(es_condition_parse(s->par.skip, "sweep.skip", &s->skip));
  return prepare_condition(r, &s->skip);
}

/* Rank 0: a path that is relative to the folder of `beside`, or to the current one. */
static void locate(const char *beside, const char *name, char out[PATH]) {
  const char *const slash = strrchr(beside, '/');
  snprintf(out, PATH, "%s", name);
  if (name[0] == '/' || slash == NULL) return;
  snprintf(out, PATH, "%.*s/%s", (int) (slash - beside), beside, name);
  if (access(out, F_OK) != 0) snprintf(out, PATH, "%s", name);
}

/* Collective. The text of a file named in SWEEP.ini, and where it was found. */
static es_status read_beside(const es_comm *c, const char *beside, const char *name,
                             char **path, char **text) {
  char found[PATH] = "";
  if (c->rank == 0) locate(beside, name, found);
  es_comm_bcast(c, found, sizeof found, 0);
  ES_TRY(es_comm_agree_made(c, es_strdup(found, path), (void **) path));
  return es_config_text_of(c, found, text);
}

static es_status read_base(const es_comm *c, const char *beside, es_sweep_spec *s) {
  if (strcmp(s->par.base, "-") != 0)
    return read_beside(c, beside, s->par.base, &s->base_path, &s->base);
  es_status st = es_strdup("-", &s->base_path);
  if (st == ES_OK) st = es_strdup("", &s->base);
  return es_comm_agree(c, st);
}

/* Collective. The table becomes the first axis. */
static es_status read_table(reader *r, const char *beside) {
  es_sweep_spec *const s = r->spec;
  char *path = NULL, *text = NULL;
  es_axis a = {.points = 0};
  es_status st = read_beside(r->job->comm, beside, s->par.table, &path, &text);
  if (st == ES_OK) st = es_axis_table(text, path, &a);
  if (st == ES_OK) st = add_axis(r, &a, path);
  if (st == ES_OK) {
    const es_axis last = s->axis[s->axes - 1];
    memmove(s->axis + 1, s->axis, (size_t) (s->axes - 1) * sizeof *s->axis);
    s->axis[0] = last;
  }
  es_free(&text);
  es_free(&path);
  return es_comm_agree(r->job->comm, st);
}

/* SWEEP.ini as it is named from any folder. */
static es_status keep_path(const es_comm *c, const char *path, es_sweep_spec *s) {
  char full[PATH] = "";
  if (c->rank == 0) {
    char *const real = realpath(path, NULL);
    snprintf(full, sizeof full, "%s", real != NULL ? real : path);
    free(real);
  }
  es_comm_bcast(c, full, sizeof full, 0);
  return es_comm_agree(c, es_strdup(full, &s->path));
}

/* The seeds, the last axis; then what the command line puts in place of any axis. */
static es_status finish(reader *r, const es_sweep_options *o) {
  const char *const seeds = r->spec->par.seeds;
  es_axis a = {.points = 0};
  if (seeds[0] != '\0') {
    ES_TRY(es_axis_seeds(seeds, o->path, &a));
    ES_TRY(add_axis(r, &a, o->path));
  }
  for (int i = 0; i < o->argc; i++)
    if (!is_own(o->argv[i])) ES_TRY(override(r, o->argv[i]));
  return ES_OK;
}

static es_status read_all(reader *r, const es_sweep_options *o) {
  const es_comm *const c = r->job->comm;
  es_sweep_spec *const s = r->spec;
  ES_TRY(es_config_text_of(c, o->path, &s->text));
  ES_TRY(es_comm_agree(c, read_lines(r, o, s->text)));
  ES_TRY(keep_path(c, o->path, s));
  ES_TRY(read_base(c, s->path, s));
  if (s->par.table[0] != '\0') ES_TRY(read_table(r, s->path));
  return es_comm_agree(c, finish(r, o));
}

es_status es_sweep_spec_read(const es_job *job, const es_sweep_options *o,
                             es_sweep_spec *s) {
  reader r = {.spec = s, .job = job};
  *s = (es_sweep_spec){.axes = 0};
  es_status st = es_comm_agree(job->comm, es_config_create(&r.own));
  if (st == ES_OK) st = read_all(&r, o);
  es_config_destroy(&r.own);
  if (st != ES_OK) es_sweep_spec_free(s);
  return st;
}

void es_sweep_spec_free(es_sweep_spec *s) {
  for (int i = 0; i < s->axes; i++) es_axis_free(&s->axis[i]);
  s->axes = 0;
  es_words_free(&s->fixed);
  es_free(&s->path);
  es_free(&s->text);
  es_free(&s->base_path);
  es_free(&s->base);
}
