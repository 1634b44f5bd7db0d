/* SPDX-License-Identifier: BSD-3-Clause */
/** @file axis.c  Axes from lines of text, seeds and tables. */
#include "axis.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 4096, MOST_SEEDS = 100000 };

/* text[0 .. n) without blanks at both ends. */
static es_status copy_trimmed(const char *text, size_t n, char out[TEXT]) {
  while (n > 0 && isspace((unsigned char) *text)) text++, n--;
  while (n > 0 && isspace((unsigned char) text[n - 1])) n--;
  ES_CHECK(n < TEXT, ES_ECONFIG,
           "sweep: got an item of %zu characters, expected fewer than %d", n, TEXT);
  memcpy(out, text, n);
  out[n] = '\0';
  return ES_OK;
}

/* The length of the item at text: up to a comma outside all parentheses, or the end; -1:
 * parentheses do not match. */
static ptrdiff_t item_length(const char *text) {
  int depth = 0;
  ptrdiff_t n = 0;
  for (; text[n] != '\0' && (text[n] != ',' || depth > 0); n++) {
    depth += (text[n] == '(') - (text[n] == ')');
    if (depth < 0) return -1;
  }
  return depth == 0 ? n : -1;
}

/* Remove one pair of parentheses around the whole text. @return was there one? */
static bool unwrap(char *text) {
  const size_t n = strlen(text);
  int depth = 0;
  if (text[0] != '(') return false;
  for (size_t i = 0; i < n; i++) {
    depth += (text[i] == '(') - (text[i] == ')');
    if (depth == 0 && i + 1 < n) return false;
  }
  char inner[TEXT];
  if (copy_trimmed(text + 1, n - 2, inner) != ES_OK) return false;
  memcpy(text, inner, strlen(inner) + 1);
  return true;
}

/* Items between the commas outside all parentheses, none of them empty. */
static es_status split(const char *text, const char *what, const char *origin,
                       es_words *out) {
  char item[TEXT];
  for (bool more = true; more;) {
    const ptrdiff_t n = item_length(text);
    ES_CHECK(n >= 0, ES_ECONFIG,
             "%s: %s: got '%.80s' whose parentheses do not match, expected pairs of them",
             origin, what, text);
    ES_TRY(copy_trimmed(text, (size_t) n, item));
    ES_CHECK(item[0] != '\0', ES_ECONFIG,
             "%s: %s: got an empty value, expected values between commas", origin, what);
    ES_TRY(es_words_add(out, item));
    more = text[n] == ',';
    text += n + 1;
  }
  return ES_OK;
}

/* One point of an axis of several keys: "(a, b)". */
static es_status add_tuple(const char *text, const char *what, const char *origin,
                           es_axis *a) {
  char inner[TEXT], part[TEXT];
  es_words parts = {0};
  snprintf(inner, sizeof inner, "%s", text);
  ES_CHECK(unwrap(inner), ES_ECONFIG,
           "%s: %s: got '%.80s', expected %d values in parentheses for each point",
           origin, what, text, a->key.n);
  es_status st = split(inner, what, origin, &parts);
  if (st == ES_OK && parts.n != a->key.n) {
    es_error("%s: %s: got '%.80s' of %d values, expected %d, one for each parameter",
             origin, what, text, parts.n, a->key.n);
    st = ES_ECONFIG;
  }
  for (int k = 0; k < parts.n && st == ES_OK; k++) {
    snprintf(part, sizeof part, "%s", parts.word[k]);
    unwrap(part);
    st = es_words_add(&a->value, part);
  }
  es_words_free(&parts);
  return st;
}

static es_status add_points(const char *keys, const char *values, const char *origin,
                            es_axis *a) {
  es_words items = {0};
  char one[TEXT];
  es_status st = split(values, keys, origin, &items);
  for (int i = 0; i < items.n && st == ES_OK; i++) {
    if (a->key.n > 1) {
      st = add_tuple(items.word[i], keys, origin, a);
    } else {
      snprintf(one, sizeof one, "%s", items.word[i]);
      unwrap(one);
      st = es_words_add(&a->value, one);
    }
  }
  a->points = items.n;
  es_words_free(&items);
  return st;
}

