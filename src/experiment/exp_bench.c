/* SPDX-License-Identifier: BSD-3-Clause */
/** @file exp_bench.c  eigenstep bench step: how long a training step takes, and where.
 *
 *  Both views of one batch are in memory; a step is forward, loss, backward,
 *  all-reduce and update on all ranks, timed from a barrier to the slowest rank. */
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "eigenstep/mem.h"
#include "eigenstep/phases.h"
#include "pipeline.h"

typedef es_bench_params par;
const es_param es_bench_table[] = {
    ES_INT(par, repeats, "7", 1, 1e6, "1", "timed steps"),
    ES_INT(par, warmup, "2", 0, 1e6, "1", "steps before the first timed one"),
    ES_PARAM_END};

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* Times of `repeats` steps, the slowest rank's, sorted: seconds[repeats]. */
static es_status time_steps(const es_comm *c, es_pipeline *p, const es_settings *s,
                            const par *b, double *seconds) {
  es_batch *batch = NULL;
  ES_TRY(es_comm_agree(c, es_loader_get(p->loader, 0, &batch)));
  double loss;
  for (int64_t i = -b->warmup; i < b->repeats; i++) {
    if (i == 0) memset(&p->train->clock, 0, sizeof p->train->clock);
    es_comm_barrier(c);
    const double start = es_now();
    ES_TRY(es_train_step(p->train, batch, s->optim.lr, &loss));
    double t = es_now() - start;
    es_comm_max_f64(c, &t, 1);
    if (i >= 0) seconds[i] = t;
  }
  qsort(seconds, (size_t) b->repeats, sizeof *seconds, ascending);
  return ES_OK;
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

static es_status bench_step(const es_job *job, es_config *cfg) {
  const es_comm *c = job->comm;
  es_settings s;
  par b;
  es_pipeline *p = NULL;
  double *seconds = NULL;
  es_status st;
  ES_TRY(es_settings_read(cfg, c->size, &s));
  ES_TRY(es_config_get(cfg, "bench", es_bench_table, NULL, sizeof b, &b));
  ES_TRY(es_pipeline_create(c, cfg, &s, &p));
  ES_TRY_GOTO(es_comm_agree(c, ES_NEW(b.repeats, &seconds)), done);
  ES_TRY_GOTO(time_steps(c, p, &s, &b, seconds), done);
  const double images = 2.0 * (double) s.batch.pairs;
  const double median = (seconds[(b.repeats - 1) / 2] + seconds[b.repeats / 2]) / 2;
  es_net_cost cost;
  es_net_cost_of(p->net, &cost);
  es_print("%s %s %dx%d, %lld pairs, %d ranks x %d threads, backend %s f32",
           s.encoder.name, s.loss.name, p->view.h, p->view.w, (long long) s.batch.pairs,
           c->size, p->backend->threads, p->backend->ops->name);
  print_phases(c, p, b.repeats);
  es_print("%-12s %10s %10s %10s %10s %10s", "", "min ms", "median ms", "max ms", "img/s",
           "GFLOP/s");
  es_print("%-12s %10.1f %10.1f %10.1f %10.1f %10.1f", "step", 1e3 * seconds[0],
           1e3 * median, 1e3 * seconds[b.repeats - 1], images / median,
           3e-9 * cost.flops * images / median);
  es_print("median %.2f img/s", images / median);
done:
  es_free(&seconds);
  es_pipeline_destroy(&p);
  return st;
}

/* bench step [RUN.ini] [section.key=value ...]: without a file the defaults. */
static es_status run(const es_job *job, int argc, char *const *argv) {
  ES_CHECK(argc >= 1 && strcmp(argv[0], "step") == 0, ES_ECONFIG,
           "bench: got '%s', expected step", argc >= 1 ? argv[0] : "nothing");
  const bool file = argc >= 2 && strchr(argv[1], '=') == NULL;
  const int used = file ? 2 : 1;
  es_config *cfg = NULL;
  ES_TRY(es_config_load(job, file ? argv[1] : "-", argc - used, argv + used, &cfg));
  const es_status st = bench_step(job, cfg);
  es_config_destroy(&cfg);
  return st;
}

const es_experiment_ops es_experiment_bench = {
    .name = "bench",
    .doc = "time a training step and print where the time goes",
    .usage = "step [RUN.ini] [section.key=value ...]",
    .run = run};
