/* SPDX-License-Identifier: BSD-3-Clause */
/** @file grid.h  P x Q process grid (BLACS) over a communicator, for ScaLAPACK. */
#ifndef ES_GRID_H
#define ES_GRID_H

#include "eigenstep/comm.h"

typedef struct es_grid {
  const es_comm *comm; /**< borrowed; must outlive the grid */
  int context;         /**< BLACS context */
  int rows, cols;      /**< P, Q; rows * cols == comm->size */
  int row, col;        /**< this rank's place */
} es_grid;

/** Collective. The grid nearest to a square (rows <= cols); pass rows > 0 to choose P
 *  (must divide the size). Works on split communicators. @return ES_OK or ES_EARG */
es_status es_grid_create(const es_comm *comm, int rows, es_grid **g);
/** Collective. */
void es_grid_destroy(es_grid **g);

#endif
