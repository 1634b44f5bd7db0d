/* SPDX-License-Identifier: BSD-3-Clause */
/** @file shared.h  Memory that all ranks of a node follow with plain addresses.
 *
 *  No rank is told when another writes: who shares memory also agrees on when
 *  (reduction.h). */
#ifndef ES_SHARED_H
#define ES_SHARED_H

#include "eigenstep/comm.h"

typedef struct es_shared {
  int parts;
  size_t bytes; /**< of each part */
  void **part;  /**< owned [parts] addresses in this process, 64-byte aligned */
  void *map;    /* owned mapping of all parts; NULL where one rank is the node, and the
                   part is counted memory */
  size_t mapped;
} es_shared;

/** Collective. Zeroed memory on every node: a part for each of its ranks (`each`,
 *  part[r] is node rank r's), or one part for all.
 *  @param s  NULL where a node has no room (/dev/shm): a warning of rank 0 says so
 *  @return ES_OK, ES_ENOMEM: same on all ranks */
es_status es_shared_create(const es_comm *c, size_t bytes, bool each, const char *what,
                           es_shared **s);
/** Not collective: others keep theirs. */
void es_shared_destroy(es_shared **s);

#endif
