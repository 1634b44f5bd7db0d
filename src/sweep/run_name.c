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

/* "lr" of optim.lr, but "loss" of loss.name. */
static void last_part(const char *key, char out[VALUE]) {
  const char *const dot = strrchr(key, '.');
  const bool name = dot != NULL && strcmp(dot, ".name") == 0;
  snprintf(out, VALUE, "%.*s", name ? (int) (dot - key) : VALUE,
           name || dot == NULL ? key : dot + 1);
}

/* The short key, or the whole one where two keys end alike. */
static void shorten(const es_words *keys, int k, char out[VALUE]) {
  char other[VALUE];
  last_part(keys->word[k], out);
  for (int i = 0; i < keys->n; i++) {
    last_part(keys->word[i], other);
    if (i == k || strcmp(other, out) != 0) continue;
    snprintf(out, VALUE, "%s", keys->word[k]);
    return;
  }
}

static bool is_plain(char c) {
  return isalnum((unsigned char) c) || c == '.' || c == '+' || c == '-';
}

es_status es_sweep_name(const es_words *varied, const es_words *value, char **name) {
  char text[NAME + 1] = "";
  size_t used = 0;
  for (int k = 0; k < varied->n && used < sizeof text; k++) {
    char plain[VALUE], key[VALUE];
    shorten(varied, k, key);
    snprintf(plain, sizeof plain, "%s", value->word[k]);
    for (char *c = plain; *c != '\0'; c++)
      if (!is_plain(*c)) *c = '-';
    used += (size_t) snprintf(text + used, sizeof text - used, "%s%s=%s",
                              k > 0 ? "_" : "", key, plain);
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
