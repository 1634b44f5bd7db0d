/* SPDX-License-Identifier: BSD-3-Clause */
/** @file estimate.c  Memory and time of the runs of a sweep. */
#include "estimate.h"

#include <math.h>
#include <string.h>
#include "eigenstep/cost.h"
#include "eigenstep/kernel_cost.h"
#include "eigenstep/linear_model.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/step_rate.h"

/* The data of the run before, for runs that differ in other things. */
typedef struct opened {
  uint64_t key; /**< hash of what data, views and network depend on; 0: nothing is open */
  es_assembly *parts;
} opened;

static void hash_shape(void *ctx, const char *key, const char *value) {
  static const char *const other[] = {"run.",         "loss",  "optim", "sched",
                                      "precondition", "init",  "ckpt",  "output",
                                      "accuracy",     "linear"};
  uint64_t *const hash = ctx;
  for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
    if (strncmp(key, other[i], strlen(other[i])) == 0) return;
  for (int part = 0; part < 2; part++)
    for (const char *c = part == 0 ? key : value; *c != '\0'; c++)
      *hash = (*hash ^ (unsigned char) *c) * 0x100000001b3u;
}

/* Open backend and data of these settings, unless they are. */
static es_status open_parts(const es_comm *c, const es_settings *s, uint64_t key,
                            opened *o) {
  if (o->key == key) return ES_OK;
  es_assembly_destroy(&o->parts);
  o->key = 0;
  ES_TRY(ES_NEW(1, &o->parts));
  ES_TRY(es_assembly_open_backend(c, s, o->parts));
  ES_TRY(es_assembly_open_data(c, s, o->parts));
  ES_TRY(es_assembly_check_data(s, o->parts));
  o->key = key;
  return ES_OK;
}

/* Operations of all ranks for a training run. */
static double training_work(const es_settings *s, const es_assembly *p,
                            const es_run_cost *cost) {
  const double d = es_settings_dim(s), flops = cost->net.flops;
  const double step = 6 * flops * (double) s->batch.pairs;
  const double snapshot = 2 * flops * (double) p->probe.pairs + 20 * d * d * d +
                          8 * d * d * (double) p->probe.pairs;
  return step * (double) s->run.steps + snapshot * (double) cost->output.snapshots;
}

static es_status of_linear(es_config *cfg, const es_assembly *parts, int ranks,
                           double *bytes, double *work) {
  es_linear_params p;
  ES_TRY(es_config_get(cfg, "linear", es_linear_table, NULL, sizeof p, &p));
  const es_linear_cost cost = es_linear_cost_of(&p, parts->input.view, ranks);
  *bytes = cost.bytes;
  *work = cost.decompose + cost.step * cost.steps;
  return ES_OK;
}

static es_status of_kernel(es_config *cfg, double *work) {
  es_kernel_params p;
  ES_TRY(es_config_get(cfg, "kernel", es_kernel_table, NULL, sizeof p, &p));
  const double n = 2 * (double) p.sample;
  /* leading modes: two or three dozen products with a few dozen columns */
  *work = es_kernel_uses_subspace(&p) ? 2000 * n * n : 20 * n * n * n;
  return ES_OK;
}

static es_status of_settings(const es_comm *c, es_config *cfg, const es_sweep_spec *s,
                             uint64_t key, opened *o, double out[2]) {
  const int ranks = (int) s->par.ranks;
  es_settings set;
  es_run_cost cost;
  ES_TRY(es_settings_read(c, cfg, ranks, &set));
  const bool train = s->par.command == ES_SWEEP_TRAIN;
  es_status st = train ? es_assembly_check(&set) : ES_OK;
  if (st == ES_OK && s->par.command != ES_SWEEP_KERNEL) st = open_parts(c, &set, key, o);
  if (st == ES_OK && train) st = es_run_cost_of(&set, o->parts, ranks, ranks, &cost);
  if (st == ES_OK && train) {
    out[0] = es_run_cost_memory(&cost);
    out[1] = training_work(&set, o->parts, &cost);
  } else if (st == ES_OK && s->par.command == ES_SWEEP_LINEAR) {
    st = of_linear(cfg, o->parts, ranks, &out[0], &out[1]);
  } else if (st == ES_OK) {
    st = of_kernel(cfg, &out[1]);
  }
  es_settings_free(&set);
  return st;
}

