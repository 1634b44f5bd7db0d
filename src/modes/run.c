/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run.c  eigenstep modes: step by step the modes and their attributes; at the last
 *  step what they are invariant to, good for, and how their extremes look. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/deadline.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/run_files.h"
#include "eigenstep/run_folder.h"
#include "eigenstep/similarity.h"
#include "eigenstep/traj_read.h"
#include "nested.h"
#include "modes_file.h"

/* All that lives as long as the command. */
typedef struct study {
  const es_job *job;
  const char *run_dir;
  int argc;
  char *const *argv;
  es_mode_study_params par;
  es_selected chosen;      /* modes.accuracy alone; owned */
  bool labelled;           /* the data have classes for it */
  char dir[ES_STRING_MAX]; /* of the output */
  es_stop stop;
  int64_t pairs, seed;
  int modes, d;
  int steps;
  int64_t step[ES_HELD_OUT_STEPS], latest;
  es_study_regressors regressors;
  es_study_null null;
  es_study_findings result;
} study;

static es_status check(study *s, const es_settings *settings) {
  s->pairs =
      s->par.pairs > 0 ? s->par.pairs : es_probe_pairs(settings, s->job->comm->size);
  s->seed = settings->run.seed;
  ES_CHECK(s->pairs >= 4, ES_ECONFIG,
           "modes.pairs: got %lld, expected at least 4 to look for modes in",
           (long long) s->pairs);
  return ES_OK;
}

/* The classifier, of which there is one or none. */
static es_status choose_classifier(study *s, es_config *cfg) {
  ES_TRY(es_select_accuracy(cfg, s->par.accuracy, &s->chosen.accuracy));
  ES_CHECK(s->chosen.accuracy.n <= 1, ES_ECONFIG,
           "modes.accuracy: got '%s', expected one classifier, or none", s->par.accuracy);
  return ES_OK;
}

/* Collective. Parameters and steps, before anything is built. */
static es_status read_parameters(study *s) {
  const es_comm *const c = s->job->comm;
  const es_reopen_options o = {
      .dir = s->run_dir, .step = ES_REOPEN_LATEST, .argc = s->argc, .argv = s->argv};
  es_reopened *r = NULL;
  ES_TRY(es_reopen(s->job, &o, ES_REOPEN_SETTINGS, &r));
  es_status st = es_config_get(r->config, "modes", es_mode_study_table, NULL,
                               sizeof s->par, &s->par);
  if (st == ES_OK) st = check(s, &r->settings);
  if (st == ES_OK) st = choose_classifier(s, r->config);
  if (st == ES_OK) st = es_reopen_output(&o, "modes", s->dir);
  if (st == ES_OK) st = es_deadline_override(&o, r->config, &s->stop);
  s->latest = r->step;
  es_reopen_close(&r);
  ES_TRY(es_comm_agree(c, st));
  if (strcmp(s->par.at, "all") == 0)
    return es_held_out_all_steps("modes.at", c, s->run_dir, &s->steps, s->step);
  return es_comm_agree(c, es_held_out_steps("modes.at", s->par.at, &s->steps, s->step));
}

/* Step number of row t. */
static int64_t step_of(const study *s, int t) {
  return s->step[t] == ES_HELD_OUT_FIRST  ? 0
         : s->step[t] == ES_HELD_OUT_LAST ? s->latest
                                          : s->step[t];
}

/* Collective. Transitions of the run's modes: of the embedding, by their numbers. */
static es_status read_transitions(const study *s, es_study_learned *l) {
  char path[ES_STRING_MAX + 16];
  es_h5 *f = NULL;
  int64_t n = 0;
  double *step = NULL;
  for (int k = 0; k < l->modes; k++) l->step[k] = NAN;
  snprintf(path, sizeof path, "%s/trajectory.h5", s->run_dir);
  ES_TRY(es_traj_read_open(s->job->comm, path, &f));
  es_status st = ES_OK;
  if (es_h5_exists(f, "/steps/step_measured"))
    st = es_traj_read_numbers(f, "/steps/step_measured", &n, &step);
  const es_status closed = es_h5_close(&f);
  for (int k = 0; k < l->modes && k < n && st == ES_OK && s->par.of == 0; k++)
    l->step[k] = step[k];
  es_free(&step);
  return st != ES_OK ? st : closed;
}

