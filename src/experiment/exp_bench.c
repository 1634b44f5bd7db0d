/* SPDX-License-Identifier: BSD-3-Clause */
/** @file exp_bench.c  eigenstep bench: the list of benchmarks, and how each gets its
 *  configuration. */
#include <string.h>
#include "bench.h"
#include "eigenstep/registry.h"

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

static void help(void) {
  es_print("What can be timed:");
  for (size_t i = 0; i < COUNT; i++)
    es_print("  %-10s %s", benches[i]->name, benches[i]->doc);
}

/* bench NAME [RUN.ini] [section.key=value ...]: without a file the defaults. */
static es_status run(const es_job *job, int argc, char *const *argv) {
  const void *found = NULL;
  if (argc == 0) {
    help();
    return ES_OK;
  }
  ES_TRY(es_registry_find("benchmark", argv[0], (const void *const *) benches, COUNT,
                          &found));
  const es_bench_ops *bench = found;
  const bool file = argc >= 2 && strchr(argv[1], '=') == NULL;
  const int used = file ? 2 : 1;
  es_config *cfg = NULL;
  ES_TRY(es_config_load(job, file ? argv[1] : "-", argc - used, argv + used, &cfg));
  const es_status st = bench->run(job, cfg);
  es_config_destroy(&cfg);
  return st;
}

const es_experiment_ops es_experiment_bench = {
    .name = "bench",
    .doc = "time a part of the program and print where the time goes",
    .usage = "[NAME [RUN.ini] [section.key=value ...]]",
    .help = help,
    .run = run};
