/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench.h  Section [bench]. */
#ifndef ES_BENCH_H
#define ES_BENCH_H

#include "eigenstep/param.h"

typedef struct es_bench_params {
  int64_t repeats, warmup;
} es_bench_params;
extern const es_param es_bench_table[];

#endif