/* Which row each mode is taken from. */
static void choose_rows(const study *s, es_study_learned *l) {
  int known = 0;
  for (int k = 0; k < l->modes; k++) {
    l->row[k] = s->steps - 1;
    for (int t = s->steps - 1; t >= 0 && l->step[k] >= 0; t--)
      if ((double) step_of(s, t) >= l->step[k]) l->row[k] = t;
    if (k > 0 && l->row[k] < l->row[k - 1]) l->row[k] = l->row[k - 1];
    known += l->step[k] >= 0;
  }
  if (known == 0)
    es_warn("no mode %s: these are the directions in which the last step here varies "
            "most",
            s->par.of == 0 ? "was learned in this run"
                           : "of the features has a transition in the trajectory");
}

/* Collective. With the first network: sizes, attributes, room for results. */
static es_status prepare(study *s, const es_held_out *h) {
  const es_comm *const c = s->job->comm;
  es_study_findings *const r = &s->result;
  const int points = (int) (2 * s->pairs);
  s->modes = s->par.count < s->d ? (int) s->par.count : s->d;
  if (s->modes > points - 1) s->modes = points - 1;
  ES_TRY(es_study_find_classes(c, h, &s->chosen.accuracy, &s->labelled));
  ES_TRY(es_study_numbers_read(c, h, &r->numbers));
  es_status st = es_study_regressors_make(&r->numbers, &s->regressors);
  if (st == ES_OK)
    st = es_study_null_open((int) s->par.permutations, (uint64_t) s->seed, &s->null);
  if (st == ES_OK) st = es_study_series_open(s->steps, s->modes, &r->series);
  if (st == ES_OK) st = es_study_learned_open(s->modes, points, s->d, &r->learned);
  ES_TRY(es_comm_agree(c, st));
  ES_TRY(read_transitions(s, &r->learned));
  choose_rows(s, &r->learned);
  return ES_OK;
}

/* The modes that row t is the first to show, after those before them. */
static es_status add_learned(study *s, int t, const es_study_modes *m,
                             const es_study_halves *halves, const double *z) {
  es_study_learned *const l = &s->result.learned;
  for (int k = 0; k < l->modes; k++) {
    if (l->row[k] != t) continue;
    ES_TRY(es_study_nested(m, k, l->q, l->q + (int64_t) k * l->points,
                           l->w + (int64_t) k * l->d));
    ES_TRY(es_study_halves_nested(halves, l->points, z, k, l->q, &l->halves[k]));
  }
  return ES_OK;
}

/* Row t: components, what the halves and the attributes say of them. */
static es_status measure_row(study *s, int t, const double *z, es_study_modes *m) {
  const int64_t k = s->modes;
  const int points = (int) (2 * s->pairs);
  es_study_series *const r = &s->result.series;
  es_study_halves halves = {.point = {NULL, NULL}};
  es_status st = es_study_modes_find(points, s->d, z, s->modes, m);
  if (st == ES_OK) st = es_study_halves_find(m, z, (uint64_t) s->seed, &halves);
  for (int j = 0; j < k && st == ES_OK; j++)
    r->halves[t * k + j] = es_study_halves_component(&halves, points, z, j);
  if (st == ES_OK) st = add_learned(s, t, m, &halves, z);
  if (st == ES_OK)
    st = es_study_explain(&s->regressors, s->modes, m->q, r->r2 + t * k * ES_ATTRIBUTES);
  es_study_halves_free(&halves);
  return st;
}

/* Collective. Row t. */
static es_status do_row(study *s, int t, const es_held_out *h, const double *z,
                        es_study_modes *m) {
  const es_comm *const c = s->job->comm;
  es_study_series *const r = &s->result.series;
  ES_TRY(es_comm_agree(c, measure_row(s, t, z, m)));
  ES_TRY(es_study_null_add(c, &s->regressors, s->modes, m->q, &s->null));
  r->step[t] = h->step;
  r->time[t] = h->time;
  memcpy(r->variance + (int64_t) t * s->modes, m->value,
         (size_t) s->modes * sizeof *m->value);
  return ES_OK;
}

/* Collective. What chance gives, now that all modes are known. */
static es_status test_attributes(study *s) {
  const es_comm *const c = s->job->comm;
  es_study_series *const r = &s->result.series;
  es_study_learned *const l = &s->result.learned;
  const int64_t all = (int64_t) s->steps * s->modes * ES_ATTRIBUTES;
  ES_TRY(es_study_null_add(c, &s->regressors, s->modes, l->q, &s->null));
  es_status st = es_study_explain(&s->regressors, s->modes, l->q, l->r2);
  if (st == ES_OK) st = es_study_null_level(&s->null, r->null);
  for (int64_t i = 0; i < all; i++)
    r->p[i] = es_study_null_p(&s->null, (int) (i % ES_ATTRIBUTES), r->r2[i]);
  for (int i = 0; i < s->modes * ES_ATTRIBUTES; i++)
    l->p[i] = es_study_null_p(&s->null, i % ES_ATTRIBUTES, l->r2[i]);
  return es_comm_agree(c, st);
}

