/* SPDX-License-Identifier: BSD-3-Clause */
/** @file grid.c  BLACS process grid over a communicator. The only file with BLACS
 *  prototypes (they come without a header; netlib.org/blacs). */
#include "eigenstep/grid.h"
#include "eigenstep/mem.h"

int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int cols);
void Cblacs_gridinfo(int context, int *rows, int *cols, int *row, int *col);
void Cblacs_gridexit(int context);

/* Largest divisor of `size` up to its square root: square grids communicate least. */
static int squarest(int size) {
  int rows = 1;
  for (int p = 1; p <= size / p; p++)
    if (size % p == 0) rows = p;
  return rows;
}

es_status es_grid_create(const es_comm *comm, int rows, es_grid **g) {
  ES_CHECK(rows <= 0 || comm->size % rows == 0, ES_EARG,
           "process grid: got %d rows, expected a divisor of the %d ranks", rows,
           comm->size);
  es_grid *n = NULL;
  es_status st = es_alloc(sizeof *n, "process grid", (void **) &n);
  st = es_comm_agree(comm, st);
  if (st != ES_OK) {
    es_free(&n);
    return st;
  }
  n->comm = comm;
  n->rows = rows > 0 ? rows : squarest(comm->size);
  n->cols = comm->size / n->rows;
  /* gridinit over a handle of *this* communicator uses its ranks only, in row order;
     the context keeps its own duplicate, so the handle can be freed at once. */
  const int handle = Csys2blacs_handle(comm->mpi);
  n->context = handle;
  Cblacs_gridinit(&n->context, "Row", n->rows, n->cols);
  Cfree_blacs_system_handle(handle);
  int p, q;
  Cblacs_gridinfo(n->context, &p, &q, &n->row, &n->col);
  *g = n;
  return ES_OK;
}

void es_grid_destroy(es_grid **g) {
  if (!*g) return;
  Cblacs_gridexit((*g)->context);
  es_free(g);
}
