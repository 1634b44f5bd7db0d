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
  size_t mapped, charged; /* bytes mapped; of these counted as this rank's (mem.h) */
} es_shared;

/** Memory asked for. */
typedef struct es_shared_request {
  size_t bytes;  /**< of a part */
  bool per_rank; /**< a part for each rank, part[r] for node rank r; else one part */
} es_shared_request;

/** Collective. Zeroed memory on every node, all that is wanted or none: its pages are
 *  reserved now, so that a full /dev/shm is found here and not in the middle of a run.
 *  @param want  [n]
 *  @param what  name of the data, for the warning
 *  @param s     [n]; all NULL if a node lacks shared memory: rank 0 warns
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_shared_create(const es_comm *c, const es_shared_request *want, int n,
                           const char *what, es_shared **s);
/** Not collective. Bytes of /dev/shm that a node of `ranks` ranks needs for it: 0 for one
 *  rank, which takes counted memory. */
double es_shared_bytes(const es_shared_request *want, int n, int ranks);
/** Not collective. Bytes free in /dev/shm of this node; -1 where that is not known. */
double es_shared_room(void);
/** Not collective. Unmap the memory on this rank; other ranks keep their mapping. */
void es_shared_destroy(es_shared **s);

#endif
