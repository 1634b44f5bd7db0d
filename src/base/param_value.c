/* SPDX-License-Identifier: BSD-3-Clause */
/** @file param_value.c  Convert text to values of each parameter type; check bounds and
 *  choices. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "eigenstep/registry.h"
#include "home.h"
#include "param_private.h"

enum { ITEM_SIZE = 64, EXPECTED_SIZE = 512, CHOICES_MAX = 32 };

size_t es_param_size(es_param_type type) {
  static const size_t size[] = {
      [ES_P_INT] = sizeof(int64_t), [ES_P_DOUBLE] = sizeof(double),
      [ES_P_BOOL] = sizeof(bool),   [ES_P_STRING] = sizeof(es_string),
      [ES_P_CHOICE] = sizeof(int),  [ES_P_LIST] = sizeof(es_list),
  };
  return size[type];
}

/** " in [lo, hi]", open if infinite; "" if both bounds are. */
static void interval(const es_param *row, char *text, size_t size) {
  const bool below = isinf(row->min), above = isinf(row->max);
  text[0] = '\0';
  if (below && above) return;
  snprintf(text, size, " in %c%.15g, %.15g%c", below ? '(' : '[', row->min, row->max,
           above ? ')' : ']');
}

/** "a, b, c" from "a|b|c". */
static void list_choices(const char *choices, char *text, size_t size) {
  size_t n = 0;
  for (const char *c = choices; *c != '\0' && n + 3 < size; c++) {
    text[n++] = *c == '|' ? ',' : *c;
    if (*c == '|') text[n++] = ' ';
  }
  text[n] = '\0';
}

void es_param_expected(const es_param *row, char *text, size_t size) {
  char in[80], choices[EXPECTED_SIZE];
  interval(row, in, sizeof in);
  switch (row->type) {
  case ES_P_INT:
    snprintf(text, size, "a whole number%s", in);
    break;
  case ES_P_DOUBLE:
    snprintf(text, size, "a number%s%s%s", in, row->choices != NULL ? ", or " : "",
             row->choices != NULL ? row->choices : "");
    break;
  case ES_P_BOOL:
    snprintf(text, size, "true or false");
    break;
  case ES_P_STRING:
    snprintf(text, size, "text of at most %d characters", ES_STRING_MAX - 1);
    break;
  case ES_P_CHOICE:
    list_choices(row->choices, choices, sizeof choices);
    snprintf(text, size, "one of %s", choices);
    break;
  case ES_P_LIST:
    snprintf(text, size, "at most %d numbers%s, separated by commas", ES_LIST_MAX, in);
    break;
  }
}

static bool in_bounds(const es_param *row, double v) {
  return isfinite(v) && v >= row->min && v <= row->max;
}

static bool parse_double(const es_param *row, const char *text, double *v) {
  char *end;
  if (row->choices != NULL && strcmp(text, row->choices) == 0) {
    *v = NAN;
    return true;
  }
  *v = strtod(text, &end);
  return end != text && *end == '\0' && in_bounds(row, *v);
}

/** Integers; "1e6" is accepted. */
static bool parse_int(const es_param *row, const char *text, int64_t *v) {
  char *end;
  errno = 0;
  *v = strtoll(text, &end, 10);
  if (end == text || *end != '\0') {
    const double exact = 0x1p53; /* integers above are not all exact as doubles */
    const double d = strtod(text, &end);
    if (end == text || *end != '\0' || !(fabs(d) <= exact) || d != trunc(d)) return false;
    *v = (int64_t) d;
  }
  return errno == 0 && in_bounds(row, (double) *v);
}

static bool parse_bool(const char *text, bool *v) {
  static const char *const words[] = {"false", "true", "no", "yes",
                                      "off",   "on",   "0",  "1"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strcasecmp(text, words[i]) != 0) continue;
    *v = i % 2 == 1;
    return true;
  }
  return false;
}

static bool parse_choice(const char *choices, const char *text, int *v) {
  const size_t n = strlen(text);
  int index = 0;
  for (const char *c = choices; c != NULL; index++) {
    const size_t length = strcspn(c, "|");
    if (length == n && strncmp(c, text, n) == 0) {
      *v = index;
      return true;
    }
    c = c[length] == '|' ? c + length + 1 : NULL;
  }
  return false;
}

