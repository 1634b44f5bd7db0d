/* SPDX-License-Identifier: BSD-3-Clause */
/** @file visit.c  Sizes and hashes of the items of a state visitor. */
#include "eigenstep/visit.h"

#include <string.h>

int64_t es_item_size(es_item_type t) {
  return t == ES_ITEM_F32 ? 4 : 8;
}

int64_t es_item_count(const es_item *item) {
  int64_t n = 1;
  for (int i = 0; i < item->ndim; i++) n *= item->dim[i];
  return n;
}

int64_t es_words_hash(const void *data, int64_t bytes) {
  uint64_t h = 14695981039346656037u;
  const char *p = data;
  for (int64_t i = 0; i < bytes; i += 8) {
    uint64_t word = 0;
    memcpy(&word, p + i, bytes - i < 8 ? (size_t) (bytes - i) : 8);
    h = (h ^ word) * 1099511628211u;
    h ^= h >> 32; /* words are wider than bytes: mix high bits into low ones */
  }
  return (int64_t) h;
}

int64_t es_item_hash(const es_item *item) {
  return es_words_hash(item->data, es_item_count(item) * es_item_size(item->type));
}
