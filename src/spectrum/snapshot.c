/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot.c  One spectrum snapshot, from embeddings to rows of the trajectory.
 *
 *  Legend: D embedding width, N samples of one view, K eigenvalues kept.
 *  The covariance is of both views together (2N rows, ddof 1), centred; the
 * cross-correlation C = 1/(2N) sum (z z'^T + z' z^T) follows the loss's convention
 * (centred, batch-normalised). The invariance of mode v is v'Cv / v'Sv with C and the
 * covariance S both about the mean of all rows and both over N: 1 where the views agree,
 * 0 where they have nothing in common, -1 where they are opposite. */
#include "snapshot_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/cov.h"
#include "eigenstep/mem.h"
#include "metric_private.h"

/* Are all eigenvalues kept and no vectors computed? Nobody needs all of them. */
static bool values_only(const es_snapshot *s) {
  return s->k == s->opt.dim && s->k >= ES_WIDE;
}

/* Only an iterative solver starts from the vectors of the last spectrum; it has no more
 * than it was asked for. */
static void keep_start(es_eigen **last) {
  if (*last != NULL && ((*last)->vector == NULL || (*last)->vector->n == (*last)->n))
    es_eig_destroy(last);
}

/* A spectrum -> s->row {eigenvalues[K], trace, residual, orthogonality}. last: the one
 * before of this matrix, replaced by this one. */
static void record(es_snapshot *s, es_eigen *e, es_eigen **last) {
  es_eig_destroy(last);
  *last = e;
  memcpy(s->row, e->value, sizeof(double) * (size_t) s->k);
  s->row[s->k] = e->trace;
  s->row[s->k + 1] = e->residual;
  s->row[s->k + 2] = e->orthogonality;
}

static es_status solve(es_snapshot *s, const es_dmat *a, es_eigen **last) {
  es_eigen *e = NULL;
  if (values_only(s))
    ES_TRY(es_eig_values(s->par.solver, a, &e));
  else
    ES_TRY(es_eig_solve_warm(s->par.solver, a, s->k, *last, &e));
  record(s, e, last);
  return ES_OK;
}

static void lead(es_snapshot *s, const es_eigen *e) {
  memcpy(s->leading, e->value, sizeof(double) * (size_t) s->k);
}

/* All D eigenvalues of c Z'Z, without vectors, from the smaller of it and c ZZ'; n local
 * rows of z. */
static es_status values_of_rows(const es_snapshot *s, const double *z, int64_t n,
                                double c, es_eigen **out) {
  const int d = s->opt.dim;
  const bool few = s->rows_total < d;
  es_dmat *a = NULL;
  es_eigen *e = NULL;
  double *value = NULL;
  es_status st;
  /* es_cov_cross(z, z) = Z'Z / rows */
  if (few)
    ES_TRY_GOTO(es_cov_gram(s->grid, z, n, d, c, &a), done);
  else
    ES_TRY_GOTO(es_cov_cross(s->grid, z, z, n, d, &a), done);
  ES_TRY_GOTO(es_eig_values(s->par.solver, a, &e), done);
  if (few) {
    ES_TRY_GOTO(es_comm_agree(s->grid->comm, ES_NEW(d, &value)), done);
    memcpy(value, e->value, sizeof(double) * (size_t) (e->k < d ? e->k : d));
    es_free(&e->value);
    e->value = value;
    value = NULL;
    e->n = e->k = d;
  } else {
    const double scale = c * (double) s->rows_total;
    for (int i = 0; i < d; i++) e->value[i] *= scale;
    e->trace *= scale;
  }
  *out = e;
  e = NULL;
  st = ES_OK;
done:
  es_free(&value);
  es_eig_destroy(&e);
  es_dmat_destroy(&a);
  return st;
}

/* Singular values of the uncentred Z: only when all are wanted. */
static es_status singular_values(es_snapshot *s, const double *z, int64_t rows) {
  if (s->k < s->opt.dim) return ES_OK;
  es_eigen *e = NULL;
  ES_TRY(values_of_rows(s, z, rows, 1, &e));
  /* against round-off below zero */
  for (int i = 0; i < s->k; i++) s->sigma[i] = sqrt(fmax(e->value[i], 0));
  es_eig_destroy(&e);
  return ES_OK;
}

