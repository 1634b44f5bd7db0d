/* SPDX-License-Identifier: BSD-3-Clause */
/** @file step_model.h  A model of the time of a training step and of what it sends, on
 *  any number of ranks, from the plan of the run and a few numbers about the machine.
 *  postprocess/scaling.py draws what `eigenstep check` prints of it. */
#ifndef ES_STEP_MODEL_H
#define ES_STEP_MODEL_H

#include "eigenstep/cost.h"

/** A network between nodes. The known ones: src/run/network_list.h. */
typedef struct es_network {
  const char *name;
  double latency;   /**< seconds of a short message through MPI */
  double bandwidth; /**< bytes/s through the link of a node, one way */
} es_network;

/** @return how many are known; *list: they */
size_t es_network_list(const es_network **list);

/** What a step computes and exchanges, whatever the number of ranks. */
typedef struct es_step_work {
  es_net_cost net;
  es_optim_work update;
  const es_settings *run; /**< borrowed */
  double rate;            /**< operations a second of forward and backward on a rank */
} es_step_work;

/** Where it is computed. */
typedef struct es_step_place {
  int ranks, node; /**< of all nodes; of a full one */
  double pairs;    /**< of a rank */
} es_step_place;

/** Parts of a step, one after the other. All but the first are communication. */
typedef enum es_step_part {
  ES_STEP_COMPUTE,  /**< forward, backward, loss and update */
  ES_STEP_BN,       /**< sums of batch norm */
  ES_STEP_GRADIENT, /**< what backward does not hide of the sum of gradients; and what
                         Muon sends of its matrices */
  ES_STEP_LOSS,     /**< sums, gathering and broadcasts of loss and preconditioner */
  ES_STEP_WAITING,  /**< for the slowest rank */
  ES_STEP_PARTS
} es_step_part;

typedef struct es_step_estimate {
  double seconds[ES_STEP_PARTS];
  double payload[ES_STEP_PARTS]; /**< bytes that a rank gives to MPI, or gets of others */
  double sent[ES_STEP_PARTS];    /**< bytes that a rank sends, the busiest one's */
} es_step_estimate;

/** Nodes that so many ranks take. */
int es_step_nodes(const es_step_place *at);

/** Not collective. What it assumes heads src/run/step_model.c. */
es_step_estimate es_step_model(const es_step_work *w, const es_network *net,
                               const es_step_place *at);

/** Sums of an estimate over all parts: seconds, and bytes sent. */
double es_step_seconds(const es_step_estimate *e);
double es_step_sent(const es_step_estimate *e);

#endif
