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
  ES_TRY(ES_COMM_NEW(v->grid->comm, (int64_t) d * k, &full));
  const es_status st = es_dmat_gather(&leading, full);
  for (int64_t i = 0; i < d && st == ES_OK; i++)
    for (int64_t j = 0; j < k; j++) q[j * d + i] = full[i * k + j];
  es_free(&full);
  return st;
}

es_status es_snapshot_pairs(const es_snapshot *s, const es_embedding *e, int k,
                            es_eigen **pairs) {
  const es_matrix *const m = s->matrices.followed;
  const double scale = 1 / (double) (s->size.rows - 1);
  const int64_t n = s->size.shown * e->n;
  double *rows = NULL;
  es_dmat *a = NULL;
  es_status st;
  if (es_snapshot_by_rows(s, m)) {
    ES_TRY_GOTO(m->ops->rows(s, e, &rows), done);
    st = es_snapshot_pairs_of_rows(s, rows, n, scale, k, pairs);
  } else {
    ES_TRY_GOTO(m->ops->build(s, e, &rows, &a), done);
    st = es_eig_solve(s->par.solver, a, k, pairs);
  }
done:
  es_dmat_destroy(&a);
  es_free(&rows);
  return st;
}

es_status es_snapshot_directions(const es_snapshot *s, const es_embedding *e, int k,
                                 double *value, double *q) {
  es_embedding own = *e;
  es_eigen *found = NULL;
  own.grid = s->grid;
  ES_TRY(es_snapshot_pairs(s, &own, k, &found));
  memcpy(value, found->value, (size_t) k * sizeof *value);
  const es_status st = copy_columns(found->vector, k, q);
  es_eig_destroy(&found);
  return st;
}
