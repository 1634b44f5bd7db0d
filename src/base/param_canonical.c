/* SPDX-License-Identifier: BSD-3-Clause */
/** @file param_canonical.c  Values in one form for all ways to write them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "param_private.h"

typedef union value {
  int64_t i;
  double d;
  bool b;
  es_string s;
  es_list l;
  int c;
} value;

/** The shortest text that reads back as v. */
static void write_number(double v, char *out, size_t size) {
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(out, size, "%.*g", digits, v);
    if (strtod(out, NULL) == v) return;
  }
}

static void write_list(const es_list *l, char *out, size_t size) {
  size_t used = 0;
  out[0] = '\0';
  for (int i = 0; i < l->n && used + 40 < size; i++) {
    char number[40];
    write_number(l->v[i], number, sizeof number);
    used += (size_t) snprintf(out + used, size - used, "%s%s", i > 0 ? "," : "", number);
  }
}

static void write_value(const es_param *row, const value *v, char *out, size_t size) {
  switch (row->type) {
  case ES_P_INT:
    snprintf(out, size, "%lld", (long long) v->i);
    return;
  case ES_P_DOUBLE:
    if (isnan(v->d) && row->choices != NULL)
      snprintf(out, size, "%s", row->choices);
    else
      write_number(v->d, out, size);
    return;
  case ES_P_BOOL:
    snprintf(out, size, "%s", v->b ? "true" : "false");
    return;
  case ES_P_LIST:
    write_list(&v->l, out, size);
    return;
  case ES_P_STRING:
  case ES_P_CHOICE:
    return;
  }
}

static void canonical(const es_section *section, const es_param *row, const char *text,
                      char out[ES_STRING_MAX]) {
  value v;
  snprintf(out, ES_STRING_MAX, "%s", text);
  es_log_mute(true);
  const es_status st = es_param_parse(section->name, row, text, &v);
  es_log_mute(false);
  if (st == ES_OK) write_value(row, &v, out, ES_STRING_MAX);
}

void es_config_canonical(const char *key, const char *text, const es_section *sections,
                         size_t n, char out[ES_STRING_MAX]) {
  const es_section *section;
  const es_param *row = es_param_find(sections, n, key, &section);
  snprintf(out, ES_STRING_MAX, "%s", text);
  if (row != NULL) canonical(section, row, text, out);
}

typedef struct filter {
  const es_section *sections;
  size_t n;
  void (*visit)(void *ctx, const char *key, const char *value);
  void *ctx;
} filter;

static void pass_changed(void *ctx, const char *key, const char *text) {
  const filter *const f = ctx;
  const es_section *section;
  es_string now, usual;
  const es_param *row = es_param_find(f->sections, f->n, key, &section);
  canonical(section, row, text, now);
  canonical(section, row, row->value, usual);
  if (strcmp(now, usual) != 0) f->visit(f->ctx, key, now);
}

void es_config_each_changed(const es_config *cfg, const es_section *sections, size_t n,
                            void (*visit)(void *ctx, const char *key, const char *value),
                            void *ctx) {
  filter f = {.sections = sections, .n = n, .visit = visit, .ctx = ctx};
  es_config_each(cfg, sections, n, pass_changed, &f);
}
