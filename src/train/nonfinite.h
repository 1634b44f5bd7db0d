/* SPDX-License-Identifier: BSD-3-Clause */
/** @file nonfinite.h  Steps whose loss or gradient is not finite: they make no update,
 *  and more than run.skip_max of them in a row end the run. */
#ifndef ES_TRAIN_NONFINITE_H
#define ES_TRAIN_NONFINITE_H

#include "eigenstep/data.h"
#include "eigenstep/params.h"
#include "eigenstep/row_layout.h"
#include "eigenstep/step_result.h"

typedef struct es_nonfinite {
  const es_comm *comm;     /* borrowed */
  const es_params *params; /* borrowed */
  es_buf state;  /**< running averages before the step, [n_state] in the memory of the
                      parameters' backend; owned */
  int64_t limit; /**< so many steps in a row are skipped; the next is an error */
  int64_t skipped, in_row; /**< steps skipped so far, and the last ones in a row */
} es_nonfinite;

/** Into a zeroed struct. @return ES_OK, ES_ENOMEM */
es_status es_nonfinite_create(const es_comm *c, const es_params *p, int64_t limit,
                              es_nonfinite *f);
/** Before the network is destroyed. */
void es_nonfinite_free(es_nonfinite *f);

/** Before forward: keep a copy of what it changes. */
es_status es_nonfinite_save(es_nonfinite *f);
/** Count the values of this rank's rows of z and dz that are not finite, and keep the
 *  names of the samples, for a message: the batch is gone when it is written.
 *  @param z, dz  [2 rows, dim] as the loss takes them on this rank */
void es_nonfinite_count(const es_row_layout *l, const es_batch *b, int dim,
                        const double *z, const double *dz, es_step_values *v);
/** Collective. Instead of an update: restore what forward changed and say where the first
 *  value that is not finite was found. `step`: its number, for the message.
 *  @return ES_OK; ES_EMATH (more than `limit` in a row) */
es_status es_nonfinite_skip(es_nonfinite *f, int64_t step, const es_step_result *r);

#endif
