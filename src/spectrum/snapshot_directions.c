/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_directions.c  The modes themselves: eigenvectors of the followed
 *  matrix. */
#include <string.h>
#include "eigenstep/mem.h"
#include "snapshot_private.h"

/* q [k, D] <- the first k columns of v [D, >= k]. */
static es_status copy_columns(const es_dmat *v, int k, double *q) {
  const es_dmat leading = es_dmat_first_cols(v, k);
  const int d = leading.m;
  double *full = NULL;
  ES_TRY(es_comm_agree(v->grid->comm, ES_NEW((int64_t) d * k, &full)));
  const es_status st = es_dmat_gather(&leading, full);
  for (int64_t i = 0; i < d && st == ES_OK; i++)
    for (int64_t j = 0; j < k; j++) q[j * d + i] = full[i * k + j];
  es_free(&full);
  return st;
}

es_status es_snapshot_directions(const es_snapshot *s, const es_embedding *e, int k,
                                 double *value, double *q) {
  es_embedding own = *e;
  double *rows = NULL;
  es_dmat *a = NULL;
  es_eigen *found = NULL;
  es_status st;
  own.grid = s->grid;
  ES_TRY_GOTO(s->matrices.followed->ops->build(s, &own, &rows, &a), done);
  ES_TRY_GOTO(es_eig_solve(s->par.solver, a, k, &found), done);
  memcpy(value, found->value, (size_t) k * sizeof *value);
  st = copy_columns(found->vector, k, q);
done:
  es_eig_destroy(&found);
  es_dmat_destroy(&a);
  es_free(&rows);
  return st;
}
