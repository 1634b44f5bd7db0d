/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_keep.c  spectrum.keep: embeddings of the probe and eigenvectors, in
 *  single precision, as datasets whose rows the ranks write each in part. No rank holds
 *  them whole. */
#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/param.h"
#include "snapshot_private.h"

es_status es_spectrum_keeps(const es_spectrum_params *p, es_spectrum_kept *kept) {
  enum { NAMES = 4 };
  char item[NAMES][64];
  size_t n = 0;
  *kept = (es_spectrum_kept){.z = false};
  ES_TRY(es_split("spectrum.keep", p->keep, NAMES, item, &n));
  for (size_t i = 0; i < n; i++) {
    const bool z = strcmp(item[i], "z") == 0, vectors = strcmp(item[i], "vectors") == 0;
    const bool none = strcmp(item[i], "none") == 0 && n == 1;
    ES_CHECK(z || vectors || none, ES_ECONFIG,
             "spectrum.keep: got '%s', expected none, or z and/or vectors", item[i]);
    kept->z = kept->z || z;
    kept->vectors = kept->vectors || vectors;
  }
  return ES_OK;
}

/* Collective. A group of one field, [rows, columns] numbers a step. */
static es_status declare(es_snapshot *s, const char *group, es_traj_field f, int *id) {
  char path[ES_SNAPSHOT_PATH];
  es_snapshot_path(s, group, path);
  f.single = true;
  return es_traj_declare(s->traj, path, f.doc, &f, 1, id);
}

es_status es_snapshot_declare_kept(es_snapshot *s) {
  es_spectrum_kept want;
  char z[120], vectors[200];
  s->kept = (es_snapshot_kept){-1, -1};
  ES_TRY(es_spectrum_keeps(&s->par, &want));
  snprintf(z, sizeof z, "%s of the probe set, not centred: all of view 1%s",
           es_snapshot_noun(s), s->opt.pairs ? ", then all of view 2" : "");
  snprintf(vectors, sizeof vectors,
           "eigenvectors of %s, one a row; 0 where an eigenvalue of few rows is 0",
           s->matrices.followed->ops->doc);
  if (want.z)
    ES_TRY(declare(s, "/kept/z",
                   (es_traj_field) ES_TRAJ_MATRIX("value", s->size.rows, "row",
                                                  s->opt.dim, "coordinate", "1", z),
                   &s->kept.z));
  if (!want.vectors) return ES_OK;
  return declare(s, "/kept/vectors",
                 (es_traj_field) ES_TRAJ_MATRIX("value", s->size.k, "mode", s->opt.dim,
                                                "coordinate", "1", vectors),
                 &s->kept.vectors);
}

/* Is this rank one of those that write? Where each rank has all rows, the trajectory's
 * first one alone is. */
static bool writes(const es_snapshot *s) {
  const es_comm *const file = es_traj_comm(s->traj);
  return s->grid->comm->size == file->size || file->rank == 0;
}

/* Rows of e whose number among all, view by view, is of [first, first + n): to x [n, D],
 * the others of which are zero. */
static void copy_own(const es_snapshot *s, const es_embedding *e, int64_t first,
                     int64_t n, double *x) {
  const int64_t d = e->d;
  memset(x, 0, (size_t) (n * d) * sizeof *x);
  for (int v = 0; v < s->size.shown; v++)
    for (int64_t i = 0; i < e->n; i++) {
      const int64_t at = v * e->samples + e->row[i] - first;
      if (at >= 0 && at < n)
        memcpy(x + at * d, e->z + (v * e->n + i) * d, (size_t) d * sizeof *x);
    }
}

/* Collective. The rows of the ranks' embeddings that this rank writes: part->values is
 * new. Rank by rank, so that none needs more than its part twice. */
static es_status collect(const es_snapshot *s, const es_embedding *e, es_traj_part *part,
                         double **own) {
  const es_comm *const c = s->grid->comm;
  const int64_t most = (s->size.rows + c->size - 1) / c->size;
  double *x = NULL;
  es_status st = ES_NEW(most * e->d, &x);
  if (st == ES_OK) st = ES_NEW(most * e->d, own);
  st = es_comm_agree(c, st);
  for (int r = 0; r < c->size && st == ES_OK; r++) {
    const int64_t first = s->size.rows * r / c->size;
    const int64_t n = s->size.rows * (r + 1) / c->size - first;
    copy_own(s, e, first, n, x);
    es_comm_sum_f64(c, x, n * e->d);
    if (r != c->rank) continue;
    memcpy(*own, x, (size_t) (n * e->d) * sizeof *x);
    *part = (es_traj_part){.first = first, .n = n, .values = *own};
  }
  es_free(&x);
  return st;
}

/* Collective. */
static es_status keep_z(es_snapshot *s, const es_moment *now) {
  es_traj_part part = {0};
  double *own = NULL;
  es_status st = collect(s, now->e, &part, &own);
  st = es_comm_agree(es_traj_comm(s->traj), st);
  if (!writes(s)) part.n = 0;
  if (st == ES_OK)
    st = es_traj_append_part(s->traj, s->kept.z, now->step, now->time, &part);
  es_free(&own);
  return st;
}

/* Collective. The eigenvectors' columns as rows of x [*n, D]. */
static es_status find_rows(const es_snapshot *s, const es_embedding *e, int64_t *n,
                           double **x) {
  es_eigen *found = NULL;
  es_dmat *rows = NULL;
  es_status st;
  ES_TRY_GOTO(es_snapshot_pairs(s, e, s->size.k, &found), done);
  const es_dmat columns = es_dmat_first_cols(found->vector, s->size.k);
  ES_TRY_GOTO(es_dmat_transpose(&columns, &rows), done);
  st = es_dmat_to_rows(rows, 0, s->size.k, n, x);
done:
  es_dmat_destroy(&rows);
  es_eig_destroy(&found);
  return st;
}

/* Collective. */
static es_status keep_vectors(es_snapshot *s, const es_moment *now) {
  const es_comm *const c = s->grid->comm;
  const int64_t most = (s->size.k + c->size - 1) / c->size; /* as es_dmat_to_rows */
  int64_t n = 0;
  double *x = NULL;
  es_status st = find_rows(s, now->e, &n, &x);
  st = es_comm_agree(es_traj_comm(s->traj), st);
  const es_traj_part part = {
      .first = n > 0 ? most * c->rank : 0, .n = writes(s) ? n : 0, .values = x};
  if (st == ES_OK)
    st = es_traj_append_part(s->traj, s->kept.vectors, now->step, now->time, &part);
  es_free(&x);
  return st;
}

es_status es_snapshot_keep(es_snapshot *s, int64_t step, double time,
                           const es_embedding *given) {
  es_embedding e = *given;
  const es_moment now = {step, time, &e};
  e.grid = s->grid;
  if (s->kept.z >= 0) ES_TRY(keep_z(s, &now));
  return s->kept.vectors >= 0 ? keep_vectors(s, &now) : ES_OK;
}

bool es_snapshot_owns_kept(const es_snapshot *s, int id) {
  return id >= 0 && (id == s->kept.z || id == s->kept.vectors);
}

int64_t es_snapshot_kept_bytes(const es_spectrum_params *p,
                               const es_snapshot_options *o) {
  const int64_t k = p->top > 0 ? p->top : o->dim, rows = (o->pairs ? 2 : 1) * o->samples;
  es_spectrum_kept kept;
  if (es_spectrum_keeps(p, &kept) != ES_OK) return 0;
  return 4 * o->dim * ((kept.z ? rows : 0) + (kept.vectors ? k : 0));
}
