/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_sweep.c  eigenstep sweep: many runs of one command. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/command.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"
#include "eigenstep/sweep.h"

/* Collective. A run of the sweep is what its command makes of these arguments. */
static es_status start(const es_job *job, const char *command, int argc,
                       char *const *argv) {
  const void *found = NULL;
  const es_command_ops *const *list;
  const size_t n = es_command_list(&list);
  ES_TRY(es_registry_find("command", command, (const void *const *) list, n, &found));
  return ((const es_command_ops *) found)->run(job, argc, argv);
}

static es_status read_task(const char *text, int64_t *task) {
  char *end = NULL;
  errno = 0;
  *task = text != NULL ? strtoll(text, &end, 10) : -1;
  ES_CHECK(*task >= 0 && errno == 0 && end != text && *end == '\0', ES_ECONFIG,
           "--task: got '%s', expected a whole number such as $SLURM_ARRAY_TASK_ID",
           text != NULL ? text : "nothing");
  return ES_OK;
}

/* Options anywhere, the file, and overrides, which are moved together in `rest`. */
static es_status parse(int argc, char *const *argv, char **rest, es_sweep_options *o) {
  for (int i = 0; i < argc; i++) {
    const char *const next = i + 1 < argc ? argv[i + 1] : NULL;
    if (strcmp(argv[i], "--dry-run") == 0) {
      o->dry_run = true;
    } else if (strcmp(argv[i], "--status") == 0) {
      o->status = true;
    } else if (strcmp(argv[i], "--accept") == 0) {
      o->accept = true;
    } else if (strcmp(argv[i], "--retry") == 0) {
      ES_CHECK(next != NULL && strcmp(next, "failed") == 0, ES_ECONFIG,
               "--retry: got '%s', expected failed", next != NULL ? next : "nothing");
      o->retry = true;
      i++;
    } else if (strcmp(argv[i], "--task") == 0) {
      ES_TRY(read_task(next, &o->task));
      i++;
    } else if (argv[i][0] == '-' && argv[i][1] == '-') {
      ES_CHECK(false, ES_ECONFIG,
               "sweep: unknown option '%s'; see eigenstep sweep --help", argv[i]);
    } else if (o->path == NULL) {
      o->path = argv[i];
    } else {
      rest[o->argc++] = argv[i];
    }
  }
  ES_CHECK(o->path != NULL && strchr(o->path, '=') == NULL, ES_ECONFIG,
           "sweep: got no input file, expected SWEEP.ini before overrides");
  return ES_OK;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  es_sweep_options o = {.task = ES_SWEEP_NO_TASK, .start = start};
  char **rest = NULL;
  ES_TRY(ES_COMM_NEW(job->comm, argc, &rest));
  o.argv = rest;
  es_status st = parse(argc, argv, rest, &o);
  if (st == ES_OK) st = es_sweep_make(job, &o);
  es_free(&rest);
  return st;
}

static size_t sections(es_section *s, size_t max) {
  if (max < 1) return 0;
  s[0] = (es_section){
      .name = "sweep", .table = es_sweep_table, .doc = "eigenstep sweep: runs of a grid"};
  return 1;
}

static void help(void) {
  es_print(
      "\nSWEEP.ini has a section [sweep] with base = RUN.ini, command, ranks (see\n"
      "'eigenstep params sweep') and a line for each axis:\n"
      "  optim.lr = 1e-3, 3e-3                       two values\n"
      "  projector.widths = (64), (64, 64)           values with commas\n"
      "  optim.name, optim.lr = (sgd, 1), (lars, 2)  parameters that move together\n"
      "  seeds = 1:5                                 run.seed\n"
      "Other sections hold values for all runs. output.dir is the sweep's folder,\n"
      "eigenstep-out if it is not given. After the file, optim.lr=1e-3,1e-2 replaces\n"
      "the values of an axis, seeds=1:3 a key of [sweep]; others are for all runs.\n"
      "Any number of jobs may work on one sweep; called again, it goes on with what\n"
      "is missing.\n"
      "  --dry-run       print the runs, their memory and time; write nothing\n"
      "  --status        print the state of each run; write the summary\n"
      "  --task N        only the run of number N in --dry-run, modulo their number\n"
      "  --retry failed  also runs that failed\n"
      "  --accept        go on although the base file has changed");
}

const es_command_ops es_command_sweep = {
    .name = "sweep",
    .options = true,
    .doc = "make the runs of a grid of parameters, and what is missing of them",
    .usage = "SWEEP.ini [--task N | --status | --retry failed | --dry-run] "
             "[key=value ...]",
    .help = help,
    .sections = sections,
    .run = run};
