/* SPDX-License-Identifier: BSD-3-Clause */
/** @file base_change.c  Compare two texts of a base file by their parameters. */
#include "base_change.h"

#include <stdio.h>
#include <string.h>

enum { NAMED = 4 };

/* What differs between two configurations, as they are visited. */
typedef struct difference {
  const es_job *job;
  const es_config *other;
  int n;
  char text[600]; /**< of the first few */
} difference;

/* One key of the other configuration, looked for. */
typedef struct wanted {
  const char *key;
  es_string value;
} wanted;

static void look(void *ctx, const char *key, const char *value) {
  wanted *const w = ctx;
  if (strcmp(w->key, key) == 0) snprintf(w->value, sizeof w->value, "%s", value);
}

static void compare(void *ctx, const char *key, const char *value) {
  difference *const d = ctx;
  const es_section *const s = d->job->section;
  const size_t n = d->job->sections, used = strlen(d->text);
  wanted w = {.key = key};
  es_string was, is;
  if (strncmp(key, "output.", 7) == 0) return;
  es_config_each(d->other, s, n, look, &w);
  es_config_canonical(key, value, s, n, is);
  es_config_canonical(key, w.value, s, n, was);
  if (strcmp(was, is) == 0) return;
  if (d->n++ < NAMED)
    snprintf(d->text + used, sizeof d->text - used, "%s%s is %.40s, was %.40s",
             used > 0 ? "; " : "", key, is, was);
}

es_status es_base_check(const es_job *job, const char *path, const char *then,
                        const char *now) {
  es_config *a = NULL, *b = NULL;
  difference d = {.job = job};
  es_status st = es_config_create(&a);
  if (st == ES_OK) st = es_config_create(&b);
  if (st == ES_OK) st = es_config_read_text(a, then, "base.ini of the sweep's folder");
  if (st == ES_OK) st = es_config_read_text(b, now, path);
  d.other = a;
  if (st == ES_OK) es_config_each(b, job->section, job->sections, compare, &d);
  if (st == ES_OK && d.n > 0) {
    es_error("the base file '%s' has changed since the sweep began: %s%s; expected the "
             "same parameters, or --accept to go on with the present ones",
             path, d.text, d.n > NAMED ? "; ..." : "");
    st = ES_ECONFIG;
  }
  es_config_destroy(&b);
  es_config_destroy(&a);
  return st;
}
