/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run.c  eigenstep ntk: step by step the kernel, what it predicts, what was
 *  learned. */
#include "eigenstep/ntk.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/clock.h"
#include "eigenstep/deadline.h"
#include "eigenstep/held_out.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/similarity.h"
#include "change.h"
#include "report.h"
#include "saved.h"
#include "times.h"

/* Modes that are compared, at most. */
enum { MODES = 64 };

/* All that lives as long as the command. */
typedef struct ntk_run {
  const es_job *job;
  const char *run_dir;
  int argc;
  char *const *argv;
  es_ntk_params par;
  es_ntk_outputs outputs;
  es_ntk_shape shape;
  char dir[ES_STRING_MAX]; /* of the output */
  es_stop stop;
  es_grid *grid;
  es_ntk_file file;
  es_ntk_saved saved;
  es_dmat *start[ES_NTK_GROUPS + 1]; /* centred kernels of the first step: of groups, and
                                        of all at [groups]; owned */
} ntk_run;

/* Collective. The kernel of all combinations. */
static es_status sum_kernel(const ntk_run *s, const es_held_out *state, es_ntk_sum *sum) {
  const uint64_t seed = (uint64_t) state->run->settings.run.seed;
  const double now = es_now(), processor = es_cpu_now();
  float *u = NULL;
  es_status st = ES_COMM_NEW(s->job->comm, s->shape.d, &u);
  es_progress_begin("step %lld: kernel of %lld samples", (long long) state->step,
                    2 * (long long) s->shape.pairs);
  for (int k = es_ntk_sum_outputs(sum); k < s->outputs.n && st == ES_OK; k++) {
    es_ntk_outputs_get(&s->outputs, seed, k, s->shape.d, u);
    st = es_ntk_sum_add(sum, u, (es_ntk_progress){k, s->outputs.n});
  }
  es_progress_end();
  es_free(&u);
  if (st == ES_OK)
    es_info("step %lld: kernel of %lld samples in %.3g s, %.3g s of a core on this rank",
            (long long) state->step, 2 * (long long) s->shape.pairs, es_now() - now,
            es_cpu_now() - processor);
  return st;
}

/* Collective. Alignments of a kernel, which is centred, with those of the start, which it
 * becomes in the first step, and with that of the embeddings. */
static es_status measure_change(ntk_run *s, int group, es_dmat **kernel,
                                const es_dmat *embeddings, es_ntk_result *r) {
  ES_TRY(es_ntk_center(*kernel));
  r->embedding[group] = es_ntk_kernel_alignment(*kernel, embeddings);
  if (s->start[group] != NULL) {
    r->change[group] = es_ntk_kernel_alignment(*kernel, s->start[group]);
    return ES_OK;
  }
  r->change[group] = 1;
  s->start[group] = *kernel;
  *kernel = NULL;
  return ES_OK;
}

/* Collective. Shares of layers and groups, changes of groups and of the whole; theta is
 * centred, or moved away. */
static es_status measure_kernel(ntk_run *s, const es_ntk_sum *sum, es_dmat **theta,
                                es_ntk_result *r) {
  const int groups = s->shape.groups;
  es_dmat *embeddings = NULL;
  es_ntk_sum_shares(sum, r->share);
  for (int i = 0; i < s->shape.layers; i++)
    r->group_share[es_ntk_sum_layer(sum, i)->group] += r->share[i];
  ES_TRY(es_ntk_embedding_kernel(s->grid, (int) (2 * s->shape.pairs), s->shape.d, r->z,
                                 &embeddings));
  es_status st = measure_change(s, groups, theta, embeddings, r);
  for (int g = 0; g < groups && st == ES_OK; g++) {
    es_dmat *part = NULL;
    st = es_ntk_sum_matrix(sum, s->grid, g, &part);
    if (st == ES_OK) st = measure_change(s, g, &part, embeddings, r);
    es_dmat_destroy(&part);
  }
  es_dmat_destroy(&embeddings);
  return st;
}

