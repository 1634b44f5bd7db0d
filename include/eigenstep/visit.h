/* SPDX-License-Identifier: BSD-3-Clause */
/** @file visit.h  The state visitor: one traversal of an object's persistent state that
 *  saves, loads, sizes or compares it, so that writing and reading cannot diverge.
 *  Whether a traversal is collective depends on its visitor. */
#ifndef ES_VISIT_H
#define ES_VISIT_H

#include <stdint.h>
#include "eigenstep/status.h"

typedef enum es_item_type { ES_ITEM_F32, ES_ITEM_F64, ES_ITEM_I64 } es_item_type;

/** One named array, replicated on all ranks. Names may contain '/'. */
typedef struct es_item {
  const char *name; /**< e.g. "params/layer1.0.conv1.weight" */
  es_item_type type;
  int ndim;
  int64_t dim[4];
  void *data; /**< host memory; read when saving, written when loading */
} es_item;

typedef struct es_visitor es_visitor;
struct es_visitor {
  es_status (*item)(es_visitor *v, es_item *item); /**< not ES_OK: ends the traversal */
  int loading; /**< 1: item writes into data; device memory is uploaded afterwards */
  void *ctx;
};

/** Bytes of one element. */
int64_t es_item_size(es_item_type t);
/** Number of elements. */
int64_t es_item_count(const es_item *item);
/** FNV-1a (Fowler, Noll, Vo) of the data over little-endian 64-bit words, the last one
 *  padded with zeros. */
int64_t es_item_hash(const es_item *item);
/** The same of any bytes. */
int64_t es_words_hash(const void *data, int64_t bytes);

#endif
