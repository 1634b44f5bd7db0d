/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_setup.c  Section [spectrum], and the groups a snapshot appends to. */
#include "snapshot_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/cadence.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

typedef es_spectrum_params par;
const es_param es_spectrum_table[] = {
    ES_STRING(
        par, every, "100",
        "steps between snapshots: a number, log2, or an ascending list of steps and "
        "ranges FIRST:EVERY:LAST, like 0:2:20, 30:10; the first and last state are "
        "always measured"),
    ES_INT(par, probe, "1024", 2, 1e9, "pairs",
           "held-out pairs, fixed for the run, on which spectrum and probe loss are "
           "measured"),
    ES_INT(par, top, "0", 0, 1e6, "1", "eigenvalues kept, largest first; 0 = all"),
    ES_STRING(
        par, solver, "auto",
        "auto, syevd, syevr (ScaLAPACK), subspace (iterates from the last snapshot's "
        "vectors) or serial (LAPACK on every rank)"),
    ES_CHOICE(par, precision, "f32", "f32|bf16",
              "type of activations in the probe's forward passes; bf16 only where "
              "backend.precision is, and with a floor of 4e-6 of the top eigenvalue"),
    ES_CHOICE(par, bn, "batch", "batch|running",
              "statistics of batch normalisation in the probe's forward passes"),
    ES_STRING(
        par, matrices, "covariance, cross",
        "covariance (of the centred embeddings), cross (symmetrised cross-correlation)"),
    ES_INT(
        par, lidar, "0", 0, 1000, "views",
        "views of each probe sample for the metric LiDAR, an even number; 0 = off. Costs "
        "two more eigenproblems a snapshot and lidar / 2 - 1 more passes over the probe"),
    ES_PARAM_END};

/* Which matrices are wanted; cross only where there are pairs. */
static es_status parse_matrices(const es_spectrum_params *p, bool pairs, bool *covariance,
                                bool *cross) {
  char item[4][64];
  size_t n = 0;
  ES_TRY(es_split("spectrum.matrices", p->matrices, 4, item, &n));
  *covariance = *cross = false;
  for (size_t i = 0; i < n; i++) {
    const bool is_cov = strcmp(item[i], "covariance") == 0;
    const bool is_cross = strcmp(item[i], "cross") == 0;
    ES_CHECK(is_cov || is_cross, ES_ECONFIG,
             "spectrum.matrices: got '%s', expected covariance and/or cross", item[i]);
    *covariance = *covariance || is_cov;
    *cross = *cross || (is_cross && pairs);
  }
  ES_CHECK(*covariance || *cross, ES_ECONFIG,
           "spectrum.matrices: got '%s', expected at least one of covariance, cross%s",
           p->matrices, pairs ? "" : " (cross needs pairs)");
  return ES_OK;
}

es_status es_snapshot_check(const es_spectrum_params *p, const es_snapshot_options *o) {
  const es_eig_ops *const *list;
  const size_t n = es_eig_list(&list);
  const void *found;
  es_cadence every;
  bool covariance, cross;
  ES_CHECK(p->top <= o->dim, ES_ECONFIG,
           "spectrum.top: got %lld modes, expected at most the embedding's %d dimensions",
           (long long) p->top, o->dim);
  if (strcmp(p->solver, "auto") != 0)
    ES_TRY(es_registry_find("spectrum.solver", p->solver, (const void *const *) list, n,
                            &found));
  ES_TRY(es_cadence_parse(p->every, "spectrum.every", &every));
  ES_CHECK(p->lidar % 2 == 0, ES_ECONFIG,
           "spectrum.lidar: got %lld views, expected an even number: they come in pairs",
           (long long) p->lidar);
  return parse_matrices(p, o->pairs, &covariance, &cross);
}

int es_snapshot_views(const es_spectrum_params *p, const es_snapshot_options *o) {
  if (!o->pairs) return 1;
  return p->lidar > 2 ? (int) p->lidar : 2;
}

