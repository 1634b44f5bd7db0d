/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run.c  eigenstep compare: sources -> embeddings -> similarities -> file. */
#include "eigenstep/compare_runs.h"

#include <string.h>
#include "eigenstep/deadline.h"
#include "eigenstep/mem.h"
#include "eigenstep/run_files.h"
#include "eigenstep/run_folder.h"
#include "record.h"

typedef es_compare_params par;
const es_param es_compare_table[] = {
    ES_INT(par, pairs, "0", 0, 1e6, "pairs",
           "held-out pairs of the first run that runs are compared on; 0 = those of its "
           "probe, at most 128"),
    ES_INT(par, modes, "16", 1, 1e4, "1", "modes that are compared, at most"),
    ES_INT(par, bootstrap, "50", 2, 1e6, "1", "samples of points for errors"),
    ES_INT(par, neighbours, "10", 1, 1e6, "1", "neighbours of /mutual_knn"),
    ES_PARAM_END};

/* Sources come before overrides, "section.key=value". */
static int count_sources(int argc, char *const *argv) {
  int n = 0;
  while (n < argc && strchr(argv[n], '=') == NULL) n++;
  return n;
}

/* Collective. */
static es_status run(const es_job *job, es_config *cfg, int argc, char *const *argv) {
  const int n = count_sources(argc, argv);
  es_output_params output;
  par p;
  es_compare_set *set = NULL;
  es_compared m = {.room = NULL};
  es_stop stop = {.every = 1};
  es_status st;
  ES_TRY(es_config_get(cfg, "output", es_output_table, NULL, sizeof output, &output));
  ES_TRY(es_config_get(cfg, "compare", es_compare_table, NULL, sizeof p, &p));
  ES_TRY(es_deadline_set(cfg, &stop));
  es_stop_install();
  ES_TRY(es_run_folder_check(job, output.dir));
  const es_compare_how how = {(int) p.modes, (int) p.bootstrap, (int) p.neighbours};
  ES_TRY(ES_COMM_NEW(job->comm, 1, &set));
  set->stop = &stop;
  set->argc = argc - n;
  set->argv = argv + n;
  ES_TRY_GOTO(es_compare_set_open(job, n, argv, p.pairs, set), done);
  if (set->points < 3) {
    es_error("compare: got %d points, expected at least 3", set->points);
    st = ES_ECONFIG;
    goto done;
  }
  ES_TRY_GOTO(es_compare_measure(job->comm, set, &how, &m), done);
  ES_TRY_GOTO(es_run_files_create(job->comm, output.dir), done);
  ES_TRY_GOTO(es_compare_write(job, cfg, output.dir, set, &m), done);
  es_compare_print(set, &m);
  es_info("wrote %s/compare.h5", output.dir);
done:
  es_compared_free(&m);
  es_compare_set_free(set);
  es_free(&set);
  return st;
}

es_status es_compare_runs(const es_job *job, int argc, char *const *argv) {
  const int n = count_sources(argc, argv);
  es_config *cfg = NULL;
  ES_CHECK(n >= 1, ES_ECONFIG,
           "compare: got no source, expected folders of runs or files of embeddings");
  ES_TRY(es_config_load(job, "-", argc - n, argv + n, &cfg));
  es_status st =
      es_comm_agree(job->comm, es_config_default(cfg, "output.dir", "compare-out"));
  if (st == ES_OK) st = run(job, cfg, argc, argv);
  es_config_destroy(&cfg);
  return st;
}
