/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench_step.c  How long a training step takes, and where.
 *
 *  First with one batch in memory: its views, which a step uploads, or where a device
 *  makes views (augment.device) its records and recipes, of which each step makes them.
 *  A step is also forward, loss, backward, all-reduce and update on all ranks, timed from
 *  a barrier to the slowest rank. The learning rate is 0: every repetition computes the
 *  same, and none diverges. Then with a batch of its own each, which a thread prepares
 *  during the step before, and last the snapshots of the spectrum as `eigenstep train`
 *  takes them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bench_table.h"
#include "eigenstep/mem.h"
#include "eigenstep/phases.h"
#include "eigenstep/assembly.h"

typedef struct par {
  bool data;
  int64_t snapshots;
} par;

static const es_param table[] = {
    ES_BOOL(par, data, "true", "also time steps that get their views from the loader"),
    ES_INT(par, snapshots, "1", 0, 1e6, "1",
           "snapshots to time, after one that is not; 0 = none"),
    ES_PARAM_END};

/* What a repetition works on. */
typedef struct work {
  es_assembly *p;
  es_batch *batch;
  es_measures measures;
  int64_t snapshots; /**< taken so far */
} work;

static es_status step_in_memory(void *ctx, int64_t i) {
  const work *w = ctx;
  es_step_result r;
  if (i == 0) *es_train_clock(w->p->train) = (es_clock){0};
  return es_train_step(w->p->train, w->batch, 0, &r);
}

static es_status step_with_data(void *ctx, int64_t i) {
  const work *w = ctx;
  es_train *t = w->p->train;
  es_clock *clock = es_train_clock(t);
  es_batch *batch = NULL;
  es_step_result r;
  if (i == 0) *clock = (es_clock){0};
  es_clock_mark(clock);
  ES_TRY(es_comm_agree(es_train_comm(t),
                       es_loader_get(w->p->input.loader, es_train_steps(t), &batch)));
  es_clock_lap(clock, ES_PHASE_DATA);
  return es_train_step(t, batch, 0, &r);
}

static es_status snapshot(void *ctx, int64_t i) {
  work *w = ctx;
  es_clock *const clock = es_train_clock(w->p->train);
  const es_probe_time at = {w->snapshots++, 0}; /* a trajectory has one row a step */
  double loss;
  if (i == 0) *clock = (es_clock){0};
  return es_probe_measure(w->measures.probe, at, clock, false, &loss);
}

/* Collective. Snapshots into a trajectory that is removed again. */
static es_status time_snapshots(const es_comm *c, work *w, const es_settings *s,
                                int64_t n, es_bench_times *t) {
  const es_bench_params often = {.repeats = n, .warmup = 1};
  char path[64];
  es_grid *grid = NULL;
  es_traj *traj = NULL;
  int64_t id = getpid();
  es_comm_bcast(c, &id, sizeof id, 0);
  snprintf(path, sizeof path, "eigenstep-bench-%lld.h5", (long long) id);
  es_status st;
  ES_TRY_GOTO(es_grid_create(w->p->layout.loss_comm, 0, &grid), done);
  ES_TRY_GOTO(es_traj_create(c, path, &traj), done);
  ES_TRY_GOTO(es_assembly_measure(w->p, s, grid, traj, &w->measures), done);
  st = es_bench_time(c, &often, snapshot, w, t);
done:
  es_measures_close(&w->measures);
  if (traj != NULL) {
    const es_status closed = es_traj_close(&traj);
    if (st == ES_OK) st = closed;
    if (c->rank == 0) unlink(path);
  }
  es_grid_destroy(&grid);
  return st;
}

/* What was measured. */
typedef struct result {
  es_phase_stats phases;  /* sums over the repetitions in memory; data: of the others */
  int64_t repeats, every; /* every: steps between snapshots, 0 = no fixed number */
  es_bench_times step, with_data, snapshot;
  int64_t peak; /* resident bytes after the steps in memory, the largest of the ranks */
  double ceiling;
  bool data, snapshots;
} result;

/* Collective. Into r: what the clock has counted of phase f over n repetitions. */
static void keep_phase(const es_comm *c, const es_clock *clock, int64_t n, es_phase_id f,
                       result *r) {
  es_phase_stats s;
  es_phases_reduce(c, clock, &s);
  r->phases.mean[f] = s.mean[f] / (double) n;
  r->phases.max[f] = s.max[f] / (double) n;
  r->phases.slowest[f] = s.slowest[f];
}

static es_status measure(const es_comm *c, es_assembly *p, const es_settings *s,
                         const es_bench_params *b, const par *o, result *r) {
  static const es_phase_id of_step[] = {ES_PHASE_FORWARD, ES_PHASE_LOSS,
                                        ES_PHASE_BACKWARD, ES_PHASE_ALLREDUCE,
                                        ES_PHASE_OPTIM};
  const es_clock *clock = es_train_clock(p->train);
  work w = {.p = p};
  es_cadence every;
  r->data = o->data;
  r->snapshots = o->snapshots > 0;
  ES_TRY(es_cadence_parse(s->spectrum.every, "spectrum.every", &every));
  for (int i = 0; i < every.n; i++) /* in the long run */
    r->every = every.range[i].last == INT64_MAX ? every.range[i].every : 0;
  ES_TRY(es_comm_agree(c, es_loader_get(p->input.loader, 0, &w.batch)));
  ES_TRY(es_bench_time(c, b, step_in_memory, &w, &r->step));
  for (size_t i = 0; i < sizeof of_step / sizeof of_step[0]; i++)
    keep_phase(c, clock, b->repeats, of_step[i], r);
  r->peak = (int64_t) es_mem_rss_peak();
  es_comm_max_i64(c, &r->peak, 1);
  if (r->data) {
    ES_TRY(es_bench_time(c, b, step_with_data, &w, &r->with_data));
    keep_phase(c, clock, b->repeats, ES_PHASE_DATA, r);
  }
  if (r->snapshots) {
    ES_TRY(time_snapshots(c, &w, s, o->snapshots, &r->snapshot));
    keep_phase(c, clock, o->snapshots, ES_PHASE_PROBE, r);
    keep_phase(c, clock, o->snapshots, ES_PHASE_SNAPSHOT, r);
  }
  return es_bench_ceiling(c, p->model.backend, p->model.precision, &r->ceiling);
}

