/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command.c  The list of sub-commands, and all parameter sections. */
#include "eigenstep/command.h"

#include "eigenstep/mem.h"
#include "eigenstep/settings.h"

#define ES_COMMAND(n) extern const es_command_ops es_command_##n;
#include "command_list.h"
#undef ES_COMMAND

static const es_command_ops *const commands[] = {
#define ES_COMMAND(n) &es_command_##n,
#include "command_list.h"
#undef ES_COMMAND
};
enum { COUNT = sizeof commands / sizeof commands[0], MOST_SECTIONS = 256 };

size_t es_command_list(const es_command_ops *const **list) {
  *list = commands;
  return COUNT;
}

size_t es_command_pick(const char *names, const es_section *of, size_t n, es_section *s,
                       size_t max) {
  const es_reader r = {.keys = names};
  size_t picked = 0;
  for (size_t i = 0; i < n && picked < max; i++)
    if (es_reader_has(&r, of[i].name)) s[picked++] = of[i];
  return picked;
}

es_status es_command_sections(es_section **out, size_t *n_out) {
  es_section *s = NULL;
  ES_TRY(ES_NEW(MOST_SECTIONS, &s));
  size_t n = es_settings_sections(s, MOST_SECTIONS);
  for (size_t i = 0; i < COUNT; i++)
    if (commands[i]->sections != NULL)
      n += commands[i]->sections(s + n, MOST_SECTIONS - n);
  *out = s;
  *n_out = n;
  return ES_OK;
}
