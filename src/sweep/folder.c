/* SPDX-License-Identifier: BSD-3-Clause */
/** @file folder.c  The folder of a sweep: checked, made. */
#include "folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base_change.h"
#include "eigenstep/mem.h"
#include "eigenstep/path.h"
#include "once.h"
#include "run_name.h"
#include "run_state.h"

enum { PATH = 1200, NAME = 224, MOST_TEXT = 1 << 20 };

/* *text = NULL: there is no such file. */
static es_status read_text(const char *dir, const char *name, char **text) {
  char path[PATH];
  *text = NULL;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *f = fopen(path, "r");
  ES_CHECK(f != NULL || errno == ENOENT, ES_EIO, "cannot open '%s': %s", path,
           strerror(errno));
  if (f == NULL) return ES_OK;
  es_status st = es_alloc(MOST_TEXT + 1, name, (void **) text);
  if (st == ES_OK) (*text)[fread(*text, 1, MOST_TEXT, f)] = '\0';
  fclose(f);
  return st;
}

static es_status write_text(const char *dir, const char *name, const char *text) {
  char path[PATH];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return es_once_replace(path, text);
}

void es_sweep_folder_base(const char *dir, const es_sweep_spec *s, char *path,
                          size_t size) {
  uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
  for (const char *c = s->base; *c != '\0'; c++)
    hash = (hash ^ (unsigned char) *c) * 0x100000001b3u;
  snprintf(path, size, "%s/base.%016llx.ini", dir, (unsigned long long) hash);
}

static es_status origin_text(const es_sweep_spec *s, char **text) {
  const char *const command = es_sweep_commands[s->par.command];
  const size_t size = strlen(s->path) + strlen(command) + 128;
  ES_TRY(es_alloc(size, "origin.ini", (void **) text));
  snprintf(*text, size,
           "# the sweep that this folder belongs to\n[origin]\nfile = %s\n"
           "command = %s\n",
           s->path, command);
  return ES_OK;
}

static es_status check_origin(const es_sweep_spec *s, const char *dir, bool accept) {
  char *then = NULL, *now = NULL;
  es_status st;
  char queue[PATH];
  snprintf(queue, sizeof queue, "%s/queue", dir);
  ES_TRY_GOTO(read_text(dir, "origin.ini", &then), done);
  const bool begun = access(queue, F_OK) == 0; /* by another job, just now */
  bool empty = false;
  const int err = es_path_is_empty(dir, &empty);
  ES_CHECK_GOTO(err == 0, ES_EIO, done, "output.dir: cannot read the folder '%s': %s",
                dir, strerror(err));
  ES_CHECK_GOTO(then != NULL || begun || empty, ES_ECONFIG, done,
                "output.dir: got '%s', which is not empty and not the folder of a sweep; "
                "expected a new folder",
                dir);
  ES_TRY_GOTO(origin_text(s, &now), done);
  if (then == NULL || accept || strcmp(then, now) == 0) goto done;
  const char *const line = strstr(then, "file = ");
  ES_CHECK_GOTO(false, ES_ECONFIG, done,
                "output.dir: '%s' belongs to another sweep (%.*s), expected another "
                "folder, or --accept if the sweep's file was moved",
                dir, line != NULL ? (int) strcspn(line, "\n") : 0, line);
done:
  es_free(&now);
  es_free(&then);
  return st;
}

static es_status check_base(const es_job *job, const es_sweep_spec *s, const char *dir,
                            bool accept) {
  char *then = NULL;
  ES_TRY(read_text(dir, "base.ini", &then));
  const es_status st =
      then != NULL && !accept ? es_base_check(job, s->base_path, then, s->base) : ES_OK;
  es_free(&then);
  return st;
}

static int find_run(const es_sweep_plan *p, const char *id) {
  for (int i = 0; i < p->n; i++)
    if (strcmp(p->run[i].id, id) == 0) return i;
  return -1;
}

/* Failed runs that the plan does not have: of a grid, or a base file, that was mended. */
typedef struct failed_others {
  int n;
  const char *first;
} failed_others;

static void count_other(const es_run_state *s, const char *name, failed_others *o) {
  if (s->phase != ES_RUN_FAILED) return;
  if (o->n++ == 0) o->first = name;
}

static void tell_others(const char *dir, const failed_others *o) {
  if (o->n > 0)
    es_info(
        "'%s' also holds %d failed run%s that this sweep does not have, such as '%s': "
        "the summary leaves them out; remove NAME.state and the folder NAME of each to "
        "be rid of them",
        dir, o->n, o->n == 1 ? "" : "s", o->first);
}

/* A run that is there keeps its name; a new one whose name another run has is extended.
 * Rank 0. */