/* Milliseconds of one, and its share of a step where a snapshot counts once in many. */
static void print_phases(const result *r) {
  static const struct {
    es_phase_id id;
    const char *name;
  } shown[] = {{ES_PHASE_FORWARD, "forward"}, {ES_PHASE_BACKWARD, "backward"},
               {ES_PHASE_LOSS, "loss"},       {ES_PHASE_ALLREDUCE, "all-reduce"},
               {ES_PHASE_OPTIM, "optimiser"}, {ES_PHASE_DATA, "data"},
               {ES_PHASE_PROBE, "probe"},     {ES_PHASE_SNAPSHOT, "spectrum"}};
  enum { SHOWN = sizeof shown / sizeof shown[0] };
  double part[SHOWN], all = 0;
  for (size_t i = 0; i < SHOWN; i++) {
    const es_phase_id f = shown[i].id;
    const bool rare = f == ES_PHASE_PROBE || f == ES_PHASE_SNAPSHOT;
    part[i] = r->phases.mean[f];
    if (rare) part[i] = r->every > 0 ? part[i] / (double) r->every : 0;
    all += part[i];
  }
  es_print("%-12s %10s %10s %8s %8s", "phase", "mean ms", "max ms", "rank", "share %");
  for (size_t i = 0; i < SHOWN; i++) {
    const es_phase_id f = shown[i].id;
    if (r->phases.max[f] > 0)
      es_print("%-12s %10.2f %10.2f %8d %8.2f", shown[i].name, 1e3 * r->phases.mean[f],
               1e3 * r->phases.max[f], r->phases.slowest[f], 100 * part[i] / all);
  }
  if (r->snapshots && r->every > 0)
    es_print("probe and spectrum: milliseconds of one snapshot, share of one every %lld "
             "steps",
             (long long) r->every);
}

static void print_memory(const es_net_cost *cost, const result *r) {
  es_print("memory a rank: parameters %.1f MB, activations %.1f MB, gradients and "
           "temporary activations %.1f MB, plans %.1f MB, peak resident %.1f MB",
           1e-6 * (double) cost->parameter_bytes, 1e-6 * (double) cost->activation_bytes,
           1e-6 * (double) cost->passing_bytes, 1e-6 * (double) cost->plan_bytes,
           1e-6 * (double) r->peak);
}

static void print(const es_comm *c, const es_assembly *p, const es_settings *s,
                  const result *r) {
  const double images = 2.0 * (double) s->batch.pairs;
  es_net_cost cost;
  es_net_cost_of(p->model.net, &cost);
  /* backward: products for the inputs and for the weights */
  const double flops = 3 * cost.flops * images;
  es_print("%s %s %dx%d, %lld pairs, %d rank%s x %d threads, backend %s %s",
           s->encoder.name, s->loss.name, p->input.view.h, p->input.view.w,
           (long long) s->batch.pairs, c->size, c->size == 1 ? "" : "s",
           p->model.backend->threads, p->model.backend->ops->name,
           es_precision_name(p->model.precision));
  print_phases(r);
  es_print("parameters %lld, %.2f GFLOP a view (forward, backward counted twice that)",
           (long long) cost.parameters, 3e-9 * cost.flops);
  print_memory(&cost, r);
  es_bench_print_head("", "img/s");
  es_bench_print_line("step", &r->step, images, flops);
  if (r->data) es_bench_print_line("with data", &r->with_data, images, flops);
  if (r->snapshots)
    es_bench_print_line("snapshot", &r->snapshot, 2.0 * (double) p->probe.pairs, 0);
  es_print("matrix product of the backend %.1f GFLOP/s; the step reaches %.1f %% of it",
           1e-9 * r->ceiling, 100 * flops / r->step.median / r->ceiling);
  es_print("median %.2f img/s", images / r->step.median);
}

static es_status run(const es_job *job, es_config *cfg) {
  es_settings s;
  es_bench_params b;
  par o;
  es_assembly *p = NULL;
  result r = {.ceiling = 0};
  ES_TRY(es_config_get(cfg, "bench", es_bench_table, NULL, sizeof b, &b));
  ES_TRY(es_config_get(cfg, "bench.step", table, NULL, sizeof o, &o));
  ES_TRY(es_settings_read(job->comm, cfg, job->comm->size, &s));
  es_status st = es_assembly_create(job->comm, &s, &p);
  if (st == ES_OK) st = measure(job->comm, p, &s, &b, &o, &r);
  if (st == ES_OK) print(job->comm, p, &s, &r);
  es_assembly_destroy(&p);
  es_settings_free(&s);
  return st;
}

const es_bench_ops es_bench_step = {.name = "step",
                                    .doc = "a training step, phase by phase",
                                    .params = table,
                                    .run = run};
