/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench.h  What eigenstep bench can time. Variants: bench_list.h. */
#ifndef ES_BENCH_H
#define ES_BENCH_H

#include "eigenstep/config_load.h"

/** Section [bench]: what all of them share. */
typedef struct es_bench_params {
  int64_t repeats, warmup;
} es_bench_params;
extern const es_param es_bench_table[];

/* --- for authors of a benchmark ----------------------------------------------------- */
typedef struct es_bench_ops {
  const char *name, *doc; /**< "step", one line for the list */
  const es_param *params; /**< of section [bench.NAME]; NULL = none */
  /** Collective. Measure and print one table. */
  es_status (*run)(const es_job *job, es_config *cfg);
} es_bench_ops;

/* --- for users ---------------------------------------------------------------------- */
size_t es_bench_list(const es_bench_ops *const **list);

/** [bench] and the sections of the benchmarks; returns how many of `max` were filled. */
size_t es_bench_sections(es_section *s, size_t max);

#endif
