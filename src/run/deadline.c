/* SPDX-License-Identifier: BSD-3-Clause */
/** @file deadline.c  run.walltime of commands that are no training. */
#include "eigenstep/deadline.h"

#include <string.h>
#include "eigenstep/clock.h"

es_status es_deadline_set(es_config *cfg, es_stop *s) {
  es_run_params run;
  ES_TRY(es_config_get(cfg, "run", es_run_table, NULL, sizeof run, &run));
  if (run.walltime > 0) s->deadline = es_now() + run.walltime;
  return ES_OK;
}

es_status es_deadline_override(const es_reopen_options *o, es_config *cfg, es_stop *s) {
  static const char key[] = "run.walltime=";
  bool given = false;
  for (int i = 0; i < o->argc; i++)
    given = given || strncmp(o->argv[i], key, sizeof key - 1) == 0;
  return given ? es_deadline_set(cfg, s) : ES_OK;
}
