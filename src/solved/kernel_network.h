/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_network.h  A real network beside a kernel machine, and the batches on
 *  which it is trained and measured. */
#ifndef ES_KERNEL_NETWORK_H
#define ES_KERNEL_NETWORK_H

#include "eigenstep/train.h"
#include "machine.h"

enum { ES_SET_TRAIN = 0, ES_SET_HELD_OUT = 1 };

/** Pairs of one set, as the network takes them. */
typedef struct es_network_set {
  es_batch batch; /**< of this rank; x and id owned */
  double *z;      /**< [2 batch.n, d] its embeddings; owned */
  int64_t first;  /**< where they begin in the set */
  int64_t n;      /**< pairs over all ranks */
} es_network_set;

/** Pointers but m are owned. */
typedef struct es_network {
  const es_machine *m;
  es_backend *backend;
  es_network_set set[2]; /**< training pairs, held-out pairs */
  es_net *net;
  es_loss *loss;
  es_optim *optim;
  es_train *train;
  double *f0, *f, *ref; /* [d, 2n] and [d, 2 held-out]: start, end, machine's end */
  double *w0, *w;       /* [d, k] */
} es_network;

/** Collective. Backend, batches and room for embeddings; into a zeroed network with
 *  m set. */
es_status es_network_open(es_network *q);
/** Collective. A network of this width from this seed, ready for its first step. */
es_status es_network_make(es_network *q, int width, uint64_t seed);
/** Free the model alone; everything. */
void es_network_free(es_network *q);
void es_network_close(es_network *q);

#endif
