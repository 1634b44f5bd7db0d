/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_params.c  eigenstep params [section]: every parameter as an annotated
 *  INI. */
#include <stdio.h>
#include <string.h>
#include "eigenstep/command.h"
#include "eigenstep/mem.h"

static es_status run(const es_job *job, int argc, char *const *argv) {
  es_section *s = NULL;
  es_config *cfg = NULL;
  char *text = NULL;
  es_status st;
  ES_CHECK(argc <= 1, ES_ECONFIG,
           "params: got %d arguments, expected at most one section", argc);
  ES_TRY_GOTO(ES_NEW(job->sections, &s), done);
  size_t kept = 0;
  for (size_t i = 0; i < job->sections; i++) {
    if (argc == 0 || strcmp(argv[0], job->section[i].name) == 0)
      s[kept++] = job->section[i];
  }
  ES_CHECK_GOTO(kept > 0, ES_ECONFIG, done, "params: got '%s', expected a section's name",
                argv[0]);
  ES_TRY_GOTO(es_config_create(&cfg), done);
  ES_TRY_GOTO(es_config_text(cfg, s, kept, true, &text), done);
  if (job->comm->rank == 0) fputs(text, stdout);
done:
  es_free(&text);
  es_config_destroy(&cfg);
  es_free(&s);
  return st;
}

const es_command_ops es_command_params = {
    .name = "params",
    .doc = "print every parameter with default, range, unit and meaning, as an INI file",
    .usage = "[section]",
    .run = run};
