/* SPDX-License-Identifier: BSD-3-Clause */
/** @file node_copy.c  What rank 0 has read, once in the memory of each node. */
#include "node_copy.h"

#include "eigenstep/mem.h"

/** Every rank holds all of it: what that takes. */
static void warn_of_copies(const es_comm *c, size_t bytes, const char *what) {
  es_warn("%s: /dev/shm of some node has less than twice its %.3g MB free, so that each "
          "of the %d ranks of a node holds all of it, %.3g MB together; enlarge /dev/shm "
          "or start fewer ranks on a node",
          what, 1e-6 * (double) bytes, c->node_size,
          1e-6 * (double) bytes * c->node_size);
}

es_status es_node_copy_create(const es_comm *c, size_t bytes, const char *what,
                              es_node_copy *k) {
  const es_shared_request want = {.bytes = bytes};
  es_node_copy new = {.size = bytes};
  /* half of the room at most: training shares its parameters there */
  int64_t scarce = c->node_size > 1 && es_shared_room() < 2.0 * (double) bytes;
  es_comm_max_i64(c, &scarce, 1);
  if (scarce)
    warn_of_copies(c, bytes, what);
  else
    ES_TRY(es_shared_create(c, &want, 1, what, &new.shared));
  if (new.shared != NULL) new.bytes = new.shared->part[0];
  es_status st = new.shared != NULL ? ES_OK : es_alloc(bytes, what, &new.own);
  st = es_comm_agree(c, st);
  if (st != ES_OK) {
    es_node_copy_free(&new);
    return st;
  }
  if (new.shared == NULL) new.bytes = new.own;
  *k = new;
  return ES_OK;
}

void es_node_copy_send(const es_comm *c, const es_node_copy *k) {
  if (k->shared == NULL) {
    es_comm_bcast(c, k->bytes, k->size, 0);
    return;
  }
  /* over the first ranks of all nodes, rank 0's first */
  if (c->node_rank == 0) es_comm_bcast_lane(c, 0, k->bytes, k->size, 0);
  MPI_Barrier(c->node);
}

void es_node_copy_free(es_node_copy *k) {
  es_shared_destroy(&k->shared);
  es_free(&k->own);
  *k = (es_node_copy){0};
}
