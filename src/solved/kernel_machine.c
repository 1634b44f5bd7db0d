/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_machine.c  eigenstep kernel: a kernel machine on pairs of views, solved
 *  and simulated, on training and held-out points. Pairs -> kernel matrix -> modes ->
 *  prediction -> simulation -> comparison; then networks of growing width. */
#include "eigenstep/kernel_machine.h"

#include <string.h>
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"
#include "eigenstep/load_pairs.h"
#include "eigenstep/progress.h"
#include "eigenstep/run_folder.h"
#include "eigenstep/settings.h"
#include "kernel_check.h"
#include "kernel_end.h"
#include "kernel_networks.h"
#include "machine.h"
#include "record.h"
#include "schedule.h"

typedef struct kernel_run {
  es_machine m;
  double *w0, *w; /* [d, k] start and end on the modes */
  double *f;      /* [d, 2n + 2 held-out] end, measured; direct: the simulation's */
  es_flow *flow;
  es_crossings *crossings;
  es_schedule plan;
} kernel_run;

static void release(kernel_run *j) {
  es_free(&j->plan.at);
  es_crossings_destroy(&j->crossings);
  es_flow_destroy(&j->flow);
  es_free(&j->f);
  es_free(&j->w);
  es_free(&j->w0);
  es_machine_free(&j->m);
}

/* F_0 = alpha G K^(1/2), so w(0) = alpha G B; G has an entry for each output and point.
   B'B = I: where B is not known w(0) is drawn itself, from the same distribution. */
static double start_entry(void *ctx, int i, int j) {
  const es_machine *m = ctx;
  const uint64_t index = (uint64_t) i * (uint64_t) m->modes->basis.m + (uint64_t) j;
  es_rng r = es_rng_at(m->seed, ES_STREAM_INIT, index, 0);
  return m->par.alpha * es_rng_normal(&r);
}

static es_status prepare_start(kernel_run *j) {
  es_machine *m = &j->m;
  const size_t d = (size_t) m->par.dim, k = (size_t) m->modes->basis.k;
  es_status st = ES_NEW(d * k, &j->w0);
  if (st == ES_OK) st = ES_NEW(d * k, &j->w);
  if (st == ES_OK) st = ES_NEW(d * (size_t) es_machine_points(m), &j->f);
  ES_TRY(es_comm_agree(m->comm, st));
  if (m->modes->basis.vector != NULL)
    ES_TRY(es_modes_project(&m->modes->basis, (int) d, start_entry, m, j->w0));
  for (size_t i = 0; m->modes->basis.vector == NULL && i < d * k; i++)
    j->w0[i] = start_entry(m, (int) (i / k), (int) (i % k));
  memcpy(j->w, j->w0, d * k * sizeof *j->w);
  return ES_OK;
}

static es_status prepare(kernel_run *j) {
  es_machine *m = &j->m;
  const es_kernel_params *p = &m->par;
  if (p->center) ES_TRY(es_points_center(m->comm, &m->pairs, p->sample));
  ES_TRY(es_machine_decompose(m));
  const es_theory_scale scale = {m->gamma, m->modes->basis.k, (int) p->dim, p->offdiag};
  m->lr = es_theory_rate(p->lr, &scale);
  ES_TRY(prepare_start(j));
  const es_flow_options opt = {.lr = p->method == ES_KERNEL_FLOW ? 0 : m->lr,
                               .offdiag = p->offdiag,
                               .decay = p->weight_decay};
  const es_theory_start start = {.d = (int) p->dim,
                                 .k = m->modes->basis.k,
                                 .gamma = m->gamma,
                                 .w = j->w0,
                                 .alpha = p->alpha};
  es_status st = es_theory_predict(&start, opt, &j->flow, &j->crossings);
  j->plan = (es_schedule){.section = "kernel",
                          .flow = j->flow,
                          .lr = m->lr,
                          .alpha = p->alpha,
                          .limit = es_theory_limit(&scale, p->weight_decay),
                          .steps = p->steps,
                          .rows = p->rows,
                          .times = &p->times};
  if (st == ES_OK) st = es_theory_moments(&j->plan);
  ES_TRY(es_comm_agree(m->comm, st));
  es_theory_announce(&j->plan);
  return ES_OK;
}

/* [d, 2n] and [d, N], concatenated <-> [d, 2n + N]. */
static void interleave(const es_machine *m, const double *parts, double *rows) {
  const size_t n = 2 * (size_t) m->par.sample, fresh = (size_t) es_machine_points(m) - n;
  const size_t d = (size_t) m->par.dim;
  for (size_t i = 0; i < d; i++) {
    memcpy(rows + i * (n + fresh), parts + i * n, n * sizeof *rows);
    memcpy(rows + i * (n + fresh) + n, parts + d * n + i * fresh, fresh * sizeof *rows);
  }
}
static void separate(const es_machine *m, const double *rows, double *parts) {
  const size_t n = 2 * (size_t) m->par.sample, fresh = (size_t) es_machine_points(m) - n;
  const size_t d = (size_t) m->par.dim;
  for (size_t i = 0; i < d; i++) {
    memcpy(parts + i * n, rows + i * (n + fresh), n * sizeof *rows);
    memcpy(parts + d * n + i * fresh, rows + i * (n + fresh) + n, fresh * sizeof *rows);
  }
}

