/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench.c  The list of benchmarks and their parameter sections. */
#include "eigenstep/bench.h"

typedef es_bench_params par;
const es_param es_bench_table[] = {
    ES_INT(par, repeats, "7", 1, 1e6, "1", "timed repetitions"),
    ES_INT(par, warmup, "2", 0, 1e6, "1", "repetitions before the first timed one"),
    ES_PARAM_END};

#define ES_BENCH(n) extern const es_bench_ops es_bench_##n;
#include "bench_list.h"
#undef ES_BENCH

static const es_bench_ops *const benches[] = {
#define ES_BENCH(n) &es_bench_##n,
#include "bench_list.h"
#undef ES_BENCH
};
enum { COUNT = sizeof benches / sizeof benches[0] };

size_t es_bench_list(const es_bench_ops *const **list) {
  *list = benches;
  return COUNT;
}

size_t es_bench_sections(es_section *s, size_t max) {
  static const char *const name[] = {
#define ES_BENCH(n) "bench." #n,
#include "bench_list.h"
#undef ES_BENCH
  };
  size_t n = 0;
  if (n < max)
    s[n++] = (es_section){.name = "bench",
                          .table = es_bench_table,
                          .doc = "repetitions of eigenstep bench"};
  for (size_t i = 0; i < COUNT && n < max; i++) {
    if (benches[i]->params == NULL) continue;
    s[n++] = (es_section){
        .name = name[i], .table = benches[i]->params, .doc = benches[i]->doc};
  }
  return n;
}