/* Metrics of the embeddings themselves, before those are centred. */
static es_status measure_embeddings(es_snapshot *s, int64_t n, const int64_t *row,
                                    const double *z) {
  const es_embedding e = {.grid = s->grid,
                          .views = s->views,
                          .d = s->opt.dim,
                          .samples = s->opt.samples,
                          .n = n,
                          .row = row,
                          .z = z};
  const es_metric_ops *const *list;
  const size_t count = es_metric_list(&list);
  for (size_t i = 0; i < count; i++) {
    if (list[i]->measure == NULL || s->metric_series[i] < 0) continue;
    ES_TRY(list[i]->measure(&e, &s->metric[i]));
  }
  return ES_OK;
}

static es_status append_metrics(es_snapshot *s, int64_t step, double time,
                                const es_eigen *e) {
  const es_spectrum sp = {.k = s->k,
                          .d = s->opt.dim,
                          .samples = s->rows_total,
                          .lambda = e->value,
                          .trace = e->trace,
                          .sigma = s->k == s->opt.dim ? s->sigma : NULL,
                          .independent = s->opt.samples,
                          .followed = s->leading,
                          .settled = s->opt.settled};
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  for (size_t i = 0; i < n; i++) {
    if (s->metric_series[i] < 0) continue;
    if (list[i]->eval != NULL) s->metric[i] = list[i]->eval(&sp);
    ES_TRY(es_traj_append(s->traj, s->metric_series[i], step, time, &s->metric[i]));
  }
  return ES_OK;
}

/* Leading eigenvectors of the covariance: where its spectrum came without any, three are
 * found alone, starting from the last ones. */
static es_status find_axes(es_snapshot *s, const es_dmat *c) {
  es_eigen *e = NULL;
  if (!values_only(s)) return ES_OK;
  ES_TRY(es_eig_solve_warm("subspace", c, ES_AXES, s->axes, &e));
  es_eig_destroy(&s->axes);
  s->axes = e;
  return ES_OK;
}

static const es_dmat *vectors(const es_snapshot *s) {
  return values_only(s) ? s->axes->vector : s->of_covariance->vector;
}

/* Collective. Z V of one view: [rows, invariant]. */
static es_status project(const es_snapshot *s, const double *z, int64_t n,
                         const es_dmat *v, es_dmat **out) {
  es_dmat *rows = NULL, *made = NULL;
  es_status st;
  ES_TRY_GOTO(es_dmat_from_rows(s->grid, z, n, s->opt.dim, &rows), done);
  ES_TRY_GOTO(es_dmat_create(s->grid, rows->m, s->invariant, 0, &made), done);
  st = es_dmat_gemm("NN", 1, rows, v, 0, made);
done:
  es_dmat_destroy(&rows);
  if (st == ES_OK)
    *out = made;
  else
    es_dmat_destroy(&made);
  return st;
}

/* Invariance of the leading modes, out[invariant]; z is centred about the mean of all. */
static es_status invariance(es_snapshot *s, int64_t n, const double *z, double *out) {
  const es_dmat v = es_dmat_first_cols(vectors(s), s->invariant);
  es_dmat *a = NULL, *b = NULL;
  es_status st = ES_OK;
  double *const both = s->shared, *const all = both + s->invariant;
  if (s->invariant == 0) return ES_OK;
  memset(both, 0, 2 * sizeof(double) * (size_t) s->invariant);
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
  es_comm_sum_f64(s->grid->comm, both, 2 * (int64_t) s->invariant);
  for (int j = 0; j < s->invariant; j++) out[j] = all[j] > 0 ? both[j] / all[j] : NAN;
done:
  es_dmat_destroy(&b);
  es_dmat_destroy(&a);
  return st;
}