es_status es_axis_parse(const char *keys, const char *values, const char *origin,
                        es_axis *a) {
  ES_CHECK(values[strspn(values, " \t")] != '\0', ES_ECONFIG,
           "%s: axis %s: got no value, expected at least one", origin, keys);
  es_status st = split(keys, keys, origin, &a->key);
  if (st == ES_OK) st = add_points(keys, values, origin, a);
  if (st != ES_OK) es_axis_free(a);
  return st;
}

static bool read_seed(const char *text, char **end, long long *seed) {
  errno = 0;
  *seed = strtoll(text, end, 10);
  return *end != text && errno == 0 && *seed >= 0;
}

/* "3", or "1:5": all from 1 to 5. */
static es_status add_seeds(const char *item, const char *origin, es_axis *a) {
  long long first = 0, last = 0;
  char *end = NULL, text[32];
  bool good = read_seed(item, &end, &first);
  last = first;
  if (good && *end == ':') good = read_seed(end + 1, &end, &last);
  good = good && *end == '\0' && last >= first && last - first < MOST_SEEDS;
  ES_CHECK(good, ES_ECONFIG,
           "%s: sweep.seeds: got '%.80s', expected seeds such as 1:5 or 1, 4, 7", origin,
           item);
  for (long long s = first; s <= last; s++, a->points++) {
    snprintf(text, sizeof text, "%lld", s);
    ES_TRY(es_words_add(&a->value, text));
  }
  return ES_OK;
}

es_status es_axis_seeds(const char *text, const char *origin, es_axis *a) {
  es_words items = {0};
  es_status st = split(text, "sweep.seeds", origin, &items);
  if (st == ES_OK) st = es_words_add(&a->key, "run.seed");
  for (int i = 0; i < items.n && st == ES_OK; i++)
    st = add_seeds(items.word[i], origin, a);
  es_words_free(&items);
  if (st != ES_OK) es_axis_free(a);
  return st;
}

/* The cells of a line, separated by tabs. */
static es_status add_cells(const char *line, size_t n, es_words *out) {
  char cell[TEXT];
  for (size_t at = 0; at <= n;) {
    size_t length = 0;
    while (at + length < n && line[at + length] != '\t') length++;
    ES_TRY(copy_trimmed(line + at, length, cell));
    ES_TRY(es_words_add(out, cell));
    at += length + 1;
  }
  return ES_OK;
}

static es_status read_table(const char *text, const char *origin, es_axis *a) {
  for (int number = 1; *text != '\0'; number++) {
    const size_t n = strcspn(text, "\r\n"), blank = strspn(text, " \t");
    const char *const line = text;
    text += n + strspn(text + n, "\r");
    text += *text == '\n';
    if (blank >= n || line[blank] == '#') continue;
    const bool head = a->key.n == 0;
    es_words *const cells = head ? &a->key : &a->value;
    const int before = cells->n;
    ES_TRY(add_cells(line, n, cells));
    a->points += !head;
    ES_CHECK(
        head || cells->n - before == a->key.n, ES_ECONFIG,
        "%s:%d: got %d values, expected %d separated by tabs, as in the line of keys",
        origin, number, cells->n - before, a->key.n);
  }
  ES_CHECK(a->points > 0, ES_ECONFIG,
           "%s: got no values, expected a line of keys and a line for each run", origin);
  return ES_OK;
}

es_status es_axis_table(const char *text, const char *origin, es_axis *a) {
  const es_status st = read_table(text, origin, a);
  if (st != ES_OK) es_axis_free(a);
  return st;
}

void es_axis_free(es_axis *a) {
  es_words_free(&a->key);
  es_words_free(&a->value);
  a->points = 0;
}
