/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cost.h  What a training run takes, known before it starts. */
#ifndef ES_COST_H
#define ES_COST_H

#include "eigenstep/assembly.h"

/** What a run writes. */
typedef struct es_run_output {
  int64_t snapshots; /**< about so many in the whole run */
  double trajectory; /**< bytes of all rows; the file is larger */
  int64_t keeps; /**< times that spectrum.keep stores something; 0: it names nothing */
  double kept;   /**< bytes of that in the whole run */
  double checkpoint; /**< bytes of one */
} es_run_output;

/** Bytes of a rank. */
typedef struct es_run_cost {
  es_net_cost net;
  es_optim_work update;  /**< 0: it is elementwise */
  double moments;        /**< of the optimiser */
  double eval_net;       /**< activations of the f32 network beside one in bf16 */
  double loss;           /**< workspace, embeddings and their gradients */
  double preconditioner; /**< 0: off */
  double batches;        /**< the current one and the next */
  double snapshot;
  int node;        /**< ranks of a node */
  double matrices; /**< of /dev/shm, for all ranks of a node: what losses and
                        preconditioner hold once, shared out in `loss`
                        and `preconditioner` */
  double shared; /**< of /dev/shm, for all ranks of a node if one holds them all; they are
                      among the parameters, gradients and moments of the ranks */
  es_run_output output;
} es_run_cost;

/** Cost on `ranks` ranks, `node` of them on a node, whatever the number that asks. Not
 *  collective.
 *  @param p  with backends and data open
 *  @return ES_OK, ES_ECONFIG (the network cannot be built), ES_ENOMEM */
es_status es_run_cost_of(const es_settings *s, const es_assembly *p, int ranks, int node,
                         es_run_cost *cost);
/** Bytes of a rank in all, at least. */
double es_run_cost_memory(const es_run_cost *cost);
/** Those that are on the device of a backend that has one: the network, its parameters
 *  and the moments of the optimiser. */
double es_run_cost_device(const es_run_cost *cost);
/** Say whether that fits a GPU of `room` bytes, and the largest batch that does: what is
 *  stored of the batch grows with the pairs of a rank. Libraries need some 0.5 GB beside
 *  it. Not collective. */
void es_run_cost_print_fit(const es_settings *s, int ranks, double room,
                           const es_run_cost *cost);
/** Collective. Is there room in folder `dir` for what spectrum.keep stores after step
 *  `first`? The trajectory is there up to three times: written, read, being replaced.
 *  @return ES_OK, also where the file system does not say; ES_ECONFIG */
es_status es_run_cost_check_room(const es_comm *c, const es_settings *s,
                                 const es_assembly *p, const char *dir, int64_t first);
/** Print it with what it follows from: data, network, batch, probe and process grid. */
void es_run_cost_print(const es_settings *s, const es_assembly *p, int ranks,
                       const es_run_cost *cost);

#endif