/** Copy one trimmed item of text[0..n). @return false if it is empty or too long */
static bool copy_item(const char *text, size_t n, char item[ITEM_SIZE]) {
  while (n > 0 && isspace((unsigned char) *text)) text++, n--;
  while (n > 0 && isspace((unsigned char) text[n - 1])) n--;
  if (n == 0 || n >= ITEM_SIZE) return false;
  memcpy(item, text, n);
  item[n] = '\0';
  return true;
}

/** es_split without an error message. */
static bool split(const char *text, size_t max, char items[][ITEM_SIZE], size_t *n) {
  text += strspn(text, " \t\r\n");
  *n = 0;
  if (*text == '\0') return true;
  for (const char *c = text; c != NULL; ++*n) {
    const size_t length = strcspn(c, ",");
    if (*n == max || !copy_item(c, length, items[*n])) return false;
    c = c[length] == ',' ? c + length + 1 : NULL;
  }
  if (*n == 1 && strcmp(items[0], "none") == 0) *n = 0;
  return true;
}

es_status es_split(const char *key, const char *text, size_t max, char items[][64],
                   size_t *n) {
  size_t found;
  ES_CHECK(split(text, max, items, &found), ES_ECONFIG,
           "%s: got the list '%.200s', expected at most %zu items of 1 to %d characters, "
           "separated by commas",
           key, text, max, ITEM_SIZE - 1);
  *n = found;
  return ES_OK;
}

static bool parse_list(const es_param *row, const char *text, es_list *v) {
  char items[ES_LIST_MAX][ITEM_SIZE];
  size_t n;
  if (!split(text, ES_LIST_MAX, items, &n)) return false;
  for (size_t i = 0; i < n; i++)
    if (!parse_double(row, items[i], &v->v[i])) return false;
  v->n = (int) n;
  return true;
}

/** Text that is not a path of a home folder can only be too long. */
static bool parse_string(const char *text, char *v, const char **why) {
  const char *const wrong = es_home_expand(text, v, ES_STRING_MAX);
  if (text[0] == '~') *why = wrong;
  return wrong == NULL;
}

static bool parse(const es_param *row, const char *text, void *field, const char **why) {
  switch (row->type) {
  case ES_P_INT:
    return parse_int(row, text, field);
  case ES_P_DOUBLE:
    return parse_double(row, text, field);
  case ES_P_BOOL:
    return parse_bool(text, field);
  case ES_P_STRING:
    return parse_string(text, field, why);
  case ES_P_CHOICE:
    return parse_choice(row->choices, text, field);
  case ES_P_LIST:
    return parse_list(row, text, field);
  }
  return false;
}

/** "; did you mean 'batch'?" for a misspelt choice, else nothing. */
static void suggest(const es_param *row, const char *text, char *out, size_t size) {
  char choices[EXPECTED_SIZE];
  const char *names[CHOICES_MAX];
  size_t n = 0;
  out[0] = '\0';
  if (row->type != ES_P_CHOICE) return;
  snprintf(choices, sizeof choices, "%s", row->choices);
  for (char *c = choices; c != NULL && n < CHOICES_MAX;) {
    char *bar = strchr(c, '|');
    if (bar != NULL) *bar = '\0';
    names[n++] = c;
    c = bar != NULL ? bar + 1 : NULL;
  }
  const char *near = es_nearest(text, names, n);
  if (near != NULL) snprintf(out, size, "; did you mean '%s'?", near);
}

es_status es_param_parse(const char *section, const es_param *row, const char *text,
                         void *field) {
  return es_param_parse_at("", section, row, text, field);
}

es_status es_param_parse_at(const char *where, const char *section, const es_param *row,
                            const char *text, void *field) {
  const char *why = NULL;
  if (parse(row, text, field, &why)) return ES_OK;
  char expected[EXPECTED_SIZE + 32], hint[96];
  es_param_expected(row, expected, sizeof expected);
  suggest(row, text, hint, sizeof hint);
  const bool number = row->type == ES_P_INT || row->type == ES_P_DOUBLE;
  const char *quote = number && *text != '\0' ? "" : "'";
  const size_t doc = strlen(row->doc);
  const bool stop = doc > 0 && row->doc[doc - 1] == '.';
  es_error("%s%s.%s: got %s%.200s%s, %s%s (%.*s)%s", where, section, row->name, quote,
           text, quote, why != NULL ? "" : "expected ", why != NULL ? why : expected,
           (int) (doc - stop), row->doc, hint);
  return ES_ECONFIG;
}
