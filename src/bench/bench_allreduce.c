/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench_allreduce.c  What a blocking sum over all ranks takes, for the constants
 *  of the cost model (src/run/step_model.c): with one rank a node, N nodes, a sum of
 *  few bytes takes log2(N) latencies, a sum of B bytes 2 (N - 1) / N of B through each
 *  link.
 *
 *  A repetition is a number of sums one after the other, as in a training step, where
 *  each waits for the one before; the time is that of one of them. */
#include <math.h>
#include "bench_table.h"
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"

typedef struct par {
  int64_t bytes, calls;
} par;

static const es_param table[] = {
    ES_INT(par, bytes, "4194304", 4, 1e10, "byte", "summed at once, f32"),
    ES_INT(par, calls, "20", 1, 1e6, "1", "sums of a repetition"), ES_PARAM_END};

/* Collective. Seconds of one of `calls` sums of x[n], the slowest rank's. */
static double once(const es_comm *c, const par *p, float *x, int64_t n) {
  es_comm_barrier(c);
  const double start = es_now();
  for (int64_t k = 0; k < p->calls; k++) es_comm_sum_f32(c, x, n);
  double spent = (es_now() - start) / (double) p->calls;
  es_comm_max_f64(c, &spent, 1);
  return spent;
}

static void print(const es_comm *c, int64_t bytes, const es_bench_times *t) {
  const double stages = log2(c->size), links = 2.0 * (c->size - 1) / c->size;
  es_print("%lld bytes, %d rank%s on %d node%s", (long long) bytes, c->size,
           c->size == 1 ? "" : "s", c->nodes, c->nodes == 1 ? "" : "s");
  es_print("%-12s %12s %12s %12s %10s", "", "min ms", "median ms", "max ms", "MB/s");
  es_print("%-12s %12.4f %12.4f %12.4f %10.1f", "sum", 1e3 * t->min, 1e3 * t->median,
           1e3 * t->max, 1e-6 * (double) bytes / t->median);
  if (c->size > 1)
    es_print("%.3f us for each of log2(ranks) stages; 2 (ranks - 1) / ranks of the bytes "
             "at %.1f MB/s",
             1e6 * t->median / stages, 1e-6 * links * (double) bytes / t->median);
}

static es_status run(const es_job *job, es_config *cfg) {
  const es_comm *const c = job->comm;
  par p;
  es_bench_params b;
  float *x = NULL;
  double *seconds = NULL;
  ES_TRY(es_config_get(cfg, "bench.allreduce", table, NULL, sizeof p, &p));
  ES_TRY(es_config_get(cfg, "bench", es_bench_table, NULL, sizeof b, &b));
  const int64_t n = (p.bytes + (int64_t) sizeof *x - 1) / (int64_t) sizeof *x;
  es_status st = ES_NEW(n, &x);
  if (st == ES_OK) st = ES_NEW(b.repeats, &seconds);
  st = es_comm_agree(c, st);
  for (int64_t i = -b.warmup; st == ES_OK && i < b.repeats; i++) {
    const double t = once(c, &p, x, n);
    if (i >= 0) seconds[i] = t;
  }
  if (st == ES_OK) {
    const es_bench_times t = es_bench_summarise(seconds, b.repeats);
    print(c, n * (int64_t) sizeof *x, &t);
  }
  es_free(&seconds);
  es_free(&x);
  return st;
}

const es_bench_ops es_bench_allreduce = {
    .name = "allreduce",
    .doc = "a sum over all ranks, blocking: latency and bandwidth between nodes",
    .params = table,
    .run = run};
