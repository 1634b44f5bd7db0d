/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cadence.c  One rule for everything that happens every so often. */
#include "eigenstep/cadence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/param.h"

static bool parse_step(const char *text, int64_t *v) {
  char *end = NULL;
  errno = 0;
  const long long x = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || x < 0) return false;
  *v = x;
  return true;
}

es_status es_cadence_parse(const char *text, const char *key, es_cadence *c) {
  enum { MAX = sizeof c->list / sizeof c->list[0] };
  char item[MAX][64];
  size_t n = 0;
  es_cadence out = {0, 0, {0}};
  if (strcmp(text, "log2") == 0) {
    out.every = -1;
    *c = out;
    return ES_OK;
  }
  ES_TRY(es_split(text, MAX, item, &n));
  ES_CHECK(n >= 1, ES_ECONFIG, "%s: got nothing, expected a number, 'log2' or a list",
           key);
  for (size_t i = 0; i < n; i++) {
    ES_CHECK(parse_step(item[i], &out.list[i]), ES_ECONFIG,
             "%s: got '%s', expected a number of steps >= 0, 'log2' or a list like "
             "'0, 10, 100'",
             key, item[i]);
  }
  if (n == 1) out.every = out.list[0];
  if (n > 1) out.n = (int) n;
  *c = out;
  return ES_OK;
}

bool es_cadence_due(const es_cadence *c, int64_t step) {
  if (c->every > 0) return step % c->every == 0;
  if (c->every < 0) return (step & (step - 1)) == 0;
  for (int i = 0; i < c->n; i++) {
    if (c->list[i] == step) return true;
  }
  return false;
}

int64_t es_cadence_count(const es_cadence *c, int64_t steps) {
  if (c->every > 0) return steps / c->every + 1;
  int64_t count = 0;
  if (c->every < 0) {
    for (int64_t s = 1; s <= steps; s *= 2) count++;
    return count + 1;
  }
  for (int i = 0; i < c->n; i++) count += c->list[i] <= steps;
  return count;
}