/* The first three of them, replicated: axis[3][D]. */
static void leading_axes(const es_snapshot *s, double *axis) {
  const int d = s->opt.dim;
  const es_dmat *const v = vectors(s);
  memset(axis, 0, sizeof(double) * 3 * (size_t) d);
  for (int j = 0; j < v->ln; j++) {
    const int col = es_dmat_col(v, j);
    if (col >= 3 || col >= s->k) continue;
    for (int i = 0; i < v->lm; i++) {
      axis[(size_t) col * (size_t) d + (size_t) es_dmat_row(v, i)] =
          v->a[(size_t) j * (size_t) v->lld + (size_t) i];
    }
  }
  es_comm_sum_f64(s->grid->comm, axis, 3 * (int64_t) d);
}

/* Coordinates of the centred first view on the leading three axes, by sample number. */
static es_status append_pca(es_snapshot *s, int64_t step, double time, int64_t n,
                            const int64_t *row, const double *z1) {
  const int d = s->opt.dim;
  leading_axes(s, s->axis);
  memset(s->pca, 0, sizeof(double) * 3 * (size_t) s->opt.samples);
  for (int64_t i = 0; i < n; i++) {
    for (int a = 0; a < 3; a++) {
      double sum = 0;
      for (int j = 0; j < d; j++)
        sum += z1[i * d + j] * s->axis[(size_t) a * (size_t) d + j];
      s->pca[3 * row[i] + a] = sum;
    }
  }
  es_comm_sum_f64(s->grid->comm, s->pca, 3 * s->opt.samples);
  return es_traj_append(s->traj, s->pca_series, step, time, s->pca);
}

/* z <- (z - mean) [/ std]: the loss's convention for C. Columns over all ranks. */
static es_status condition_view(const es_snapshot *s, double *z, int64_t n) {
  const int d = s->opt.dim;
  if (!s->opt.center && !s->opt.normalize) return ES_OK;
  double *m = s->moment, *var = s->moment + d;
  ES_TRY(es_cov_mean(s->grid->comm, z, n, d, m));
  memset(var, 0, sizeof(double) * (size_t) d);
  for (int64_t i = 0; i < n; i++) {
    for (int j = 0; j < d; j++) {
      z[i * d + j] -= m[j];
      var[j] += z[i * d + j] * z[i * d + j];
    }
  }
  if (!s->opt.normalize) return ES_OK;
  es_comm_sum_f64(s->grid->comm, var, d);
  for (int j = 0; j < d; j++) {
    var[j] = 1 / sqrt(var[j] / (double) s->opt.samples + ES_LOSS_BN_EPS);
  }
  for (int64_t i = 0; i < n; i++) {
    for (int j = 0; j < d; j++) z[i * d + j] *= var[j];
  }
  return ES_OK;
}

/* The cross-correlation first: it wants its own centring, on a copy. */
static es_status take_cross(es_snapshot *s, int64_t step, double time, int64_t n,
                            const double *z1, const double *z2) {
  const size_t bytes = sizeof(double) * (size_t) n * (size_t) s->opt.dim;
  const size_t count = (size_t) n * (size_t) s->opt.dim;
  double *copy = NULL;
  es_dmat *c = NULL;
  es_status st = es_comm_agree(s->grid->comm, ES_NEW(2 * count, &copy));
  if (st != ES_OK) goto done;
  memcpy(copy, z1, bytes);
  memcpy(copy + count, z2, bytes);
  ES_TRY_GOTO(condition_view(s, copy, n), done);
  ES_TRY_GOTO(condition_view(s, copy + count, n), done);
  ES_TRY_GOTO(es_cov_cross(s->grid, copy, copy + count, n, s->opt.dim, &c), done);
  ES_TRY_GOTO(solve(s, c, &s->of_cross), done);
  st = es_traj_append(s->traj, s->cross_series, step, time, s->row);
  lead(s, s->of_cross);
done:
  keep_start(&s->of_cross);
  es_dmat_destroy(&c);
  es_free(&copy);
  return st;
}

