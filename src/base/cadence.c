/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cadence.c  Parse and evaluate the steps at which an action is due. */
#include "eigenstep/cadence.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/param.h"

/* Parse the integer at the start of *text and advance *text past it. */
static bool parse_number(const char **text, int64_t *v) {
  char *end = NULL;
  if (!isdigit((unsigned char) **text)) return false;
  errno = 0;
  *v = strtoll(*text, &end, 10);
  *text = end;
  return errno == 0;
}

/* Parse STEP, FIRST:EVERY or FIRST:EVERY:LAST. */
static bool parse_range(const char *text, es_cadence_range *r) {
  if (!parse_number(&text, &r->first)) return false;
  *r = (es_cadence_range){r->first, 1, r->first};
  if (*text == '\0') return true;
  if (*text++ != ':' || !parse_number(&text, &r->every) || r->every < 1) return false;
  r->last = INT64_MAX;
  if (*text == '\0') return true;
  return *text++ == ':' && parse_number(&text, &r->last) && *text == '\0' &&
         r->last >= r->first;
}

es_status es_cadence_parse(const char *text, const char *key, es_cadence *c) {
  enum { MAX = sizeof c->range / sizeof c->range[0] };
  char item[MAX][64];
  size_t n = 0;
  es_cadence out = {.log2 = strcmp(text, "log2") == 0};
  if (!out.log2) {
    ES_TRY(es_split(key, text, MAX, item, &n));
    ES_CHECK(n >= 1, ES_ECONFIG, "%s: got nothing, expected a number, 'log2' or a list",
             key);
  }
  for (size_t i = 0; i < n; i++) {
    es_cadence_range *const r = &out.range[i];
    ES_CHECK(parse_range(item[i], r), ES_ECONFIG,
             "%s: got '%s', expected a number of steps >= 0, 'log2' or a list like "
             "'0, 10, 100' or '0:2:20, 30:10' (FIRST:EVERY:LAST)",
             key, item[i]);
    ES_CHECK(i == 0 || r->first > out.range[i - 1].last, ES_ECONFIG,
             "%s: got '%s' after '%s', expected ascending steps and ranges that do not "
             "overlap",
             key, item[i], item[i - 1]);
  }
  out.n = (int) n;
  if (n == 1 &&
      strchr(item[0], ':') == NULL) { /* a single number N means 0, N, 2N, ... */
    const int64_t every = out.range[0].first;
    out.range[0] = (es_cadence_range){0, every, INT64_MAX};
    out.n = every > 0;
  }
  *c = out;
  return ES_OK;
}

bool es_cadence_due(const es_cadence *c, int64_t step) {
  if (c->log2) return (step & (step - 1)) == 0;
  for (int i = 0; i < c->n; i++) {
    const es_cadence_range *const r = &c->range[i];
    if (step >= r->first && step <= r->last && (step - r->first) % r->every == 0)
      return true;
  }
  return false;
}

int64_t es_cadence_count(const es_cadence *c, int64_t steps) {
  int64_t count = c->log2;
  for (int64_t s = 1; c->log2 && s <= steps; s *= 2) count++;
  for (int i = 0; i < c->n; i++) {
    const es_cadence_range *const r = &c->range[i];
    const int64_t last = r->last < steps ? r->last : steps;
    if (last >= r->first) count += (last - r->first) / r->every + 1;
  }
  return count;
}
