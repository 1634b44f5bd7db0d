/* SPDX-License-Identifier: BSD-3-Clause */
/** @file words.h  A list of strings that grows. Not collective. */
#ifndef ES_SWEEP_WORDS_H
#define ES_SWEEP_WORDS_H

#include "eigenstep/status.h"

/** All zero: empty. Owned. */
typedef struct es_words {
  int n, room;
  char **word; /**< [n] */
} es_words;

/** Append a copy of the text. @return ES_OK, ES_ENOMEM */
es_status es_words_add(es_words *w, const char *text);
/** Append "key=value". */
es_status es_words_assign(es_words *w, const char *key, const char *value);
void es_words_free(es_words *w);

#endif
