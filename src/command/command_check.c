/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_check.c  eigenstep check: the dry run. Parses, opens the data, plans the
 *  network and says what a run on N ranks would take. With --ranks it times some steps of
 *  few pairs; it writes nothing but timed algorithms (backend.plans). */
#include "eigenstep/command.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/kernel_cost.h"
#include "eigenstep/linear_model.h"
#include "eigenstep/label_data.h"
#include "eigenstep/step_table.h"

/* Collective. Ranks 0: those of the job, and no model of a step. */
static es_status print(const es_job *job, const es_check_params *o, const es_settings *s,
                       const es_assembly *p, int ranks) {
  const int all = ranks > 0 ? ranks : job->comm->size;
  es_run_cost cost;
  const int node = ranks > 0 ? es_check_node(job->comm, o) : job->comm->node_size;
  ES_TRY(es_comm_agree(job->comm, es_run_cost_of(s, p, all, node, &cost)));
  es_run_cost_print(s, p, all, &cost);
  if (o->gpu > 0) es_run_cost_print_fit(s, all, 1e9 * o->gpu, &cost);
  return ranks > 0 ? es_step_table_print(job->comm, o, s, &cost, node, all) : ES_OK;
}

static es_status plan(const es_job *job, es_config *cfg, int ranks) {
  const int all = ranks > 0 ? ranks : job->comm->size;
  es_settings s;
  es_assembly p = {0};
  es_linear_params linear;
  es_kernel_params kernel;
  es_check_params o;
  es_status st;
  ES_TRY(es_config_get(cfg, "check", es_check_table, NULL, sizeof o, &o));
  ES_TRY(es_config_get(cfg, "linear", es_linear_table, NULL, sizeof linear, &linear));
  ES_TRY(es_config_get(cfg, "kernel", es_kernel_table, NULL, sizeof kernel, &kernel));
  ES_TRY(es_settings_read(job->comm, cfg, all, &s));
  ES_TRY_GOTO(es_comm_agree(job->comm, es_assembly_check(&s)), done);
  ES_TRY_GOTO(es_assembly_describe_backend(job->comm, &s, &p), done);
  ES_TRY_GOTO(es_assembly_open_data(job->comm, &s, &p), done);
  ES_TRY_GOTO(es_comm_agree(job->comm, es_assembly_check_data(&s, &p)), done);
  ES_TRY_GOTO(es_label_data_check(job->comm, &s, &p), done);
  es_config_warn_unused(cfg, NULL);
  ES_TRY_GOTO(print(job, &o, &s, &p, ranks), done);
  if (es_config_has(cfg, "linear")) es_linear_print_cost(&linear, p.input.view, all);
  if (es_config_has(cfg, "kernel")) es_kernel_print_cost(&kernel, p.input.view, all);
done:
  es_augment_destroy(&p.input.augment);
  es_dataset_close(&p.input.held_out);
  es_dataset_close(&p.input.data);
  es_backend_close(&p.model.backend);
  es_settings_free(&s);
  return st;
}

/* "--ranks N" or "--ranks=N" after the file; other words go to `rest`. */
static es_status take_ranks(int argc, char *const *argv, int *ranks, char **rest,
                            int *n) {
  for (int i = *n = 0; i < argc; i++) {
    const bool joined = strncmp(argv[i], "--ranks=", 8) == 0;
    const bool alone = strcmp(argv[i], "--ranks") == 0;
    ES_CHECK(strncmp(argv[i], "--", 2) != 0 || alone || joined, ES_ECONFIG,
             "check: unknown option '%s', expected --ranks N", argv[i]);
    if (!alone && !joined) {
      rest[(*n)++] = argv[i];
      continue;
    }
    const char *const text = joined ? argv[i] + 8 : i + 1 < argc ? argv[++i] : "nothing";
    char *end = NULL;
    errno = 0;
    const long v = strtol(text, &end, 10);
    ES_CHECK(v >= 1 && v <= 10000000 && errno == 0 && *end == '\0', ES_ECONFIG,
             "--ranks: got '%s', expected a number of ranks >= 1", text);
    *ranks = (int) v;
  }
  return ES_OK;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  ES_CHECK(argc >= 1 && strncmp(argv[0], "--", 2) != 0, ES_ECONFIG,
           "check: got no input file, expected RUN.ini or '-'");
  int ranks = 0, n = 0; /* 0: not given */
  char **rest = NULL;
  es_config *cfg = NULL;
  ES_TRY(ES_COMM_NEW(job->comm, argc, &rest));
  es_status st = take_ranks(argc - 1, argv + 1, &ranks, rest, &n);
  if (st == ES_OK) st = es_config_load(job, argv[0], n, rest, &cfg);
  if (st == ES_OK) st = plan(job, cfg, ranks);
  es_config_destroy(&cfg);
  es_free(&rest);
  return st;
}

static size_t sections(es_section *s, size_t max) {
  if (max < 1) return 0;
  s[0] = (es_section){.name = "check",
                      .table = es_check_table,
                      .doc = "eigenstep check: the model of a step, a GPU"};
  return 1;
}

static void help(void) {
  es_print(
      "\nWith --ranks N also what a step takes on N ranks: a model of its time,\n"
      "split into compute and communication, the bytes that a rank sends, and the\n"
      "efficiency against one full node, on the networks of check.network, or on that\n"
      "one for 1, 2, 4, ... N ranks. How fast a rank computes is measured in a moment,\n"
      "or check.rate. 'eigenstep params check' lists all of it.");
}

const es_command_ops es_command_check = {
    .name = "check",
    .of_a_run = true,
    .options = true,
    .doc = "dry run: parameters, memory a rank, time of a step on N ranks, output size",
    .usage = "RUN.ini [--ranks N] [section.key=value ...]",
    .help = help,
    .sections = sections,
    .run = run};
