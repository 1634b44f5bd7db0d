/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_params.c  eigenstep params [section]: every parameter as an annotated
 *  INI. */
#include <stdio.h>
#include <string.h>
#include "eigenstep/command.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

enum { LISTED = 256 };

/* No section has this name: the nearest one, else those that there are. */
static es_status refuse(const es_job *job, const char *given) {
  const char *name[LISTED];
  char list[2000] = "";
  size_t n = 0, used = 0;
  for (size_t i = 0; i < job->sections && n < LISTED; i++) {
    name[n++] = job->section[i].name;
    if (strchr(job->section[i].name, '.') == NULL && used < sizeof list)
      used += (size_t) snprintf(list + used, sizeof list - used, "%s%s",
                                used > 0 ? ", " : "", job->section[i].name);
  }
  const char *const near = es_nearest(given, name, n);
  es_error("params: got '%s', expected a section's name%s%s%s: %s; some have parts, as "
           "loss.barlow",
           given, near != NULL ? " (did you mean '" : "", near != NULL ? near : "",
           near != NULL ? "'?)" : "", list);
  return ES_ECONFIG;
}

static void help(void) {
  es_section *s = NULL;
  size_t n = 0;
  printf("\nThe sections, each listed by 'eigenstep params SECTION'; [view2.NAME] holds "
         "what\n"
         "differs from [augment.NAME] in the second view:\n");
  if (es_command_sections(&s, &n) == ES_OK) es_command_print_sections(s, n);
  es_free(&s);
}

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
  ES_TRY_GOTO(kept > 0 ? ES_OK : refuse(job, argv[0]), done);
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
    .help = help,
    .run = run};
