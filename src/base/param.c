/* SPDX-License-Identifier: BSD-3-Clause */
/** @file param.c  The configuration: values by key, checked against the tables of
 *  parameters and stored in the structs of their sections.
 *
 *  Values stay text until es_config_get, because input is read before the variants (loss,
 *  encoder, ...) are selected. */
#include "eigenstep/param.h"

#include <string.h>

#include "eigenstep/mem.h"
#include "eigenstep/registry.h"
#include "param_private.h"

es_status es_config_create(es_config **cfg) {
  return ES_NEW(1, cfg);
}

void es_config_destroy(es_config **cfg) {
  if (*cfg == NULL) return;
  for (size_t i = 0; i < (*cfg)->n; i++) {
    es_free(&(*cfg)->given[i].key);
    es_free(&(*cfg)->given[i].value);
    es_free(&(*cfg)->given[i].where);
  }
  es_free(&(*cfg)->given);
  es_free(cfg);
}

void es_config_key(const char *section, const char *name, char *key) {
  snprintf(key, ES_KEY_MAX, "%s.%s", section, name);
}

es_given *es_config_find(const es_config *cfg, const char *key) {
  for (size_t i = 0; i < cfg->n; i++)
    if (strcmp(cfg->given[i].key, key) == 0) return &cfg->given[i];
  return NULL;
}

static es_status reserve(es_config *cfg) {
  if (cfg->n < cfg->room) return ES_OK;
  const size_t room = 2 * cfg->room + 32;
  es_given *wider;
  ES_TRY(ES_NEW(room, &wider));
  if (cfg->n > 0) memcpy(wider, cfg->given, cfg->n * sizeof *wider);
  es_free(&cfg->given);
  cfg->given = wider;
  cfg->room = room;
  return ES_OK;
}

es_status es_config_put(es_config *cfg, const char *given, const char *value,
                        int source) {
  char key[ES_KEY_MAX], *text, *name;
  snprintf(key, sizeof key, "%s", given);
  const char *const was = es_param_rename(key);
  es_given *old = es_config_find(cfg, key);
  ES_TRY(es_strdup(value, &text));
  if (old != NULL) {
    es_free(&old->value);
    es_free(&old->where);
    old->value = text;
    old->source = source;
    old->was = was;
    return ES_OK;
  }
  es_status st = reserve(cfg);
  if (st == ES_OK) st = es_strdup(key, &name);
  if (st != ES_OK) {
    es_free(&text);
    return st;
  }
  cfg->given[cfg->n++] =
      (es_given){.key = name, .value = text, .was = was, .source = source};
  return ES_OK;
}

es_status es_config_default(es_config *cfg, const char *key, const char *value) {
  if (es_config_find(cfg, key) != NULL) return ES_OK;
  ES_TRY(es_config_put(cfg, key, value, 0));
  es_config_find(cfg, key)->used = true; /* not the user's: never listed as unused */
  return ES_OK;
}

const char *es_config_given(const es_config *cfg, const char *section, const char *key) {
  char full[ES_KEY_MAX];
  es_config_key(section, key, full);
  const es_given *given = es_config_find(cfg, full);
  return given != NULL ? given->value : NULL;
}

bool es_config_has(const es_config *cfg, const char *section) {
  const size_t n = strlen(section);
  for (size_t i = 0; i < cfg->n; i++)
    if (strncmp(cfg->given[i].key, section, n) == 0 && cfg->given[i].key[n] == '.')
      return true;
  return false;
}

const es_param *es_param_find(const es_section *sections, size_t n, const char *key,
                              const es_section **section) {
  for (size_t i = 0; i < n; i++) {
    const size_t length = strlen(sections[i].name);
    if (strncmp(key, sections[i].name, length) != 0 || key[length] != '.') continue;
    for (const es_param *row = sections[i].table; row->name != NULL; row++) {
      if (strcmp(key + length + 1, row->name) != 0) continue;
      *section = &sections[i];
      return row;
    }
  }
  return NULL;
}

static size_t count_rows(const es_section *sections, size_t n) {
  size_t rows = 0;
  for (size_t i = 0; i < n; i++)
    for (const es_param *row = sections[i].table; row->name != NULL; row++) rows++;
  return rows;
}

