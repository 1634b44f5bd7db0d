/* SPDX-License-Identifier: BSD-3-Clause */
/** @file reopen.c  OUTDIR -> parameters, network with the weights of a checkpoint,
 *  held-out pairs. */
#define _POSIX_C_SOURCE 200809L /* strtok_r */
#include "eigenstep/reopen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "assembly_private.h"
#include "eigenstep/ckpt.h"
#include "eigenstep/mem.h"
#include "eigenstep/run_facts.h"
#include "eigenstep/run_files.h"

enum { PATH_BYTES = 1200 };

/* Rank 0. Commands that write a run without a network. */
static es_status check_command(const char *dir) {
  static const char *const without[] = {"spectrum", "linear", "kernel"};
  char line[512], *rest = NULL;
  es_run_facts_line(dir, "job.txt", "argv", line, sizeof line);
  const char *word = strtok_r(line, " ", &rest);
  for (int i = 0; i < 2 && word != NULL; i++) word = strtok_r(NULL, " ", &rest);
  while (word != NULL && word[0] == '-') word = strtok_r(NULL, " ", &rest);
  for (size_t i = 0; i < sizeof without / sizeof *without && word != NULL; i++)
    ES_CHECK(strcmp(word, without[i]) != 0, ES_EIO,
             "'%s' is the folder of 'eigenstep %s', which has no network and no "
             "checkpoint; expected that of 'eigenstep train'; its results are in "
             "trajectory.h5",
             dir, word);
  return ES_OK;
}

/* Rank 0. */
static es_status check_folder(const char *dir) {
  char path[PATH_BYTES];
  const int n = snprintf(path, sizeof path, "%s/run.ini", dir);
  ES_CHECK(n < (int) sizeof path - 100, ES_ECONFIG,
           "output folder: got a path of %d characters, expected fewer than %d", n,
           PATH_BYTES - 100);
  FILE *f = fopen(path, "r");
  if (f == NULL) ES_TRY(es_run_facts_refuse(dir, "run.ini", errno));
  ES_CHECK(f != NULL, ES_EIO, "cannot open '%s': %s", path, strerror(errno));
  fclose(f);
  return check_command(dir);
}

static es_status walk_nothing(void *state, es_visitor *v) {
  (void) state;
  (void) v;
  return ES_OK;
}

/* Collective. Read the checkpoint's time, parameters and what `walk` visits. Where the
 * newest checkpoint is damaged (ES_EIO) the one before it is taken, and so on. */
static es_status read_checkpoint(const es_comm *c, es_reopened *r, es_state_walk walk,
                                 void *state) {
  for (;;) {
    char *text = NULL;
    const es_status st = es_ckpt_read(c, r->checkpoint, walk, state, &r->time, &text);
    if (st == ES_OK) {
      es_free(&r->text);
      r->text = text;
    }
    if (st != ES_EIO || !r->latest) return st;
    char damaged[sizeof r->checkpoint], dir[sizeof r->checkpoint];
    snprintf(damaged, sizeof damaged, "%s", r->checkpoint);
    snprintf(dir, sizeof dir, "%s", r->checkpoint);
    *strrchr(dir, '/') = '\0';
    ES_TRY(es_ckpt_before(c, dir, r->step, r->checkpoint, &r->step));
    es_warn("checkpoint '%s' is damaged; continuing from '%s' before it", damaged,
            r->checkpoint);
  }
}

/* Collective. The checkpoint, its step, time and parameters. */
static es_status find_checkpoint(const es_comm *c, const es_reopen_options *o,
                                 es_reopened *r) {
  char dir[PATH_BYTES];
  snprintf(dir, sizeof dir, "%s/ckpt", o->dir);
  r->step = o->step;
  r->latest = o->step == ES_REOPEN_LATEST;
  if (r->latest)
    ES_TRY(es_ckpt_latest(c, dir, r->checkpoint, &r->step));
  else
    ES_TRY(es_ckpt_find(c, dir, o->step, r->checkpoint));
  return read_checkpoint(c, r, walk_nothing, NULL);
}

/* Collective. As for one rank: how many are enough depends on the parts. */
static es_status read_settings(const es_job *job, const es_reopen_options *o,
                               es_reopened *r) {
  es_settings *const s = &r->settings;
  char ini[PATH_BYTES];
  snprintf(ini, sizeof ini, "%s/run.ini", o->dir);
  ES_TRY(es_config_load(job, ini, o->argc, o->argv, &r->config));
  ES_TRY(es_settings_read(job->comm, r->config, 1, s));
  s->encoder.weights[0] = '\0'; /* the checkpoint has them all */
  es_dataset_drop_path(&s->data);
  if (o->backend == NULL) return ES_OK;
  snprintf(s->backend.name, sizeof s->backend.name, "%s", o->backend);
  s->backend.precision = s->spectrum.precision = 0;
  return ES_OK;
}

/* Checksum and shape of the data that a checkpoint was trained on. */
typedef struct origin {
  int64_t view[3], data;
} origin;

