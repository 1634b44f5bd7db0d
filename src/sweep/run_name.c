/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_name.c  Readable names of a sweep's runs. */
#include "run_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"

enum {
  NAME = 180,
  VALUE = 48
}; /* file systems take 255 bytes, with "-ID" and ".state" */

static const char *last_part(const char *key) {
  const char *const dot = strrchr(key, '.');
  return dot != NULL ? dot + 1 : key;
}

const char *es_sweep_short_key(const es_words *keys, int k) {
  const char *const mine = last_part(keys->word[k]);
  for (int i = 0; i < keys->n; i++)
    if (i != k && strcmp(last_part(keys->word[i]), mine) == 0) return keys->word[k];
  return mine;
}

static bool is_plain(char c) {
  return isalnum((unsigned char) c) || c == '.' || c == '+' || c == '-';
}

es_status es_sweep_name(const es_words *varied, const es_words *value, char **name) {
  char text[NAME + 1] = "";
  size_t used = 0;
  for (int k = 0; k < varied->n && used < sizeof text; k++) {
    char plain[VALUE + 1];
    snprintf(plain, sizeof plain, "%s", value->word[k]);
    for (char *c = plain; *c != '\0'; c++)
      if (!is_plain(*c)) *c = '-';
    used += (size_t) snprintf(text + used, sizeof text - used, "%s%s=%s",
                              k > 0 ? "_" : "", es_sweep_short_key(varied, k), plain);
  }
  return es_strdup(varied->n > 0 ? text : "run", name);
}

es_status es_sweep_name_extend(const char *id, char **name) {
  char *longer = NULL;
  const size_t size = strlen(*name) + 10;
  ES_TRY(es_alloc(size, "name of a run", (void **) &longer));
  snprintf(longer, size, "%s-%.8s", *name, id);
  es_free(name);
  *name = longer;
  return ES_OK;
}