static void log_unknown(const char *where, const char *key, const char *near) {
  if (near != NULL)
    es_error("%sunknown parameter '%s'; did you mean '%s'?", where, key, near);
  else
    es_error("%sunknown parameter '%s'; 'eigenstep params' lists all parameters", where,
             key);
}

/** Log that the key is unknown, with the nearest known key.
 *  @param where  "FILE:LINE: " or "" */
static es_status refuse_unknown(const char *where, const char *key,
                                const es_section *sections, size_t n) {
  char(*text)[ES_KEY_MAX] = NULL;
  const char **names = NULL;
  const size_t rows = count_rows(sections, n);
  es_status st = ES_NEW(rows, &text);
  if (st == ES_OK) st = ES_NEW(rows, &names);
  if (st == ES_OK) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
      for (const es_param *row = sections[i].table; row->name != NULL; row++, k++) {
        es_config_key(sections[i].name, row->name, text[k]);
        names[k] = text[k];
      }
    log_unknown(where, key, es_nearest(key, names, rows));
    st = ES_ECONFIG;
  }
  es_free(&names);
  es_free(&text);
  return st;
}

es_status es_config_check_key(const char *key, const es_section *sections, size_t n) {
  const es_section *section;
  if (es_param_find(sections, n, key, &section) != NULL) return ES_OK;
  return refuse_unknown("", key, sections, n);
}

/* Room for a value of any type. */
typedef union param_value {
  int64_t i;
  double d;
  bool b;
  es_string s;
  es_list l;
  int c;
} param_value;

es_status es_config_check(const es_config *cfg, const es_section *sections, size_t n) {
  param_value any;
  for (size_t i = 0; i < cfg->n; i++) {
    const es_given *given = &cfg->given[i];
    const es_section *section;
    const es_param *row = es_param_find(sections, n, given->key, &section);
    const char *const where = given->where != NULL ? given->where : "";
    if (row == NULL) return refuse_unknown(where, given->key, sections, n);
    ES_TRY(es_param_parse_at(where, section->name, row, given->value, &any));
    if (given->was != NULL)
      es_warn("parameter '%s' is now '%s'; the old name will go in the next release",
              given->was, given->key);
  }
  return ES_OK;
}

/** Parse the values of a section into the fields of `out` (NULL: only see whether they
 *  can be parsed) and mark those that were given as used. */
static es_status fill(es_config *cfg, const char *section, const es_param *table,
                      bool has_base, char *out) {
  param_value any;
  for (const es_param *row = table; row->name != NULL; row++) {
    char key[ES_KEY_MAX];
    es_config_key(section, row->name, key);
    es_given *given = cfg != NULL ? es_config_find(cfg, key) : NULL;
    if (given != NULL) given->used = true;
    if (given == NULL && has_base) continue;
    const char *text = given != NULL ? given->value : row->value;
    void *const to = out != NULL ? (void *) (out + row->offset) : (void *) &any;
    ES_TRY(es_param_parse(section, row, text, to));
  }
  return ES_OK;
}

/* Nothing is allocated: what one rank can read, all can. */
es_status es_config_get(es_config *cfg, const char *section, const es_param *table,
                        const void *base, size_t size, void *out) {
  for (const es_param *row = table; row->name != NULL; row++)
    ES_CHECK(row->offset + es_param_size(row->type) <= size, ES_EINTERNAL,
             "%s.%s: got a struct of %zu bytes, too small for this field", section,
             row->name, size);
  ES_TRY(fill(cfg, section, table, base != NULL, NULL));
  if (base == NULL)
    memset(out, 0, size);
  else if (base != out)
    memcpy(out, base, size);
  return fill(cfg, section, table, base != NULL, out);
}

es_status es_config_get_new(es_config *cfg, const char *section, const es_param *table,
                            const void *base, size_t size, void **out) {
  void *made = NULL;
  *out = NULL;
  if (size == 0) return ES_OK;
  ES_TRY(es_alloc(size, section, &made));
  const es_status st = es_config_get(cfg, section, table, base, size, made);
  if (st == ES_OK)
    *out = made;
  else
    es_free(&made);
  return st;
}