/* The covariance of the embeddings over their lengths, on a copy. */
static es_status take_unit(es_snapshot *s, int64_t step, double time, int64_t n,
                           const double *z) {
  const int64_t rows = s->shown * n;
  const int d = s->opt.dim;
  const es_embedding view = {.grid = s->grid, .d = d, .n = n, .z = z};
  double *unit = NULL;
  es_dmat *c = NULL;
  es_status st;
  ES_TRY_GOTO(es_metric_unit_rows(&view, s->shown, &unit), done);
  ES_TRY_GOTO(es_cov_covariance(s->grid, unit, rows, d, 1, &c), done);
  ES_TRY_GOTO(solve(s, c, &s->of_unit), done);
  st = es_traj_append(s->traj, s->unit_series, step, time, s->row);
  lead(s, s->of_unit);
done:
  keep_start(&s->of_unit);
  es_dmat_destroy(&c);
  es_free(&unit);
  return st;
}

static es_status take_covariance(es_snapshot *s, int64_t step, double time, int64_t n,
                                 const int64_t *row, double *z) {
  const int64_t rows = s->shown * n;
  es_dmat *c = NULL;
  es_status st;
  ES_TRY_GOTO(singular_values(s, z, rows), done);
  ES_TRY_GOTO(es_cov_covariance(s->grid, z, rows, s->opt.dim, 1, &c), done);
  if (values_only(s) && s->rows_total < s->opt.dim) {
    es_eigen *e = NULL; /* most of the matrix's eigenvalues are zeros */
    const double scale = 1 / (double) (s->rows_total - 1);
    ES_TRY_GOTO(values_of_rows(s, z, rows, scale, &e), done);
    record(s, e, &s->of_covariance);
  } else {
    ES_TRY_GOTO(solve(s, c, &s->of_covariance), done);
  }
  ES_TRY_GOTO(find_axes(s, c), done);
  ES_TRY_GOTO(invariance(s, n, z, s->row + s->k + 3), done);
  ES_TRY_GOTO(es_traj_append(s->traj, s->covariance_series, step, time, s->row), done);
  if (!(s->opt.cross_modes && s->cross) && !s->unit) lead(s, s->of_covariance);
  ES_TRY_GOTO(append_metrics(s, step, time, s->of_covariance), done);
  ES_TRY_GOTO(append_pca(s, step, time, n, row, z), done);
done:
  keep_start(&s->of_covariance);
  es_dmat_destroy(&c);
  return st;
}

/* One sentence for the user before the matrices would say it in theirs. */
static es_status check_finite(const es_snapshot *s, int64_t step, int64_t n,
                              const int64_t *row, const double *z) {
  const es_comm *const c = s->grid->comm;
  const int d = s->opt.dim;
  char where[32] = "";
  if (c->size > 1) snprintf(where, sizeof where, " on rank %d", c->rank);
  for (int64_t i = 0; i < s->views * n * d; i++) {
    ES_CHECK(isfinite(z[i]), ES_EMATH,
             "embedding of sample %lld is not finite at step %lld%s: value %d is %g",
             (long long) row[i / d % n], (long long) step, where, (int) (i % d), z[i]);
  }
  return ES_OK;
}

es_status es_snapshot_take(es_snapshot *s, int64_t step, double time, int64_t n,
                           const int64_t *row, double *z) {
  const double *z2 = z + n * s->opt.dim;
  ES_TRY(es_comm_agree(s->grid->comm, check_finite(s, step, n, row, z)));
  if (s->covariance) ES_TRY(measure_embeddings(s, n, row, z));
  if (s->cross) ES_TRY(take_cross(s, step, time, n, z, z2));
  if (s->unit) ES_TRY(take_unit(s, step, time, n, z));
  if (s->covariance) ES_TRY(take_covariance(s, step, time, n, row, z));
  return es_snapshot_follow(s, step, time);
}

const double *es_snapshot_values(const es_snapshot *s, int *k) {
  *k = s->k;
  return s->leading;
}

double es_snapshot_metric(const es_snapshot *s, const char *name) {
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  for (size_t i = 0; i < n; i++) {
    if (strcmp(list[i]->name, name) == 0) return s->metric[i];
  }
  return NAN;
}