/* What is not visited is not read. */
static es_status walk_origin(void *state, es_visitor *v) {
  origin *const o = state;
  es_item data = {"train/data", ES_ITEM_I64, 1, {1}, &o->data};
  ES_TRY(es_train_visit_view(o->view, v));
  return v->item(v, &data);
}

static es_status walk_weights(void *params, es_visitor *v) {
  return es_params_visit(params, v);
}

static es_status check_origin(const origin *o, const es_assembly *p) {
  const es_shape s = p->input.view;
  const int64_t data = es_assembly_checksum(p);
  ES_CHECK(o->data == data, ES_ECONFIG,
           "data.path: got data, or held-out records, of checksum %016llx, expected the "
           "checkpoint's, %016llx",
           (unsigned long long) data, (unsigned long long) o->data);
  ES_CHECK(
      o->view[0] == s.c && o->view[1] == s.h && o->view[2] == s.w, ES_ECONFIG,
      "augment: got views of %d x %d x %d, expected the checkpoint's %lld x %lld x %lld",
      s.c, s.h, s.w, (long long) o->view[0], (long long) o->view[1],
      (long long) o->view[2]);
  return ES_OK;
}

/* Collective. The network alone, or with the held-out pairs. */
static es_status build_network(const es_comm *c, es_reopened *r, es_reopen_parts parts) {
  origin o = {.data = 0};
  ES_TRY(read_checkpoint(c, r, walk_origin, &o));
  if (parts == ES_REOPEN_NET) {
    const es_shape view = {(int) o.view[0], (int) o.view[1], (int) o.view[2]};
    ES_TRY(es_assembly_create_net(c, &r->settings, view, &r->parts));
  } else {
    ES_TRY(es_assembly_create_probe(c, &r->settings, &r->parts));
    ES_TRY(es_comm_agree(c, check_origin(&o, r->parts)));
  }
  return read_checkpoint(c, r, walk_weights, es_net_params(r->parts->model.net));
}

es_status es_reopen_build(const es_comm *c, es_reopened *r, es_reopen_parts parts) {
  ES_CHECK(r->parts == NULL, ES_EINTERNAL, "the parts of '%s' were built already",
           r->checkpoint);
  if (parts == ES_REOPEN_SETTINGS) return ES_OK;
  if (parts != ES_REOPEN_TRAINING) return build_network(c, r, parts);
  ES_TRY(es_comm_agree(c, es_settings_check_ranks(&r->settings, c->size)));
  ES_TRY(es_assembly_create(c, &r->settings, &r->parts));
  return read_checkpoint(c, r, es_train_visit, r->parts->train);
}

es_status es_reopen(const es_job *job, const es_reopen_options *o, es_reopen_parts parts,
                    es_reopened **out) {
  const es_comm *const c = job->comm;
  es_reopened *r = NULL;
  *out = NULL;
  ES_TRY(es_comm_agree(c, c->rank == 0 ? check_folder(o->dir) : ES_OK));
  if (c->rank == 0) es_run_facts_correct_status(o->dir, false);
  ES_TRY(ES_COMM_NEW(c, 1, &r));
  es_status st = find_checkpoint(c, o, r);
  if (st == ES_OK) st = read_settings(job, o, r);
  if (st == ES_OK) st = es_reopen_build(c, r, parts);
  if (st == ES_OK)
    *out = r;
  else
    es_reopen_close(&r);
  return st;
}

void es_reopen_close(es_reopened **r) {
  if (*r == NULL) return;
  es_assembly_destroy(&(*r)->parts);
  es_settings_free(&(*r)->settings);
  es_config_destroy(&(*r)->config);
  es_free(&(*r)->text);
  es_free(r);
}

/* The output.dir of the overrides, read as all parameters are; "" where there is none. */
static es_status read_output(const es_reopen_options *o, es_output_params *p) {
  static const char key[] = "output.dir=";
  es_config *cfg = NULL;
  es_status st = es_config_create(&cfg);
  bool given = false;
  for (int i = 0; i < o->argc && st == ES_OK; i++) {
    if (strncmp(o->argv[i], key, sizeof key - 1) != 0) continue;
    given = true;
    st = es_config_set(cfg, o->argv[i]);
  }
  if (st == ES_OK && given)
    st = es_config_get(cfg, "output", es_output_table, NULL, sizeof *p, p);
  es_config_destroy(&cfg);
  return st;
}

es_status es_reopen_output(const es_reopen_options *o, const char *name,
                           char dir[ES_STRING_MAX]) {
  es_output_params given = {0};
  ES_TRY(read_output(o, &given));
  const int n = given.dir[0] != '\0'
                    ? snprintf(dir, ES_STRING_MAX, "%s", given.dir)
                    : snprintf(dir, ES_STRING_MAX, "%s/%s", o->dir, name);
  ES_CHECK(n < ES_STRING_MAX, ES_ECONFIG,
           "output.dir: got a path of %d characters, expected fewer than %d", n,
           ES_STRING_MAX);
  return ES_OK;
}
