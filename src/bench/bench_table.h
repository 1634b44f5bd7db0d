/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench_table.h  What the benchmarks share: repeated timing over ranks, the
 *  columns of the result, and the ceiling to compare a step with. */
#ifndef ES_BENCH_TABLE_H
#define ES_BENCH_TABLE_H

#include "eigenstep/bench.h"
#include "eigenstep/backend.h"

/** Seconds of the repetitions, each the slowest rank's. */
typedef struct es_bench_times {
  double min, median, max;
} es_bench_times;

/** Minimum, median and maximum of seconds[n], which is sorted. n >= 1. */
es_bench_times es_bench_summarise(double *seconds, int64_t n);

/** Collective. Call run(ctx, i) for i = -warmup .. repeats - 1, all ranks at once, and
 *  time those from 0 on, from a barrier to the slowest rank.
 *  @return ES_OK, ES_ENOMEM, or what `run` returned (the same on all ranks) */
es_status es_bench_time(const es_comm *c, const es_bench_params *b,
                        es_status (*run)(void *ctx, int64_t i), void *ctx,
                        es_bench_times *t);

/** Print the head of a result, and a line of it: milliseconds, then `rate` and `flops`
 *  per second from `work` and `operations` (0 = no such column) a repetition.
 *  @param what  first column's title, or the line's name; `unit` of the rate: "img/s" */
void es_bench_print_head(const char *what, const char *unit);
void es_bench_print_line(const char *name, const es_bench_times *t, double work,
                         double operations);

/** Collective. What the backend's matrix product reaches in its own arithmetic, all ranks
 *  at once: operations per second of 2048 x 2048 x 2048 through a planned linear layer,
 *  the sum over ranks, best of five. */
es_status es_bench_ceiling(const es_comm *c, es_backend *b, es_precision precision,
                           double *flops);

#endif
