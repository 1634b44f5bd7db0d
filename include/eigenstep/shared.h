/* SPDX-License-Identifier: BSD-3-Clause */
/** @file shared.h  Memory that all ranks of a node read and write directly.
 *
 *  Accesses are not synchronised here: the users do that (reduction.h). */
#ifndef ES_SHARED_H
#define ES_SHARED_H

#include "eigenstep/comm.h"

typedef struct es_shared {
  int parts;
  size_t bytes; /**< of each part */
  void **part;  /**< owned [parts] addresses in this process, 64-byte aligned */
  void *map;    /* owned mapping of all parts; NULL on a node of one rank, where the part
                   is counted memory */
  size_t mapped;
} es_shared;

/** Collective. Zeroed memory on every node.
 *  @param bytes     size of a part
 *  @param per_rank  true: a part for each rank, part[r] for node rank r; false: one part
 *  @param what      name of the data, for messages
 *  @param s         NULL if a node lacks shared memory (/dev/shm); rank 0 warns
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_shared_create(const es_comm *c, size_t bytes, bool per_rank,
                           const char *what, es_shared **s);
/** Not collective. Unmap the memory on this rank; other ranks keep their mapping. */
void es_shared_destroy(es_shared **s);

#endif
