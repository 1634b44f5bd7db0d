/* SPDX-License-Identifier: BSD-3-Clause */
/** @file grid.h  P x Q process grid (BLACS) over a communicator, for ScaLAPACK. */
#ifndef ES_GRID_H
#define ES_GRID_H

#include "eigenstep/comm.h"

typedef struct es_grid {
  const es_comm *comm; /**< borrowed; must outlive the grid */
  int context;         /**< BLACS context */
  int rows, cols;      /**< P, Q; rows * cols == comm->size */
  int row, col;        /**< coordinates of this rank */
} es_grid;

/** Collective. A grid as square as possible (rows <= cols), or with `rows` > 0 process
 *  rows (a divisor of the size). Works on split communicators.
 *  @return ES_OK, ES_EARG, ES_ENOMEM: the same on all ranks */
es_status es_grid_create(const es_comm *comm, int rows, es_grid **g);
/** Collective. Release the BLACS context and set *g to NULL. */
void es_grid_destroy(es_grid **g);

#endif
