/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_bench.c  eigenstep bench: find a benchmark and give it its
 *  configuration. */
#include <string.h>
#include "eigenstep/bench.h"
#include "eigenstep/command.h"
#include "eigenstep/config_load.h"
#include "eigenstep/registry.h"

static void help(void) {
  es_print("What can be timed:");
  const es_bench_ops *const *list;
  const size_t n = es_bench_list(&list);
  for (size_t i = 0; i < n; i++) es_print("  %-10s %s", list[i]->name, list[i]->doc);
}

/* bench NAME [RUN.ini] [section.key=value ...]: without a file the defaults. */
static es_status run(const es_job *job, int argc, char *const *argv) {
  const void *found = NULL;
  const es_bench_ops *const *list;
  const size_t n = es_bench_list(&list);
  if (argc == 0) {
    help();
    return ES_OK;
  }
  ES_TRY(es_registry_find("benchmark", argv[0], (const void *const *) list, n, &found));
  const es_bench_ops *bench = found;
  const bool file = argc >= 2 && strchr(argv[1], '=') == NULL;
  const int used = file ? 2 : 1;
  es_config *cfg = NULL;
  ES_TRY(es_config_load(job, file ? argv[1] : "-", argc - used, argv + used, &cfg));
  const es_status st = bench->run(job, cfg);
  es_config_warn_unused(cfg, NULL);
  es_config_destroy(&cfg);
  return st;
}

const es_command_ops es_command_bench = {
    .name = "bench",
    .of_a_run = true,
    .doc = "time a part of the program and print where the time goes",
    .sections = es_bench_sections,
    .usage = "[NAME [RUN.ini] [section.key=value ...]]",
    .help = help,
    .run = run};
