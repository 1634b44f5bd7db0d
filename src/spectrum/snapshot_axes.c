/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_axes.c  Leading directions of the covariance: coordinates of the
 *  embeddings on the first three of them, invariance of the modes.
 *
 *  The invariance of mode v is v'Cv / v'Sv with the cross-correlation C and the
 *  covariance S both about the mean of all rows and both over N: 1 where the views agree,
 *  0 where they are uncorrelated, -1 where they are opposite. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "snapshot_private.h"

es_status es_snapshot_declare_axes(es_snapshot *s) {
  char path[ES_SNAPSHOT_PATH], group[80], doc[160];
  es_snapshot_path(s, "/embedding", path);
  snprintf(group, sizeof group, "%s of the probe set", es_snapshot_noun(s));
  snprintf(doc, sizeof doc,
           "probe %s (first view, centred) projected onto their top three principal "
           "directions",
           es_snapshot_noun(s));
  const es_traj_field pca =
      ES_TRAJ_MATRIX("pca", s->opt.samples, "sample", ES_AXES, "axis", "1", doc);
  return es_traj_declare(s->traj, path, group, &pca, 1, &s->axes.series);
}

/* Leading eigenvectors: where the spectrum came without any, three are solved for,
 * starting from those of the last snapshot. */
static es_status find_axes(es_snapshot *s, const double *rows, int64_t n,
                           const es_dmat *a) {
  const double scale = 1 / (double) (s->size.rows - 1);
  es_eigen *e = NULL;
  if (!es_snapshot_values_only(s)) return ES_OK;
  if (a == NULL)
    ES_TRY(es_snapshot_pairs_of_rows(s, rows, n, scale, ES_AXES, &e));
  else
    ES_TRY(es_eig_solve_warm("subspace", a, ES_AXES, s->axes.leading, &e));
  es_eig_destroy(&s->axes.leading);
  s->axes.leading = e;
  return ES_OK;
}

static const es_dmat *vectors(const es_snapshot *s) {
  return es_snapshot_values_only(s) ? s->axes.leading->vector
                                    : s->matrices.described->spectrum->vector;
}

/* Collective. Z V of one view: [rows, invariant]. */
static es_status project(const es_snapshot *s, const double *z, int64_t n,
                         const es_dmat *v, es_dmat **out) {
  es_dmat *rows = NULL, *made = NULL;
  es_status st;
  ES_TRY_GOTO(es_dmat_from_rows(s->grid, z, n, s->opt.dim, &rows), done);
  ES_TRY_GOTO(es_dmat_create(s->grid, rows->m, s->size.invariant, 0, &made), done);
  st = es_dmat_gemm("NN", 1, rows, v, 0, made);
done:
  es_dmat_destroy(&rows);
  if (st == ES_OK)
    *out = made;
  else
    es_dmat_destroy(&made);
  return st;
}

/* Collective. Of the leading modes, out[invariant]; z [2 n, D] centred about the mean of
 * all rows. */
static es_status invariance(es_snapshot *s, const double *z, int64_t n, double *out) {
  const int modes = s->size.invariant;
  if (modes == 0) return ES_OK;
  const es_dmat v = es_dmat_first_cols(vectors(s), modes);
  es_dmat *a = NULL, *b = NULL;
  es_status st = ES_OK;
  double *const both = s->axes.products, *const all = both + modes;
  memset(both, 0, 2 * sizeof(double) * (size_t) modes);
  ES_TRY_GOTO(project(s, z, n, &v, &a), done);
  ES_TRY_GOTO(project(s, z + n * s->opt.dim, n, &v, &b), done);
  for (int j = 0; j < a->ln; j++) {
    const double *const x = a->a + (size_t) j * (size_t) a->lld;
    const double *const y = b->a + (size_t) j * (size_t) b->lld;
    const int mode = es_dmat_col(a, j);
    for (int i = 0; i < a->lm; i++) {
      both[mode] += 2 * x[i] * y[i];
      all[mode] += x[i] * x[i] + y[i] * y[i];
    }
  }
  es_comm_sum_f64(s->grid->comm, both, 2 * (int64_t) modes);
  for (int j = 0; j < modes; j++) out[j] = all[j] > 0 ? both[j] / all[j] : NAN;
done:
  es_dmat_destroy(&b);
  es_dmat_destroy(&a);
  return st;
}

/* Collective. The first three of them on all ranks: axis[3][D]. */
static void gather_axes(const es_snapshot *s, double *axis) {
  const int d = s->opt.dim;
  const es_dmat *const v = vectors(s);
  memset(axis, 0, sizeof(double) * ES_AXES * (size_t) d);
  for (int j = 0; j < v->ln; j++) {
    const int col = es_dmat_col(v, j);
    if (col >= ES_AXES || col >= s->size.k) continue;
    for (int i = 0; i < v->lm; i++) {
      axis[(size_t) col * (size_t) d + (size_t) es_dmat_row(v, i)] =
          v->a[(size_t) j * (size_t) v->lld + (size_t) i];
    }
  }
  es_comm_sum_f64(s->grid->comm, axis, ES_AXES * (int64_t) d);
}

/* Coordinates of the centred first view on the leading three axes, by sample number. */
static es_status append_pca(es_snapshot *s, const es_moment *now, const double *z) {
  const int d = s->opt.dim;
  double *const axis = s->axes.axis, *const pca = s->axes.pca;
  gather_axes(s, axis);
  memset(pca, 0, sizeof(double) * ES_AXES * (size_t) s->opt.samples);
  for (int64_t i = 0; i < now->e->n; i++) {
    for (int a = 0; a < ES_AXES; a++) {
      double sum = 0;
      for (int j = 0; j < d; j++) sum += z[i * d + j] * axis[(size_t) a * (size_t) d + j];
      pca[ES_AXES * now->e->row[i] + a] = sum;
    }
  }
  es_comm_sum_f64(s->grid->comm, pca, ES_AXES * s->opt.samples);
  return es_traj_append(s->traj, s->axes.series, now->step, now->time, pca);
}

es_status es_snapshot_take_axes(es_snapshot *s, const es_moment *now, const double *rows,
                                const es_dmat *a, double *out) {
  ES_TRY(find_axes(s, rows, s->size.shown * now->e->n, a));
  ES_TRY(invariance(s, rows, now->e->n, out));
  return append_pca(s, now, rows);
}
