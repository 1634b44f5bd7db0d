/* SPDX-License-Identifier: BSD-3-Clause */
/** @file words.c  A list of strings that grows. */
#include "words.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"

static es_status reserve(es_words *w) {
  char **wider = NULL;
  if (w->n < w->room) return ES_OK;
  const int room = 2 * w->room + 8;
  ES_TRY(ES_NEW(room, &wider));
  if (w->n > 0) memcpy(wider, w->word, (size_t) w->n * sizeof *wider);
  es_free(&w->word);
  w->word = wider;
  w->room = room;
  return ES_OK;
}

es_status es_words_add(es_words *w, const char *text) {
  ES_TRY(reserve(w));
  ES_TRY(es_strdup(text, &w->word[w->n]));
  w->n++;
  return ES_OK;
}

es_status es_words_assign(es_words *w, const char *key, const char *value) {
  const size_t size = strlen(key) + strlen(value) + 2;
  ES_TRY(reserve(w));
  ES_TRY(es_alloc(size, "assignment", (void **) &w->word[w->n]));
  snprintf(w->word[w->n], size, "%s=%s", key, value);
  w->n++;
  return ES_OK;
}

void es_words_free(es_words *w) {
  for (int i = 0; i < w->n; i++) es_free(&w->word[i]);
  es_free(&w->word);
  w->n = w->room = 0;
}
