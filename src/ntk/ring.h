/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ring.h  Which products a rank computes, and how the others' samples come to it.
 *
 *  In step t = 0, 1, .. ranks / 2 rank r has the samples of rank r - t (cyclic) and
 *  multiplies its own with them. Each pair of samples is multiplied once: with itself
 *  (t = 0) a rank takes j >= i; in the last step of an even number of ranks two ranks
 *  have each other's samples and share the products. */
#ifndef ES_NTK_RING_H
#define ES_NTK_RING_H

#include "eigenstep/comm.h"
#include "product.h"

/** The steps of this rank. */
typedef struct es_ntk_ring {
  const es_comm *comm;
  int64_t pairs; /**< on all ranks, shared as es_comm_local_range says */
} es_ntk_ring;

int es_ntk_ring_steps(const es_ntk_ring *r);
/** Whose samples are here in step t. */
int es_ntk_ring_rank(const es_ntk_ring *r, int t);
/** Samples of a rank: two a pair. */
int es_ntk_ring_samples(const es_ntk_ring *r, int rank);
/** Number in the whole kernel of sample i of a rank: all first views come before all
 *  second ones. */
int64_t es_ntk_ring_number(const es_ntk_ring *r, int rank, int i);
/** What this rank computes of the products in step t. */
es_ntk_part es_ntk_ring_part(const es_ntk_ring *r, int t);

/** Collective. theta[t] [own samples, samples of rank t] += products in a layer.
 *  @param own  this rank's samples
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_ntk_ring_add(const es_ntk_ring *r, const es_ntk_layer *l,
                          const es_ntk_block *own, double *const *theta);

/** Bytes of others' samples that are here at a time. */
int64_t es_ntk_ring_bytes(const es_ntk_ring *r, const es_ntk_layer *l);

#endif
