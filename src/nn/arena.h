/* SPDX-License-Identifier: BSD-3-Clause */
/** @file arena.h  Planning an arena: blocks are allocated and freed, each in the first
 *  gap that is large enough. No memory is touched: the results are offsets and a size. */
#ifndef ES_NN_ARENA_H
#define ES_NN_ARENA_H

#include <stddef.h>
#include "eigenstep/status.h"

/** A part in use. */
typedef struct es_arena_block {
  size_t at, bytes;
} es_arena_block;

typedef struct es_arena {
  es_arena_block *block; /* owned, in the order of `at` */
  int n;
  size_t bytes; /**< the most that was ever in use, gaps included */
} es_arena;

/** Room for at most `most` blocks at a time. */
es_status es_arena_open(int most, es_arena *a);
void es_arena_close(es_arena *a);
/** Offset of a new block of so many bytes, > 0. */
size_t es_arena_take(es_arena *a, size_t bytes);
/** The block at this offset is free again. */
void es_arena_give(es_arena *a, size_t at);

#endif
