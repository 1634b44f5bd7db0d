/* SPDX-License-Identifier: BSD-3-Clause */
/** @file row_layout.c  Rows of a batch on this rank and rows of the loss on this rank. */
#include "eigenstep/row_layout.h"

es_row_layout es_row_layout_distributed(const es_comm *c) {
  return (es_row_layout){.comm = c, .loss_comm = c};
}

es_status es_row_layout_replicate(const es_comm *c, es_row_layout *l) {
  es_comm *self = NULL;
  const es_status st = es_comm_agree(c, es_comm_create(MPI_COMM_SELF, &self));
  if (st != ES_OK)
    es_comm_destroy(&self);
  else
    *l = (es_row_layout){.comm = c, .loss_comm = self, .self = self};
  return st;
}

void es_row_layout_free(es_row_layout *l) {
  es_comm_destroy(&l->self);
  *l = (es_row_layout){0};
}

bool es_row_layout_replicated(const es_row_layout *l) {
  return l->loss_comm != l->comm;
}

int es_row_layout_rows(const es_row_layout *l, int own) {
  return es_row_layout_replicated(l) ? l->comm->size * own : own;
}

int es_row_layout_first(const es_row_layout *l, int own) {
  return es_row_layout_replicated(l) ? l->comm->rank * own : 0;
}

void es_row_layout_share(const es_row_layout *l, int64_t n, int64_t *first,
                         int64_t *count) {
  es_comm_local_range(l->loss_comm, n, first, count);
}

es_status es_row_layout_gather(const es_row_layout *l, int own, size_t width,
                               double *rows) {
  if (!es_row_layout_replicated(l)) return ES_OK;
  const double *const mine = rows + (size_t) es_row_layout_first(l, own) * width;
  return es_comm_allgather(l->comm, mine, own, width * sizeof *rows, rows);
}