static es_status of_run(const es_job *job, const es_comm *self, const es_sweep_spec *s,
                        es_sweep_run *r, opened *o, es_estimate *e) {
  uint64_t key = 0xcbf29ce484222325u;
  double out[2] = {NAN, NAN};
  es_config *cfg = NULL;
  es_status st = es_sweep_config(s, r, &cfg);
  if (st == ES_OK) st = es_config_check(cfg, job->section, job->sections);
  if (st == ES_OK) {
    es_config_each(cfg, job->section, job->sections, hash_shape, &key);
    st = of_settings(self, cfg, s, key, o, out);
  }
  es_config_destroy(&cfg);
  e->bytes = out[0];
  r->expected = out[1] / (1e9 * (double) s->par.ranks);
  return st;
}

es_status es_estimate_runs(const es_job *job, const es_sweep_spec *s, es_sweep_plan *p,
                           es_estimate *e) {
  es_comm *self = NULL;
  opened o = {.key = 0};
  ES_TRY(es_comm_create_part(job->comm, MPI_COMM_SELF, &self));
  for (int i = 0; i < p->n; i++) {
    const es_log_scope before = es_log_enter(0);
    const int busy = es_progress_depth();
    const es_status st = of_run(job, self, s, &p->run[i], &o, &e[i]);
    e[i].why[0] = '\0';
    if (st != ES_OK) snprintf(e[i].why, sizeof e[i].why, "%s", es_log_last_error());
    es_progress_unwind(busy);
    es_log_leave(before);
  }
  es_assembly_destroy(&o.parts);
  es_comm_destroy(&self);
  return ES_OK;
}

/* Of a step of run r, in operations a second; 0: it cannot be assembled. */
static double step_rate(const es_job *job, const es_comm *self, const es_sweep_spec *s,
                        es_sweep_run *r, opened *o) {
  const int ranks = (int) s->par.ranks;
  int64_t pairs;
  double rate = 0;
  es_settings set;
  es_run_cost cost;
  es_config *cfg = NULL;
  es_status st = es_sweep_config(s, r, &cfg);
  if (st == ES_OK) st = es_config_check(cfg, job->section, job->sections);
  if (st == ES_OK) st = es_settings_read(self, cfg, ranks, &set);
  if (st == ES_OK) {
    st = open_parts(self, &set, 1, o);
    if (st == ES_OK) st = es_run_cost_of(&set, o->parts, ranks, ranks, &cost);
    if (st == ES_OK) st = es_step_rate(self, &set, cost.net.flops, &rate, &pairs);
    es_settings_free(&set);
  }
  es_config_destroy(&cfg);
  return st == ES_OK ? rate : 0;
}

double es_estimate_rate(const es_job *job, const es_sweep_spec *s,
                        const es_sweep_plan *p) {
  es_comm *self = NULL;
  opened o = {.key = 0};
  double rate = 0;
  if (s->par.command != ES_SWEEP_TRAIN) {
    rate = es_product_rate();
  } else if (es_comm_create_part(job->comm, MPI_COMM_SELF, &self) == ES_OK) {
    const es_log_scope before = es_log_enter(0);
    const int busy = es_progress_depth();
    for (int i = 0; i < p->n && rate == 0; i++)
      if (isfinite(p->run[i].expected)) rate = step_rate(job, self, s, &p->run[i], &o);
    es_progress_unwind(busy);
    es_log_leave(before);
    es_assembly_destroy(&o.parts);
    es_comm_destroy(&self);
  }
  return rate > 0 ? 1e-9 * rate : NAN;
}

double es_estimate_scale(const es_queue *q, int *runs) {
  double took = 0, expected = 0;
  *runs = 0;
  for (int i = 0; i < q->plan->n; i++) {
    es_run_view v;
    const double units = q->plan->run[i].expected;
    if (es_queue_look(q, i, &v) != ES_OK || v.phase != ES_RUN_DONE) continue;
    if (!isfinite(units) || v.state.seconds <= 0) continue;
    took += v.state.seconds;
    expected += units;
    ++*runs;
  }
  return expected > 0 ? took / expected : NAN;
}