/* Descent in function space; weights and embeddings of its end. */
static es_status descend_directly(kernel_run *j, es_descent *o) {
  es_machine *m = &j->m;
  double *rows = NULL;
  ES_TRY(ES_COMM_NEW(m->comm, (int64_t) o->d * es_machine_points(m), &rows));
  es_status st = es_machine_embed(m, j->w0, j->f);
  interleave(m, j->f, rows);
  o->m = es_machine_points(m);
  o->w = rows;
  if (st == ES_OK) st = es_descent_kernel(o, m->k, m->k_new);
  separate(m, rows, j->f);
  if (st == ES_OK) st = es_kernel_weights(m->modes, o->d, j->f, j->w);
  es_free(&rows);
  return st;
}

static es_status descend(kernel_run *j, es_descent *o) {
  es_machine *m = &j->m;
  if (m->par.method == ES_KERNEL_DIRECT) return descend_directly(j, o);
  o->m = m->modes->basis.k;
  o->w = j->w;
  if (m->par.method == ES_KERNEL_GD)
    ES_TRY(es_descent_modes(o, m->gamma));
  else
    ES_TRY(es_descent_flow(o, m->gamma, m->par.tol));
  return es_machine_embed(m, j->w, j->f);
}

/* Collective. *reached: the step of the end. */
static es_status simulate(kernel_run *j, es_run_folder *out, int64_t *reached) {
  es_machine *m = &j->m;
  es_record *record = NULL;
  ES_TRY(es_record_create(m->comm, out->traj, j->flow, out->dir,
                          j->plan.at[j->plan.n - 1], &record));
  es_descent o = {.comm = m->comm,
                  .d = (int) m->par.dim,
                  .lr = m->lr,
                  .offdiag = m->par.offdiag,
                  .decay = m->par.weight_decay,
                  .observer = {.n = j->plan.n,
                               .at = j->plan.at,
                               .crossings = j->crossings,
                               .record = es_record_see,
                               .ctx = record,
                               .stop = &out->stop}};
  const double began = es_now();
  es_progress_begin("simulation to t = %.4g", es_theory_end(&j->plan));
  es_status st = descend(j, &o);
  es_progress_end();
  st = es_theory_finish(&j->plan, &o, st, es_now() - began, &record);
  *reached = es_theory_step(&j->plan, &o);
  if (st == ES_STOPPED)
    es_run_folder_say_stopped(out, *reached, es_theory_last(&j->plan));
  ES_TRY(st);
  const double end = j->plan.at[j->plan.n - 1];
  const es_machine_end at = {.time = j->flow->opt.lr > 0 ? end * m->lr : end,
                             .flow = j->flow,
                             .w = j->w,
                             .f = j->f};
  es_progress_begin("comparing embeddings with the solution");
  ES_TRY(es_machine_compare(m, &at, out->traj));
  es_progress_end();
  if (m->par.widths.n == 0) return ES_OK;
  return es_kernel_networks(m, (int64_t) end, out);
}

/* What the configuration says of a run. */
typedef struct settings {
  es_output_params output;
  es_pairs_source source;  /* owned */
  es_kernel_choice kernel; /* owned */
} settings;

static void release_settings(settings *s) {
  es_pairs_source_free(&s->source);
  es_free(&s->kernel.par);
}

static es_status read_settings(es_config *cfg, es_kernel_params *values, settings *s) {
  ES_TRY(es_config_get(cfg, "kernel", es_kernel_table, NULL, sizeof *values, values));
  ES_TRY(
      es_config_get(cfg, "output", es_output_table, NULL, sizeof s->output, &s->output));
  ES_TRY(es_kernel_check(values));
  ES_TRY(es_select_kernel(cfg, values->name, &s->kernel));
  return es_pairs_source_read(cfg, &s->source);
}

static es_status load(kernel_run *j, settings *s) {
  es_machine *m = &j->m;
  const int64_t total = m->par.sample + m->par.held_out;
  m->seed = s->source.seed;
  s->source.keys = "kernel.sample + kernel.held_out";
  ES_TRY(es_pairs_load(m->comm, &s->source, total, &m->pairs, &m->view));
  ES_TRY(es_kernel_create(&s->kernel, m->comm, &m->pairs, m->par.sample, &m->kernel));
  return es_kernel_check_widths(m);
}

static es_status run(const es_job *job, es_config *cfg, kernel_run *j, settings *s) {
  es_run_folder o = {0};
  ES_TRY(es_comm_agree(job->comm, read_settings(cfg, &j->m.par, s)));
  ES_TRY(es_run_folder_check(job, s->output.dir));
  es_stop_install();
  ES_TRY(load(j, s));
  ES_TRY(es_stop_between(NULL, job->comm, "the kernel's eigenpairs"));
  ES_TRY(prepare(j));
  ES_TRY(es_stop_between(NULL, job->comm, "the simulation"));
  ES_TRY(es_run_folder_open(job, cfg, s->output.dir, &o));
  int64_t reached = 0;
  const es_status st = simulate(j, &o, &reached);
  return es_run_folder_close(job, &o, st, reached);
}

es_status es_kernel_machine_reads(es_config *cfg) {
  es_kernel_params values;
  settings s = {.kernel = {0}};
  const es_status st = read_settings(cfg, &values, &s);
  release_settings(&s);
  return st;
}

es_status es_kernel_machine_run(const es_job *job, es_config *cfg) {
  kernel_run j = {.m.comm = job->comm};
  settings s = {.kernel = {0}};
  const es_status st = run(job, cfg, &j, &s);
  release(&j);
  release_settings(&s);
  return st;
}
