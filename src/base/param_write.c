/* SPDX-License-Identifier: BSD-3-Clause */
/** @file param_write.c  Write the configuration as INI text; list keys and unused
 *  keys. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "eigenstep/mem.h"
#include "param_private.h"

static const es_section *find_section(const es_section *sections, size_t n,
                                      const char *name) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(sections[i].name, name) == 0) return &sections[i];
  return NULL;
}

/** Effective value of a row: given in its section, or in its base sections, or the
 *  default. */
static const char *effective(const es_config *cfg, const es_section *sections, size_t n,
                             const es_section *section, const es_param *row) {
  for (size_t depth = 0; section != NULL && depth < n; depth++) {
    const char *given = es_config_given(cfg, section->name, row->name);
    if (given != NULL) return given;
    section = section->base != NULL ? find_section(sections, n, section->base) : NULL;
  }
  return row->value;
}

static void annotate(const es_param *row, FILE *out) {
  char expected[600];
  es_param_expected(row, expected, sizeof expected);
  fprintf(out, "# %s; %s", row->doc, expected);
  if (row->unit[0] != '\0' && strcmp(row->unit, "1") != 0)
    fprintf(out, ", in %s", row->unit);
  fputc('\n', out);
}

/** In a section with a base, a key that was not given is written as a comment: as an
 *  assignment it would no longer follow its base when the file is read again. */
static void write_row(const es_config *cfg, const es_section *sections, size_t n,
                      const es_section *section, const es_param *row, FILE *out) {
  const bool inherits =
      section->base != NULL && es_config_given(cfg, section->name, row->name) == NULL;
  const char *value = effective(cfg, sections, n, section, row);
  const char *gap = value[0] != '\0' ? " " : "";
  fprintf(out, "%s%s =%s%s\n", inherits ? "# " : "", row->name, gap, value);
}

void es_config_write(const es_config *cfg, const es_section *sections, size_t n,
                     bool annotated, FILE *out) {
  for (size_t i = 0; i < n; i++) {
    const es_section *section = &sections[i];
    fprintf(out, "%s", i > 0 ? "\n" : "");
    if (annotated && section->doc != NULL) fprintf(out, "# ---- %s\n", section->doc);
    fprintf(out, "[%s]\n", section->name);
    if (annotated && section->base != NULL)
      fprintf(out, "# not given: as in [%s]\n", section->base);
    for (const es_param *row = section->table; row->name != NULL; row++) {
      if (annotated) annotate(row, out);
      write_row(cfg, sections, n, section, row, out);
    }
  }
}

es_status es_config_text(const es_config *cfg, const es_section *sections, size_t n,
                         bool annotated, char **text) {
  char *written = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&written, &size);
  ES_CHECK(out != NULL, ES_ENOMEM,
           "out of memory while writing the configuration as text");
  es_config_write(cfg, sections, n, annotated, out);
  const bool complete = ferror(out) == 0;
  es_status st = ES_ENOMEM;
  if (fclose(out) == 0 && complete)
    st = es_strdup(written, text);
  else
    es_error("out of memory while writing the configuration as text");
  free(written);
  return st;
}

void es_config_unused(const es_config *cfg,
                      void (*visit)(void *ctx, const char *key, const char *value),
                      void *ctx) {
  for (size_t i = 0; i < cfg->n; i++)
    if (!cfg->given[i].used) visit(ctx, cfg->given[i].key, cfg->given[i].value);
}

void es_config_warn_unused(const es_config *cfg, const char *where) {
  char text[600] = "";
  size_t used = 0;
  int named = 0, others = 0;
  for (size_t i = 0; i < cfg->n; i++) {
    const es_given *const g = &cfg->given[i];
    if (g->used) continue;
    if (g->source == 0 && g->why[0] != '\0') {
      es_warn("%s has no effect with %s", g->key, g->why);
      continue;
    }
    const bool named_here = g->source == 0 && used < sizeof text;
    if (named_here)
      used += (size_t) snprintf(text + used, sizeof text - used, "%s%s",
                                named > 0 ? ", " : "", g->key);
    named += g->source == 0;
    others += g->source != 0;
  }
  if (named > 0)
    es_warn("%s %s no effect here: nothing in this command reads %s", text,
            named > 1 ? "have" : "has", named > 1 ? "them" : "it");
  if (others > 0 && where != NULL)
    es_info("%d parameter%s of the file %s no effect here: see %s", others,
            others > 1 ? "s" : "", others > 1 ? "have" : "has", where);
}

void es_config_each(const es_config *cfg, const es_section *sections, size_t n,
                    void (*visit)(void *ctx, const char *key, const char *value),
                    void *ctx) {
  char key[ES_KEY_MAX];
  for (size_t i = 0; i < n; i++)
    for (const es_param *row = sections[i].table; row->name != NULL; row++) {
      es_config_key(sections[i].name, row->name, key);
      visit(ctx, key, effective(cfg, sections, n, &sections[i], row));
    }
}