/* The group of a matrix's eigenvalues; `invariant` modes have an invariance. */
static es_status declare_matrix(es_snapshot *s, const char *path, const char *what,
                                int invariant, int *id) {
  char doc[200];
  snprintf(doc, sizeof doc, "eigenvalues of the %s, descending", what);
  const es_traj_field field[] = {
      ES_TRAJ_VECTOR("eigenvalues", s->k, "mode", "1", doc),
      ES_TRAJ_SCALAR("trace", "1", "trace of the matrix"),
      ES_TRAJ_SCALAR("residual", "1",
                     "||A V - V diag(lambda)||_F / ||A||_F; without vectors (K = D >= "
                     "1024) the larger "
                     "error of sum lambda = trace A, sum lambda^2 = ||A||_F^2, over "
                     "sqrt(D) ||A||_F, "
                     "||A||_F^2"),
      ES_TRAJ_SCALAR("orthogonality", "1",
                     "||V'V - I||_F / sqrt(K); NaN without vectors"),
      ES_TRAJ_VECTOR("invariance", invariant, invariant == s->k ? "mode" : "leading_mode",
                     "1",
                     "v'Cv / v'Sv of the eigenvectors v, S the covariance, C that of the "
                     "two views; 1 "
                     "where the views agree")};
  return es_traj_declare(s->traj, path, what, field, invariant > 0 ? 5 : 4, id);
}

/* Is the series of this metric wanted? */
static bool wanted(const es_snapshot *s, const es_metric_ops *m) {
  return !m->on_request || (s->par.lidar > 0 && s->opt.pairs);
}

static es_status declare_metrics(es_snapshot *s) {
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  for (size_t i = 0; i < n; i++) {
    char path[128];
    s->metric_series[i] = -1;
    if (!wanted(s, list[i])) continue;
    snprintf(path, sizeof path, "/metrics/%s", list[i]->name);
    const es_traj_field f = ES_TRAJ_SCALAR("value", list[i]->unit, list[i]->doc);
    ES_TRY(es_traj_declare(s->traj, path, list[i]->doc, &f, 1, &s->metric_series[i]));
  }
  return ES_OK;
}

static es_status declare_all(es_snapshot *s) {
  if (s->covariance) {
    ES_TRY(declare_matrix(s, "/spectrum/covariance",
                          "centred embedding covariance of the probe set (ddof 1)",
                          s->invariant, &s->covariance_series));
    ES_TRY(declare_metrics(s));
    const es_traj_field pca = ES_TRAJ_MATRIX(
        "pca", s->opt.samples, "sample", 3, "axis", "1",
        "probe embeddings (first view, centred) on their top three principal directions");
    ES_TRY(es_traj_declare(s->traj, "/embedding", "the probe set's embeddings", &pca, 1,
                           &s->pca_series));
  }
  if (s->unit) {
    ES_TRY(declare_matrix(s, "/spectrum/unit_covariance",
                          "centred covariance of the probe set's embeddings over their "
                          "lengths (ddof 1)",
                          0, &s->unit_series));
  }
  if (s->cross) {
    ES_TRY(declare_matrix(s, "/spectrum/cross_correlation",
                          "symmetrised cross-correlation of the probe set's two views", 0,
                          &s->cross_series));
  }
  return es_snapshot_declare_forecast(s);
}

static es_status allocate(es_snapshot *s) {
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list), d = (size_t) s->opt.dim, k = (size_t) s->k;
  ES_TRY(ES_NEW(n, &s->metric_series));
  ES_TRY(ES_NEW(n, &s->metric));
  for (size_t i = 0; i < n; i++) s->metric[i] = NAN;
  ES_TRY(ES_NEW(k + 3 + (size_t) s->invariant, &s->row));
  ES_TRY(ES_NEW(k, &s->leading));
  ES_TRY(ES_NEW(k, &s->sigma));
  ES_TRY(ES_NEW(2 * d, &s->moment));
  ES_TRY(ES_NEW(3 * d, &s->axis));
  ES_TRY(ES_NEW(3 * (size_t) s->opt.samples, &s->pca));
  ES_TRY(ES_NEW(2 * (size_t) s->invariant, &s->shared));
  const es_steps_options o = {.modes = s->k,
                              .rate = s->opt.rate > 0 ? s->opt.rate : 8,
                              .settled = s->opt.settled,
                              .alone = s->opt.alone};
  return es_steps_create(&o, &s->steps);
}

