/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cost.h  What a training run takes, known before it starts. */
#ifndef ES_COST_H
#define ES_COST_H

#include "eigenstep/assembly.h"

/** Bytes; those above the line are of one rank. */
typedef struct es_run_cost {
  es_net_cost net;
  double moments;        /**< of the optimiser */
  double eval_net;       /**< activations of the f32 network beside one in bf16 */
  double loss;           /**< workspace, embeddings and their gradients */
  double preconditioner; /**< 0: off */
  double batches;        /**< the current one and the next */
  double snapshot;
  int node;      /**< ranks of a node */
  double shared; /**< of /dev/shm, for all ranks of a node if one holds them all; they are
                      among the parameters, gradients and moments of the ranks */
  /* ------------------------------------------------------------------------------- */
  int64_t snapshots; /**< about so many in the whole run */
  double trajectory; /**< numbers of all rows; the file is larger */
  double checkpoint; /**< of one */
} es_run_cost;

/** Cost on `ranks` ranks, `node` of them on a node, whatever the number that asks. Not
 *  collective.
 *  @param p  with backends and data open
 *  @return ES_OK, ES_ECONFIG (the network cannot be built), ES_ENOMEM */
es_status es_run_cost_of(const es_settings *s, const es_assembly *p, int ranks, int node,
                         es_run_cost *cost);
/** Bytes of a rank in all, at least. */
double es_run_cost_memory(const es_run_cost *cost);
/** Print it with what it follows from: data, network, batch, probe and process grid. */
void es_run_cost_print(const es_settings *s, const es_assembly *p, int ranks,
                       const es_run_cost *cost);

#endif