/* Collective. The last row: directions of the learned modes, and what they tell. */
static es_status finish(study *s, const es_held_out *h, int value,
                        const es_study_modes *last) {
  const es_comm *const c = s->job->comm;
  es_study_findings *const r = &s->result;
  es_study_learned *const l = &r->learned;
  const es_study_state state = {c, h, value, last, &s->stop};
  ES_TRY(test_attributes(s));
  ES_TRY(es_comm_agree(c, es_study_directions(last, s->modes, l->q, l->w, l->kept)));
  es_progress_begin("views by each augmentation alone");
  es_status st = es_study_invariance(&state, l, &r->invariance);
  es_progress_end();
  if (st == ES_OK && s->labelled)
    st = es_study_classify(&state, l, &s->chosen.accuracy, (int) s->par.draws,
                           &r->usefulness);
  if (st == ES_OK) st = es_study_find_extremes(&state, l, &r->extremes);
  if (st == ES_OK) st = es_run_files_create(c, s->dir);
  if (st == ES_OK)
    st = es_study_write(s->job, h->run->config, s->dir,
                        es_assembly_probe_set(h->run->parts), r);
  if (st == ES_OK) es_study_print(r);
  return st;
}

/* Collective. Network and pairs of a step. */
static es_status open_step(const study *s, int64_t step, es_held_out *h) {
  const es_held_out_options o = {.dir = s->run_dir,
                                 .step = step,
                                 .pairs = s->pairs,
                                 .running = s->par.bn == 1,
                                 .argc = s->argc,
                                 .argv = s->argv};
  return es_held_out_open(s->job, &o, h);
}

/* Collective. */
static es_status do_step(study *s, int t) {
  es_study_modes m = {.k = 0};
  es_held_out h;
  double *z = NULL;
  char name[64];
  ES_TRY(es_stop_between(&s->stop, s->job->comm, "the modes of the next step"));
  es_status st = open_step(s, s->step[t], &h);
  if (st != ES_OK) goto done;
  snprintf(name, sizeof name, "modes: step %lld", (long long) h.step);
  const int value = s->par.of == 1 ? h.run->parts->model.features : ES_PROBE_EMBEDDING;
  s->d = es_probe_data_width(h.run->parts->probe.data, value);
  if (t == 0) ES_TRY_GOTO(prepare(s, &h), done);
  ES_TRY_GOTO(ES_COMM_NEW(s->job->comm, 2 * s->pairs * s->d, &z), done);
  ES_TRY_GOTO(es_held_out_read(s->job->comm, &h, &h.points, value, z), done);
  ES_TRY_GOTO(es_embedded_vary(name, 2 * s->pairs, s->d, z), done);
  ES_TRY_GOTO(do_row(s, t, &h, z, &m), done);
  if (t == s->steps - 1) st = finish(s, &h, value, &m);
done:
  es_free(&z);
  es_study_modes_free(&m);
  es_held_out_close(&h);
  return st;
}

/* Collective. Growth rates of the start. */
static es_status do_start(study *s) {
  es_held_out h;
  es_status st = open_step(s, ES_HELD_OUT_FIRST, &h);
  if (st == ES_OK)
    st = es_study_measure_rates(s->job->comm, &h, (int) s->par.count, &s->stop,
                                s->result.rates);
  es_held_out_close(&h);
  return st;
}

es_status es_mode_study_run(const es_job *job, const char *dir, int argc,
                            char *const *argv) {
  study *s = NULL;
  ES_TRY(ES_COMM_NEW(job->comm, 1, &s));
  *s = (study){.job = job, .run_dir = dir, .argc = argc, .argv = argv};
  es_stop_install();
  es_status st = read_parameters(s);
  if (st == ES_OK) st = es_run_folder_check(job, s->dir);
  if (st == ES_OK && s->par.augment) st = do_start(s);
  for (int t = 0; t < s->steps && st == ES_OK; t++) st = do_step(s, t);
  if (st == ES_OK) es_info("wrote %s/modes.h5", s->dir);
  es_study_regressors_free(&s->regressors);
  es_study_null_free(&s->null);
  es_study_findings_free(&s->result);
  es_selected_free(&s->chosen);
  es_free(&s);
  return st;
}