static es_status adopt_names(es_sweep_plan *p) {
  es_words names = {0};
  failed_others others = {.n = 0};
  bool *known = NULL;
  es_status st;
  ES_TRY_GOTO(ES_NEW(p->n, &known), done);
  if (access(p->dir, F_OK) == 0) ES_TRY_GOTO(es_run_state_list(p->dir, &names), done);
  for (int pass = 0; pass < 2; pass++) /* first those that are there */
    for (int i = 0; i < names.n; i++) {
      es_run_state s;
      bool found;
      ES_TRY_GOTO(es_run_state_read(p->dir, names.word[i], &s, &found), done);
      const int at = find_run(p, s.id);
      if (pass == 0 && at >= 0) {
        es_free(&p->run[at].name);
        ES_TRY_GOTO(es_strdup(names.word[i], &p->run[at].name), done);
        known[at] = true;
      }
      if (pass == 0 && at < 0 && found) count_other(&s, names.word[i], &others);
      for (int k = 0; k < p->n && pass == 1; k++)
        if (!known[k] && strcmp(p->run[k].name, names.word[i]) == 0)
          ES_TRY_GOTO(es_sweep_name_extend(p->run[k].id, &p->run[k].name), done);
    }
  tell_others(p->dir, &others);
  st = ES_OK;
done:
  es_free(&known);
  es_words_free(&names);
  return st;
}

/* Collective. Rank 0's names on all ranks. */
static es_status share_names(const es_comm *c, es_sweep_plan *p) {
  char *names = NULL;
  const es_status made =
      es_alloc_n((size_t) p->n, NAME, "names of runs", (void **) &names);
  ES_TRY(es_comm_agree_made(c, made, (void **) &names));
  for (int i = 0; i < p->n; i++)
    snprintf(names + (size_t) i * NAME, NAME, "%s", p->run[i].name);
  es_comm_bcast(c, names, (size_t) p->n * NAME, 0);
  es_status st = ES_OK;
  for (int i = 0; i < p->n && st == ES_OK; i++) {
    es_free(&p->run[i].name);
    st = es_strdup(names + (size_t) i * NAME, &p->run[i].name);
  }
  es_free(&names);
  return es_comm_agree(c, st);
}

/* Rank 0. */
static es_status check(const es_job *job, const es_sweep_spec *s, bool accept,
                       es_sweep_plan *p) {
  ES_TRY(check_origin(s, p->dir, accept));
  ES_TRY(check_base(job, s, p->dir, accept));
  return adopt_names(p);
}

es_status es_sweep_folder_check(const es_job *job, const es_sweep_spec *s, bool accept,
                                es_sweep_plan *p) {
  const es_comm *const c = job->comm;
  ES_TRY(es_comm_agree(c, c->rank == 0 ? check(job, s, accept, p) : ES_OK));
  return share_names(c, p);
}

/* Rank 0. A state for a run that has none; if another job has just given its name to
 * another run, under a longer one. */
static es_status make_state(const char *dir, es_sweep_run *r) {
  es_run_state s = {.phase = ES_RUN_PENDING}, other;
  bool made = false, found = false;
  snprintf(s.id, sizeof s.id, "%s", r->id);
  ES_TRY(es_run_state_create(dir, r->name, &s, &made));
  if (made) return ES_OK;
  ES_TRY(es_run_state_read(dir, r->name, &other, &found));
  if (!found || strcmp(other.id, r->id) == 0) return ES_OK;
  ES_TRY(es_sweep_name_extend(r->id, &r->name));
  return es_run_state_create(dir, r->name, &s, &made);
}

/* Rank 0. Of two sweeps that want a new folder at one time one gets it. */
static es_status make_origin(const es_sweep_spec *s, const char *dir, bool accept) {
  char path[PATH], *text = NULL;
  int fd = -1;
  snprintf(path, sizeof path, "%s/origin.ini", dir);
  ES_TRY(origin_text(s, &text));
  es_status st = es_once_create(path, text, &fd);
  if (fd >= 0) close(fd);
  if (st == ES_OK && fd < 0) st = check_origin(s, dir, accept);
  if (st == ES_OK && fd < 0 && accept) st = write_text(dir, "origin.ini", text);
  es_free(&text);
  return st;
}

/* Rank 0. */
static es_status make(const es_sweep_spec *s, bool accept, es_sweep_plan *p) {
  char queue[PATH];
  snprintf(queue, sizeof queue, "%s/queue", p->dir);
  const int err = es_path_make_dirs(queue);
  ES_CHECK(err == 0, ES_EIO, "output.dir: cannot make the folder '%s': %s", queue,
           strerror(err));
  ES_TRY(make_origin(s, p->dir, accept));
  ES_TRY(write_text(p->dir, "sweep.ini", s->text));
  char base[PATH];
  es_sweep_folder_base(p->dir, s, base, sizeof base);
  ES_TRY(es_once_replace(base, s->base));
  ES_TRY(write_text(p->dir, "base.ini", s->base));
  for (int i = 0; i < p->n; i++) ES_TRY(make_state(p->dir, &p->run[i]));
  return ES_OK;
}

es_status es_sweep_folder_make(const es_job *job, const es_sweep_spec *s, bool accept,
                               es_sweep_plan *p) {
  const es_comm *const c = job->comm;
  ES_TRY(es_comm_agree(c, c->rank == 0 ? make(s, accept, p) : ES_OK));
  return share_names(c, p);
}
