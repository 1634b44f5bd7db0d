/* SPDX-License-Identifier: BSD-3-Clause */
/** @file row_layout.h  Which rows of a global batch a rank holds, and which rows the loss
 *  is evaluated on there.
 *
 *  A row is one pair; the embeddings of its two views are one row of each view. Every
 *  rank holds a contiguous share of the batch, in the order of ranks. Two layouts:
 *  - distributed: the loss on a rank takes the rank's own rows, and sums over
 *    `loss_comm`, which is all ranks;
 *  - replicated (parallel.deterministic): the loss on a rank takes the rows of all ranks
 *    in the order of ranks, and `loss_comm` is this rank alone. Every rank then computes
 *    the same loss in the same order, whatever the number of ranks. All ranks hold
 *    equally many rows.
 *  Whatever follows the loss (snapshots, predictions) works on the same rows and on
 *  `loss_comm`. */
#ifndef ES_ROW_LAYOUT_H
#define ES_ROW_LAYOUT_H

#include <stdbool.h>
#include "eigenstep/comm.h"

/** Plain values: copied freely, but `self` belongs to whoever made it. */
typedef struct es_row_layout {
  const es_comm *comm;      /**< the ranks that hold the batch; borrowed */
  const es_comm *loss_comm; /**< the ranks a loss is evaluated by: comm, or self */
  es_comm *self;            /**< this rank alone; NULL where rows are distributed */
} es_row_layout;

/** Every rank evaluates the loss on its own rows. Nothing to free. */
es_row_layout es_row_layout_distributed(const es_comm *c);
/** Collective. Every rank evaluates the loss on all rows; to be freed.
 *  @return ES_OK, ES_ENOMEM: same on all ranks */
es_status es_row_layout_replicate(const es_comm *c, es_row_layout *l);
/** Collective. Free what es_row_layout_replicate made; no effect otherwise. */
void es_row_layout_free(es_row_layout *l);

/** Does a rank evaluate the loss on the rows of all ranks? */
bool es_row_layout_replicated(const es_row_layout *l);
/** Rows of the loss on this rank, which holds `own` rows. */
int es_row_layout_rows(const es_row_layout *l, int own);
/** Where this rank's own rows begin among them. */
int es_row_layout_first(const es_row_layout *l, int own);
/** This rank's rows of the loss out of a global batch of n: *first, *count, as
 *  es_comm_local_range. */
void es_row_layout_share(const es_row_layout *l, int64_t n, int64_t *first,
                         int64_t *count);
/** Collective where rows are replicated. Add the other ranks' rows to one view,
 *  rows [es_row_layout_rows, width], of which this rank's own are in place. Distributed:
 *  there is nothing to add.
 *  @return ES_OK, ES_ENOMEM: same on all ranks */
es_status es_row_layout_gather(const es_row_layout *l, int own, size_t width,
                               double *rows);

#endif
