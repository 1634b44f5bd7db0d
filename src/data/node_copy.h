/* SPDX-License-Identifier: BSD-3-Clause */
/** @file node_copy.h  What rank 0 has read, once in the memory of each node. */
#ifndef ES_NODE_COPY_H
#define ES_NODE_COPY_H

#include "eigenstep/shared.h"

typedef struct es_node_copy {
  void *bytes; /**< [size] 64-byte aligned, read-only but on rank 0 before it is sent */
  size_t size;
  es_shared *shared; /* owned; NULL: the node lacks shared memory, so `own` is used */
  void *own;
} es_node_copy;

/** Collective. Memory for rank 0 to fill. @return ES_OK, ES_ENOMEM: the same on all
 *  ranks */
es_status es_node_copy_create(const es_comm *c, size_t bytes, const char *what,
                              es_node_copy *k);
/** Collective. Rank 0's bytes for all ranks. */
void es_node_copy_send(const es_comm *c, const es_node_copy *k);
/** Not collective. */
void es_node_copy_free(es_node_copy *k);

#endif
