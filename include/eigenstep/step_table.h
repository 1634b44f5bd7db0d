/* SPDX-License-Identifier: BSD-3-Clause */
/** @file step_table.h  The model of a step (step_model.h), printed: section [check]. */
#ifndef ES_STEP_TABLE_H
#define ES_STEP_TABLE_H

#include "eigenstep/step_model.h"

typedef struct es_check_params {
  int network;               /**< 0 = all of them, else network - 1 of es_network_list */
  double rate;               /**< GFLOP/s of a rank; 0 = measured */
  double latency, bandwidth; /**< us and GB/s; 0 = the network's */
  int64_t node;              /**< ranks of a node; 0 = the cores of this one */
  double gpu;                /**< GB of the GPU of a rank; 0 = not asked */
} es_check_params;
extern const es_param es_check_table[];

/** Collective. Ranks of a node: as given, or the cores of rank 0's. */
int es_check_node(const es_comm *c, const es_check_params *o);

/** Collective. What a step takes on `ranks` ranks, `node` a node, on each network or on
 *  the given one: then also on fewer ranks, with the batch as it is, and with as many
 *  pairs a rank. Warns of efficiencies below 70 % of a full node's.
 *  @return ES_OK, or why a step cannot be measured: the same on all ranks */
es_status es_step_table_print(const es_comm *c, const es_check_params *o,
                              const es_settings *s, const es_run_cost *cost, int node,
                              int ranks);

#endif
