/* SPDX-License-Identifier: BSD-3-Clause */
/** @file condition.c  Parse and evaluate comparisons joined by `and` and `or`. */
#include "condition.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *at) {
  while (isspace((unsigned char) *at)) at++;
  return at;
}

static bool is_operator(char c) {
  return c == '=' || c == '!' || c == '<' || c == '>';
}

/* A word up to a blank (but for blanks after a comma) or an operator, or a text in double
 * quotes. */
static const char *take_word(const char *at, char *out, size_t size) {
  size_t n = 0;
  const bool quoted = *at == '"';
  at += quoted;
  while (*at != '\0' &&
         (quoted ? *at != '"' : !isspace((unsigned char) *at) && !is_operator(*at))) {
    if (n + 1 == size) return NULL;
    out[n++] = *at++;
    if (!quoted && out[n - 1] == ',') at = skip_blanks(at);
  }
  out[n] = '\0';
  if (quoted && *at++ != '"') return NULL;
  return quoted || n > 0 ? at : NULL;
}

static const char *take_operator(const char *at, char op[3]) {
  static const char *const known[] = {"==", "!=", "<=", ">=", "=", "<", ">"};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    const size_t n = strlen(known[i]);
    if (strncmp(at, known[i], n) != 0 || is_operator(at[n])) continue;
    snprintf(op, 3, "%s", strcmp(known[i], "==") == 0 ? "=" : known[i]);
    return at + n;
  }
  return NULL;
}

/* One comparison; NULL: there is none. */
static const char *take_comparison(const char *at, es_comparison *t) {
  at = take_word(at, t->key, sizeof t->key);
  if (at == NULL) return NULL;
  at = take_operator(skip_blanks(at), t->op);
  return at != NULL ? take_word(skip_blanks(at), t->value, sizeof t->value) : NULL;
}

/* `and` or `or`; NULL: neither. */
static const char *take_joint(const char *at, bool *is_or) {
  *is_or = strncmp(at, "or", 2) == 0;
  const size_t n = *is_or ? 2 : 3;
  if (!*is_or && strncmp(at, "and", 3) != 0) return NULL;
  return isspace((unsigned char) at[n]) ? skip_blanks(at + n) : NULL;
}

static bool is_number(const char *text, double *v) {
  char *end;
  *v = strtod(text, &end);
  return end != text && *end == '\0';
}

static es_status check_order(const es_comparison *t, const char *what) {
  double v;
  const bool order = t->op[0] == '<' || t->op[0] == '>';
  ES_CHECK(!order || is_number(t->value, &v), ES_ECONFIG,
           "%s: got %s %s '%s', expected a number after %s", what, t->key, t->op,
           t->value, t->op);
  return ES_OK;
}

es_status es_condition_parse(const char *text, const char *what, es_condition *c) {
  const char *at = skip_blanks(text);
  bool is_or = false;
  c->n = 0;
  while (*at != '\0') {
    ES_CHECK(c->n < ES_CONDITION_MOST, ES_ECONFIG,
             "%s: got more than %d comparisons, expected fewer", what, ES_CONDITION_MOST);
    es_comparison *const t = &c->term[c->n++];
    const char *const start = at;
    at = take_comparison(at, t);
    ES_CHECK(at != NULL, ES_ECONFIG,
             "%s: got '%.80s', expected KEY OP VALUE with OP one of = != < <= > >=", what,
             start);
    t->or_before = is_or;
    ES_TRY(check_order(t, what));
    at = skip_blanks(at);
    if (*at == '\0') break;
    const char *const joint = at;
    at = take_joint(at, &is_or);
    ES_CHECK(at != NULL && *at != '\0', ES_ECONFIG,
             "%s: got '%.80s', expected 'and' or 'or' and another comparison", what,
             joint);
  }
  return ES_OK;
}

static bool compare(const es_comparison *t, const char *got) {
  double a, b;
  if (got == NULL) return false;
  const bool numbers = is_number(got, &a) && is_number(t->value, &b);
  if (strcmp(t->op, "=") == 0) return numbers ? a == b : strcmp(got, t->value) == 0;
  if (strcmp(t->op, "!=") == 0) return numbers ? a != b : strcmp(got, t->value) != 0;
  if (!numbers) return false;
  const bool equal = t->op[1] == '=' && a == b;
  return equal || (t->op[0] == '<' ? a < b : a > b);
}

bool es_condition_holds(const es_condition *c,
                        const char *(*value)(void *ctx, const char *key), void *ctx) {
  bool all = c->n > 0; /* of the comparisons since the last `or` */
  for (int i = 0; i < c->n; i++) {
    const es_comparison *const t = &c->term[i];
    if (t->or_before && all) return true;
    if (t->or_before) all = true;
    all = all && compare(t, value(ctx, t->key));
  }
  return all;
}