es_status es_snapshot_create(const es_grid *g, es_traj *t, const es_spectrum_params *p,
                             const es_snapshot_options *o, es_snapshot **out) {
  es_snapshot *s = NULL;
  ES_TRY(es_snapshot_check(p, o));
  es_status st = es_comm_agree(g->comm, ES_NEW(1, &s));
  if (st != ES_OK) goto fail;
  s->grid = g;
  s->traj = t;
  s->par = *p;
  s->opt = *o;
  if (s->opt.settled <= 0) s->opt.settled = 1;
  s->k = p->top > 0 ? (int) p->top : o->dim;
  s->views = es_snapshot_views(p, o);
  s->shown = o->pairs ? 2 : 1;
  s->rows_total = s->shown * o->samples;
  const int known = s->k == o->dim && s->k >= ES_WIDE ? ES_AXES : ES_INVARIANT;
  s->invariant = !o->pairs ? 0 : s->k < known ? s->k : known;
  ES_TRY_GOTO(parse_matrices(p, o->pairs, &s->covariance, &s->cross), fail);
  s->unit = o->unit && s->covariance;
  ES_TRY_GOTO(es_comm_agree(g->comm, allocate(s)), fail);
  ES_TRY_GOTO(declare_all(s), fail);
  *out = s;
  return ES_OK;
fail:
  es_snapshot_destroy(&s);
  return st;
}

es_status es_snapshot_label(es_snapshot *s, int64_t first, int64_t n,
                            const int64_t *label, const char *names) {
  static const char path[] = "/embedding/label";
  es_h5 *const f = es_traj_h5(s->traj);
  if (!s->covariance) return ES_OK;
  if (es_traj_resumed(s->traj) && es_h5_exists(f, path)) return ES_OK;
  ES_TRY(es_h5_declare(
      f, &(es_h5_dataset){.path = path,
                          .type = ES_H5_I64,
                          .ndim = 1,
                          .dim = {s->opt.samples},
                          .units = "1",
                          .doc = "class of each sample, from 0 on; -1: none"}));
  ES_TRY(es_h5_attach(f, path, 0, "/embedding/sample"));
  if (names != NULL) ES_TRY(es_h5_attr_string(f, path, "class_names", names));
  return es_h5_write_rows(f, path, ES_H5_I64, first, n, label);
}

void es_snapshot_destroy(es_snapshot **s) {
  if (*s == NULL) return;
  es_eig_destroy(&(*s)->axes);
  es_eig_destroy(&(*s)->of_cross);
  es_eig_destroy(&(*s)->of_unit);
  es_eig_destroy(&(*s)->of_covariance);
  es_steps_destroy(&(*s)->steps);
  es_free(&(*s)->metric_series);
  es_free(&(*s)->metric);
  es_free(&(*s)->row);
  es_free(&(*s)->leading);
  es_free(&(*s)->sigma);
  es_free(&(*s)->moment);
  es_free(&(*s)->axis);
  es_free(&(*s)->pca);
  es_free(&(*s)->shared);
  es_free(s);
}

int64_t es_snapshot_bytes(const es_spectrum_params *p, const es_snapshot_options *o,
                          int ranks) {
  const int64_t d = o->dim, views = es_snapshot_views(p, o);
  /* Matrix, its copy, vectors, verification product and the solver's workspace: about six
   * D x D block-cyclic; embeddings once as given, once conditioned (without their mean
   * for LiDAR), once distributed. */
  return (6 * 8 * d * d + 3 * 8 * views * o->samples * d) / ranks +
         8 * (3 * o->samples + 8 * d);
}

int64_t es_snapshot_file_bytes(const es_spectrum_params *p,
                               const es_snapshot_options *o) {
  const int64_t k = p->top > 0 ? p->top : o->dim;
  const es_metric_ops *const *list;
  return 8 * (3 * (k + 3) + 3 * o->samples + 3 * (int64_t) es_metric_list(&list) + 15);
}
