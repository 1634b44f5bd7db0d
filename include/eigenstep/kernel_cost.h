/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_cost.h  How eigenstep kernel finds its modes, and what that takes. */
#ifndef ES_KERNEL_COST_H
#define ES_KERNEL_COST_H

#include "eigenstep/kernel.h"
#include "eigenstep/shape.h"
#include "eigenstep/solved_params.h"

/** Not collective. Are leading modes found by subspace iteration, rather than all by a
 *  full decomposition? */
bool es_kernel_uses_subspace(const es_kernel_params *p);
/** Not collective. Plan of that for views of m values, in `limit` bytes a rank. */
es_kernel_plan es_kernel_plan_for(const es_kernel_params *p, int m, int ranks,
                                  double limit);
/** Not collective. Bytes that a rank may take: kernel.memory, or a share of what the node
 *  has free; 0 where that is not known. */
double es_kernel_memory(const es_kernel_params *p, int ranks_of_node);
/** Not collective. How the plan keeps the matrix, in words. */
const char *es_kernel_matrix_is(const es_kernel_plan *plan);

/** What eigenstep kernel takes with views of one shape, on a node like this. */
typedef struct es_kernel_cost {
  double bytes;      /**< of a rank */
  double operations; /**< of all ranks, for the modes */
} es_kernel_cost;
/** Not collective. */
es_kernel_cost es_kernel_cost_of(const es_kernel_params *p, es_shape view, int ranks);
/** Print it, with the time at the rate of a matrix product that is timed here. */
void es_kernel_print_cost(const es_kernel_params *p, es_shape view, int ranks);

#endif
