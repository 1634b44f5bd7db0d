/* SPDX-License-Identifier: BSD-3-Clause */
/** @file provenance_facts.c  A growing list of provenance facts (key, value), and its
 *  broadcast from rank 0. */
#include "provenance_private.h"

#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/collective_error.h"

static es_status add_text(es_facts *l, const char *text) {
  const int64_t bytes = (int64_t) strlen(text) + 1;
  if (l->used + bytes > l->room) {
    char *more = NULL;
    const int64_t room = 2 * (l->used + bytes) + 4096;
    ES_TRY(es_alloc((size_t) room, "facts", (void **) &more));
    if (l->used) memcpy(more, l->text, (size_t) l->used);
    es_free(&l->text);
    l->text = more;
    l->room = room;
  }
  memcpy(l->text + l->used, text, (size_t) bytes);
  l->used += bytes;
  return ES_OK;
}

es_status es_facts_add(es_facts *l, const char *key, const char *value) {
  ES_TRY(add_text(l, key));
  return add_text(l, value);
}

es_status es_facts_share(es_facts *l, const es_comm *c) {
  int64_t used = l->used;
  es_collective_error n = {0};
  es_comm_bcast(c, &used, sizeof used, 0);
  if (c->rank != 0) {
    es_facts_clear(l);
    if (es_alloc((size_t) used, "facts", (void **) &l->text) != ES_OK) {
      es_collective_error_set(&n, ES_ENOMEM,
                              "out of memory while sharing provenance facts");
    }
    l->used = l->room = used;
  }
  const es_status st = es_collective_error_agree(c, &n);
  if (st == ES_OK) es_comm_bcast(c, l->text, (size_t) used, 0);
  return st;
}

const char *es_facts_next(const es_facts *l, const char *key, const char **value) {
  const char *next = l->text;
  if (key) next = *value + strlen(*value) + 1;
  if (!next || next >= l->text + l->used) return NULL;
  *value = next + strlen(next) + 1;
  return next;
}

void es_facts_print(const es_facts *l, FILE *out) {
  const char *value = NULL;
  for (const char *key = es_facts_next(l, NULL, &value); key;
       key = es_facts_next(l, key, &value)) {
    fprintf(out, "%-14s %s\n", key, value);
  }
}

void es_facts_clear(es_facts *l) {
  es_free(&l->text);
  *l = (es_facts){0};
}
