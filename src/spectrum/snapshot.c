/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot.c  One spectrum snapshot, from embeddings to rows of the trajectory. */
#include "eigenstep/snapshot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "snapshot_private.h"

/* Not collective. Have the embeddings the expected shape, and are all of them finite? A
 * sentence about samples, before es_cov_* would report rows. */
static es_status check_embedding(const es_snapshot *s, const es_moment *now) {
  const es_embedding *const e = now->e;
  const es_comm *const c = s->grid->comm;
  char where[32] = "";
  ES_CHECK(e->d == s->opt.dim && e->samples == s->opt.samples &&
               e->views == s->size.views,
           ES_EARG,
           "snapshot: got %s of %lld samples in %d views and %d dimensions, "
           "expected %lld, "
           "%d, %d",
           es_snapshot_noun(s), (long long) e->samples, e->views, e->d,
           (long long) s->opt.samples, s->size.views, s->opt.dim);
  if (c->size > 1) snprintf(where, sizeof where, " on rank %d", c->rank);
  for (int64_t i = 0; i < e->views * e->n * e->d; i++) {
    if (isfinite(e->z[i])) continue;
    const long long sample = (long long) e->row[i / e->d % e->n];
    const int value = (int) (i % e->d);
    const bool foreign = s->opt.of == ES_SNAPSHOT_FOREIGN;
    if (!foreign) es_phase("sample %lld of the probe has it first", sample);
    ES_CHECK(foreign, ES_EMATH,
             "%s of the probe are not finite at step %lld%s: value %d is %g; lower "
             "optim.lr, or take optim.lr=auto",
             es_snapshot_noun(s), (long long) now->step, where, value, e->z[i]);
    ES_CHECK(false, ES_EMATH,
             "row %lld of the embeddings is not finite%s: column %d is %g (both counted "
             "from 0); remove or mend such rows",
             sample, where, value, e->z[i]);
  }
  return ES_OK;
}

/* Its row of the trajectory: eigenvalues[K], trace, residual, orthogonality and, where it
 * is described, the invariance that es_snapshot_take_axes stored after them. */
static es_status append_spectrum(es_snapshot *s, const es_matrix *m,
                                 const es_moment *now) {
  const es_eigen *const e = m->spectrum;
  const int k = s->size.k;
  memcpy(s->row, e->value, sizeof(double) * (size_t) k);
  s->row[k] = e->trace;
  s->row[k + 1] = e->residual;
  s->row[k + 2] = e->orthogonality;
  return es_traj_append(s->traj, m->series, now->step, now->time, s->row);
}

/* Only an iterative solver starts from the vectors of the last spectrum; it has no more
 * than it was asked for. */
static void keep_start(es_eigen *e) {
  if (e != NULL && e->vector != NULL && e->vector->n == e->n) es_dmat_destroy(&e->vector);
}

/* Collective. One matrix: build it or its rows, solve, describe, write. */
static es_status take_matrix(es_snapshot *s, es_matrix *m, const es_moment *now) {
  double *const invariance = s->row + s->size.k + 3, *rows = NULL;
  es_dmat *a = NULL;
  es_status st;
  if (es_snapshot_by_rows(s, m))
    ES_TRY_GOTO(m->ops->rows(s, now->e, &rows), done);
  else
    ES_TRY_GOTO(m->ops->build(s, now->e, &rows, &a), done);
  ES_TRY_GOTO(es_snapshot_solve(s, m, rows, s->size.shown * now->e->n, a), done);
  if (m->ops->described)
    ES_TRY_GOTO(es_snapshot_take_axes(s, now, rows, a, invariance), done);
  st = append_spectrum(s, m, now);
done:
  keep_start(m->spectrum);
  es_dmat_destroy(&a);
  es_free(&rows);
  return st;
}

void es_snapshot_set_stop(es_snapshot *s, es_stop *stop) {
  s->stop = stop;
}

es_status es_snapshot_take(es_snapshot *s, int64_t step, double time,
                           const es_embedding *given) {
  es_embedding e = *given;
  const es_moment now = {step, time, &e};
  e.grid = s->grid;
  ES_TRY(es_comm_agree(s->grid->comm, check_embedding(s, &now)));
  ES_TRY(es_snapshot_measure_rows(s, &e));
  for (int i = 0; i < s->matrices.n; i++) {
    if (s->stop != NULL)
      ES_TRY(es_stop_between(s->stop, s->grid->comm, "the next spectrum"));
    ES_TRY(take_matrix(s, &s->matrices.of[i], &now));
  }
  ES_TRY(es_snapshot_append_metrics(s, &now));
  return es_snapshot_append_forecast(s, &now);
}
