/* SPDX-License-Identifier: BSD-3-Clause */
/** @file arena.c  First fit in a list of blocks; arena.h. */
#include "arena.h"

#include "eigenstep/mem.h"

es_status es_arena_open(int most, es_arena *a) {
  *a = (es_arena){0};
  return ES_NEW(most, &a->block);
}

void es_arena_close(es_arena *a) {
  es_free(&a->block);
}

size_t es_arena_take(es_arena *a, size_t bytes) {
  size_t at = 0;
  int i = 0;
  for (; i < a->n && a->block[i].at < at + bytes; i++)
    at = a->block[i].at + a->block[i].bytes;
  for (int j = a->n; j > i; j--) a->block[j] = a->block[j - 1];
  a->block[i] = (es_arena_block){at, bytes};
  a->n++;
  if (at + bytes > a->bytes) a->bytes = at + bytes;
  return at;
}

void es_arena_give(es_arena *a, size_t at) {
  int kept = 0;
  for (int i = 0; i < a->n; i++)
    if (a->block[i].at != at) a->block[kept++] = a->block[i];
  a->n = kept;
}