/* Collective. What a machine with this kernel learns. */
static es_status solve(const ntk_run *s, const es_held_out *state, const es_dmat *theta,
                       es_ntk_result *r) {
  const es_settings *const settings = &state->run->settings;
  const es_loss_size size = {
      .n_max = (int) s->shape.pairs, .pairs = settings->batch.pairs, .dim = s->shape.d};
  es_ntk_problem p = {.grid = s->grid,
                      .theta = theta,
                      .fit = (int) s->shape.fit,
                      .setup = es_settings_loss_setup(settings),
                      .z = r->z,
                      .modes = 3 * s->shape.modes,
                      .start = state->step == 0};
  es_loss *loss = NULL;
  p.setup.layers = 1; /* the kernel is of all layers; in its features it is linear */
  ES_TRY(es_loss_create(&settings->selected.loss, &size, s->job->comm, &loss));
  p.loss = loss;
  const es_status st = es_ntk_solve(&p, &r->solution);
  if (st == ES_OK) es_ntk_print_range(loss, &p.setup, &r->solution);
  es_loss_destroy(&loss);
  return st;
}

/* Collective. Learned against predicted embeddings. */
static es_status compare(const ntk_run *s, es_ntk_result *r) {
  const es_ntk_shape *const shape = &s->shape;
  es_ntk_points_of of = {.pairs = shape->pairs,
                         .count = shape->fit,
                         .learned = r->z,
                         .d = shape->d,
                         .predicted = r->solution.predicted,
                         .modes = r->solution.modes};
  const es_bootstrap how = {.draws = (int) s->par.bootstrap, .seed = 1, .pairs = true};
  const int neighbours = (int) s->par.neighbours;
  const es_comm *const c = s->job->comm;
  const int k = shape->modes;
  ES_TRY(es_ntk_agree(c, &of, k, how, neighbours, &r->known));
  if (shape->fit == shape->pairs) return ES_OK;
  of.first = shape->fit;
  of.count = shape->pairs - shape->fit;
  return es_ntk_agree(c, &of, k, how, neighbours, &r->further);
}

/* Collective. From the kernel to the row in the file. */
static es_status analyse(ntk_run *s, const es_held_out *state, const es_ntk_sum *sum,
                         es_ntk_result *r) {
  es_dmat *theta = NULL;
  es_status st;
  ES_TRY_GOTO(es_ntk_sum_matrix(sum, s->grid, -1, &theta), done);
  if (r->kernel != NULL) ES_TRY_GOTO(es_dmat_gather(theta, r->kernel), done);
  ES_TRY_GOTO(solve(s, state, theta, r), done);
  ES_TRY_GOTO(compare(s, r), done);
  ES_TRY_GOTO(measure_kernel(s, sum, &theta, r), done);
  st = es_comm_agree(s->job->comm, es_ntk_file_append(&s->file, &s->shape, r));
  if (st == ES_OK) es_ntk_print_step(&s->shape, r, sum);
  if (st == ES_OK && state->step == 0)
    st = es_ntk_compare_times(s->job->comm, s->run_dir, s->file.traj, s->shape.modes,
                              &r->solution);
done:
  es_dmat_destroy(&theta);
  return st;
}

/* Collective. The file, in place of one whose saved states this command goes on with. */
static es_status open_file(ntk_run *s, const es_held_out *state, const es_ntk_sum *sum) {
  es_ntk_saved_clear(&s->saved, s->dir);
  s->file.keep = s->par.keep;
  ES_TRY(es_ntk_file_create(s->job, state->run->config, s->dir, &s->file));
  return es_ntk_file_declare(&s->file, &s->shape, sum);
}

/* Collective. What was learned, the same on all ranks. */
static es_status embed(const ntk_run *s, const es_held_out *state, double *z) {
  char name[64];
  snprintf(name, sizeof name, "ntk: step %lld", (long long) state->step);
  ES_TRY(es_held_out_embed(s->job->comm, state, &state->points, z));
  return es_embedded_vary(name, 2 * s->shape.pairs, s->shape.d, z);
}

/* Collective. */
static es_status do_step(ntk_run *s, const es_held_out *state) {
  const es_ntk_job job = {.comm = s->job->comm,
                          .passes = {state->net, state->mode, &state->points},
                          .last_alone = s->outputs.last_alone,
                          .bf16 = s->par.precision == ES_BF16,
                          .memory = s->par.memory << 20,
                          .layer_done = es_ntk_saved_layer,
                          .ctx = &s->saved};
  es_ntk_sum *sum = NULL;
  es_ntk_result r = {.step = 0};
  es_status st;
  ES_TRY_GOTO(es_ntk_sum_create(&job, &sum), done);
  s->shape.layers = es_ntk_sum_layers(sum);
  s->shape.groups = es_ntk_sum_groups(sum);
  st = es_ntk_result_open(&s->shape, s->par.keep, &r);
  ES_TRY_GOTO(es_comm_agree(s->job->comm, st), done);
  r.step = state->step;
  r.time = state->time;
  ES_TRY_GOTO(embed(s, state, r.z), done);
  if (s->file.traj == NULL)
    ES_TRY_GOTO(
        es_ntk_saved_open(s->job, state->run->config, s->dir, s->par.save, &s->saved),
        done);
  ES_TRY_GOTO(es_ntk_sum_calibrate(sum), done);
  const es_ntk_cost cost = es_ntk_sum_cost(sum);
  es_ntk_print_cost(&cost, &s->outputs);
  ES_TRY_GOTO(es_ntk_saved_resume(&s->saved, state->step, sum), done);
  if (s->file.traj == NULL) ES_TRY_GOTO(open_file(s, state, sum), done);
  ES_TRY_GOTO(sum_kernel(s, state, sum), done);
  st = analyse(s, state, sum, &r);
done:
  es_ntk_result_free(&r);
  es_ntk_sum_destroy(&sum);
  return st;
}

