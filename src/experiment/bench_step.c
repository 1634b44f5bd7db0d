/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench_step.c  How long a training step takes, and where.
 *
 *  Both views of one batch are in memory; a step is forward, loss, backward,
 *  all-reduce and update on all ranks, timed from a barrier to the slowest rank. The
 *  learning rate is 0: every repetition computes the same, and none diverges. */
#include <string.h>
#include "bench_table.h"
#include "eigenstep/mem.h"
#include "eigenstep/phases.h"
#include "pipeline.h"

/* What a repetition works on. */
typedef struct work {
  es_pipeline *p;
  es_batch *batch;
} work;

static es_status one_step(void *ctx, int64_t i) {
  const work *w = ctx;
  double loss;
  if (i == 0) memset(&w->p->train->clock, 0, sizeof w->p->train->clock);
  return es_train_step(w->p->train, w->batch, 0, &loss);
}

static void print_phases(const es_comm *c, const es_pipeline *p, int64_t repeats) {
  static const es_phase_id shown[] = {ES_PHASE_FORWARD, ES_PHASE_LOSS, ES_PHASE_BACKWARD,
                                      ES_PHASE_ALLREDUCE, ES_PHASE_OPTIM};
  es_phase_stats stats;
  es_net_cost cost;
  es_phases_reduce(c, &p->train->clock, &stats);
  es_net_cost_of(p->net, &cost);
  double all = 0;
  for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) all += stats.mean[shown[i]];
  es_print("%-12s %10s %10s %8s %8s", "phase", "mean ms", "max ms", "rank", "share %");
  for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
    const es_phase_id f = shown[i];
    es_print("%-12s %10.2f %10.2f %8d %8.1f", es_phase_name(f),
             1e3 * stats.mean[f] / (double) repeats,
             1e3 * stats.max[f] / (double) repeats, stats.slowest[f],
             100 * stats.mean[f] / all);
  }
  int64_t peak = (int64_t) es_mem_rss_peak();
  es_comm_max_i64(c, &peak, 1);
  es_print("parameters %lld, %.2f GFLOP a view (forward, backward counted twice that)",
           (long long) cost.parameters, 3e-9 * cost.flops);
  es_print("memory a rank: parameters %.1f MB, activations %.1f MB, gradients of "
           "activations %.1f MB, plans %.1f MB, peak resident %.1f MB",
           1e-6 * (double) cost.parameter_bytes, 1e-6 * (double) cost.activation_bytes,
           1e-6 * (double) cost.gradient_bytes, 1e-6 * (double) cost.plan_bytes,
           1e-6 * (double) peak);
}

static es_status measure(const es_comm *c, es_pipeline *p, const es_settings *s,
                         const es_bench_params *b) {
  work w = {.p = p};
  es_bench_times t;
  es_net_cost cost;
  double ceiling = 0;
  ES_TRY(es_comm_agree(c, es_loader_get(p->loader, 0, &w.batch)));
  ES_TRY(es_bench_time(c, b, one_step, &w, &t));
  const double images = 2.0 * (double) s->batch.pairs;
  es_net_cost_of(p->net, &cost);
  es_print("%s %s %dx%d, %lld pairs, %d ranks x %d threads, backend %s f32",
           s->encoder.name, s->loss.name, p->view.h, p->view.w,
           (long long) s->batch.pairs, c->size, p->backend->threads,
           p->backend->ops->name);
  print_phases(c, p, b->repeats);
  ES_TRY(es_bench_ceiling(c, p->backend, &ceiling)); /* after the peak was printed */
  es_bench_print_head("", "img/s");
  es_bench_print_line("step", &t, images, 3 * cost.flops * images);
  es_print("matrix product of the backend %.1f GFLOP/s; the step reaches %.1f %% of it",
           1e-9 * ceiling, 100 * 3 * cost.flops * images / t.median / ceiling);
  es_print("median %.2f img/s", images / t.median);
  return ES_OK;
}

static es_status run(const es_job *job, es_config *cfg) {
  es_settings s;
  es_bench_params b;
  es_pipeline *p = NULL;
  ES_TRY(es_settings_read(cfg, job->comm->size, &s));
  ES_TRY(es_config_get(cfg, "bench", es_bench_table, NULL, sizeof b, &b));
  ES_TRY(es_pipeline_create(job->comm, cfg, &s, &p));
  const es_status st = measure(job->comm, p, &s, &b);
  es_pipeline_destroy(&p);
  return st;
}

const es_bench_ops es_bench_step = {
    .name = "step", .doc = "a training step, phase by phase", .run = run};