/* Collective. All steps. */
static es_status do_steps(ntk_run *s, int n, const int64_t *step) {
  es_status st = ES_OK;
  for (int i = 0; i < n && st == ES_OK; i++) {
    const es_held_out_options o = {.dir = s->run_dir,
                                   .step = step[i],
                                   .pairs = s->par.pairs,
                                   .running = s->par.bn == 1,
                                   .argc = s->argc,
                                   .argv = s->argv};
    es_held_out state;
    st = es_held_out_open(s->job, &o, &state);
    if (st == ES_OK) st = do_step(s, &state);
    es_held_out_close(&state);
  }
  const es_status closed = es_ntk_file_close(&s->file);
  if (st == ES_OK) st = closed;
  return st == ES_OK ? es_ntk_saved_done(&s->saved) : st;
}

static es_status check(ntk_run *s, const es_settings *settings) {
  es_ntk_shape *const shape = &s->shape;
  shape->pairs = es_held_out_pairs(settings, s->par.pairs);
  shape->fit = shape->pairs - s->par.further;
  shape->d = es_settings_dim(settings);
  ES_CHECK(shape->fit >= 2, ES_ECONFIG,
           "ntk.further: got %lld of %lld pairs, expected at least 2 to be learned from",
           (long long) s->par.further, (long long) shape->pairs);
  ES_CHECK(s->par.further != 1, ES_ECONFIG,
           "ntk.further: got 1 pair, expected 0 or at least 2 to compare");
  shape->modes = shape->d < MODES ? shape->d : MODES;
  if (2 * shape->fit - 2 < shape->modes) shape->modes = (int) (2 * shape->fit - 2);
  return es_ntk_outputs_parse(s->par.outputs, shape->d, &s->outputs);
}

/* Collective. Parameters, before anything is built. */
static es_status read_parameters(ntk_run *s, int *n, int64_t step[ES_HELD_OUT_STEPS]) {
  const es_reopen_options o = {
      .dir = s->run_dir, .step = ES_REOPEN_LATEST, .argc = s->argc, .argv = s->argv};
  es_reopened *r = NULL;
  ES_TRY(es_reopen(s->job, &o, ES_REOPEN_SETTINGS, &r));
  es_status st =
      es_config_get(r->config, "ntk", es_ntk_table, NULL, sizeof s->par, &s->par);
  if (st == ES_OK) st = es_held_out_steps("ntk.at", s->par.at, n, step);
  if (st == ES_OK) st = check(s, &r->settings);
  if (st == ES_OK) st = es_reopen_output(&o, "ntk", s->dir);
  if (st == ES_OK) st = es_deadline_override(&o, r->config, &s->stop);
  es_reopen_close(&r);
  return es_comm_agree(s->job->comm, st);
}

es_status es_ntk_run(const es_job *job, const char *dir, int argc, char *const *argv) {
  ntk_run s = {.job = job, .run_dir = dir, .argc = argc, .argv = argv};
  int64_t step[ES_HELD_OUT_STEPS];
  int n = 0;
  es_stop_install();
  ES_TRY(read_parameters(&s, &n, step));
  es_status st = es_ntk_saved_find(job, s.dir, &s.stop, &s.saved);
  if (st == ES_OK) st = es_grid_create(job->comm, 0, &s.grid);
  if (st == ES_OK) st = do_steps(&s, n, step);
  for (int g = 0; g <= ES_NTK_GROUPS; g++) es_dmat_destroy(&s.start[g]);
  es_grid_destroy(&s.grid);
  es_ntk_saved_close(&s.saved);
  if (st == ES_OK) es_info("wrote %s/ntk.h5", s.dir);
  return st;
}
