/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_setup.c  Section [spectrum], and the groups a snapshot appends to. */
#include "snapshot_private.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/cadence.h"
#include "eigenstep/mem.h"

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
        "vectors), serial (LAPACK on one rank) or, if built --with-elpa, elpa"),
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
    ES_INT(
        par, views, "0", 0, 2, "1",
        "eigenstep spectrum: views of each sample in the file; 2 also reads [N, 2, D]; "
        "0 = as the shape says"),
    ES_STRING(par, of, "embedding",
              "embedding (the projector's output), or embedding, features: the encoder's "
              "output too, with spectra, metrics and steps in groups below /features"),
    ES_STRING(par, keep, "none",
              "what of these is stored whole, z (the probe's embeddings) and/or vectors "
              "(eigenvectors of the matrix followed, as many as spectrum.top): /kept; or "
              "none"),
    ES_STRING(par, keep_every, "log2",
              "steps at which that is stored, and a snapshot taken, as spectrum.every; "
              "the first and last state always are"),
    ES_PARAM_END};

es_status es_snapshot_check(const es_spectrum_params *p, const es_snapshot_options *o) {
  const es_eig_ops *solver;
  es_cadence every;
  es_spectrum_kept kept;
  bool features;
  ES_TRY(es_spectrum_wants_features(p, &features));
  ES_TRY(es_spectrum_keeps(p, &kept));
  ES_TRY(es_cadence_parse(p->keep_every, "spectrum.keep_every", &every));
  ES_CHECK(p->top <= o->dim, ES_ECONFIG,
           "spectrum.top: got %lld modes, expected at most the embedding's %d dimensions",
           (long long) p->top, o->dim);
  if (strcmp(p->solver, "auto") != 0)
    ES_TRY(es_eig_find("spectrum.solver", p->solver, &solver));
  ES_TRY(es_cadence_parse(p->every, "spectrum.every", &every));
  ES_CHECK(p->lidar % 2 == 0, ES_ECONFIG,
           "spectrum.lidar: got %lld views, expected an even number: they come in pairs",
           (long long) p->lidar);
  return es_snapshot_check_matrices(p, o);
}

es_status es_spectrum_wants_features(const es_spectrum_params *p, bool *features) {
  enum { NAMES = 4 };
  char item[NAMES][64];
  size_t n = 0;
  *features = false;
  ES_TRY(es_split("spectrum.of", p->of, NAMES, item, &n));
  for (size_t i = 0; i < n; i++) {
    const bool is_features = strcmp(item[i], "features") == 0;
    ES_CHECK(is_features || strcmp(item[i], "embedding") == 0, ES_ECONFIG,
             "spectrum.of: got '%s', expected embedding or features, or both", item[i]);
    *features = *features || is_features;
  }
  return ES_OK;
}

void es_snapshot_path(const es_snapshot *s, const char *group,
                      char path[ES_SNAPSHOT_PATH]) {
  snprintf(path, ES_SNAPSHOT_PATH, "%s%s",
           s->opt.of == ES_SNAPSHOT_FEATURES ? "/features" : "", group);
}

const char *es_snapshot_noun(const es_snapshot *s) {
  return s->opt.of == ES_SNAPSHOT_FEATURES ? "features" : "embeddings";
}

es_transitions_options es_snapshot_follows(const es_snapshot_options *o, int modes) {
  /* any positive value counts as learned: its own final value is the level */
  if (o->of == ES_SNAPSHOT_FEATURES)
    return (es_transitions_options){.modes = modes, .rate = 8, .settled = DBL_MIN};
  return (es_transitions_options){.modes = modes,
                                  .rate = o->rate > 0 ? o->rate : 8,
                                  .settled = o->settled > 0 ? o->settled : 1,
                                  .alone = o->alone,
                                  .momentum = o->momentum,
                                  .nesterov = o->nesterov,
                                  .pairs = (double) o->samples};
}

int es_snapshot_views(const es_spectrum_params *p, const es_snapshot_options *o) {
  if (!o->pairs) return 1;
  return p->lidar > 2 ? (int) p->lidar : 2;
}

/* The group of a matrix's eigenvalues. */
static es_status declare_matrix(es_snapshot *s, es_matrix *m) {
  const int k = s->size.k, invariant = m->ops->described ? s->size.invariant : 0;
  char doc[200], path[ES_SNAPSHOT_PATH];
  es_snapshot_path(s, m->ops->path, path);
  snprintf(doc, sizeof doc, "eigenvalues of the %s, descending", m->ops->doc);
  const es_traj_field field[] = {
      ES_TRAJ_VECTOR("eigenvalues", k, "mode", "1", doc),
      ES_TRAJ_SCALAR("trace", "1", "trace of the matrix"),
      ES_TRAJ_SCALAR("residual", "1",
                     "||A V - V diag(lambda)||_F / ||A||_F; without vectors (K = D >= "
                     "1024) the larger error of sum lambda = trace A, sum lambda^2 = "
                     "||A||_F^2, over sqrt(D) ||A||_F, ||A||_F^2"),
      ES_TRAJ_SCALAR("orthogonality", "1",
                     "||V'V - I||_F / sqrt(K); NaN without vectors"),
      ES_TRAJ_VECTOR("invariance", invariant, invariant == k ? "mode" : "leading_mode",
                     "1",
                     "v'Cv / v'Sv of the eigenvectors v, S the covariance, C the "
                     "cross-correlation of the two views; 1 where the views agree")};
  return es_traj_declare(s->traj, path, m->ops->doc, field, invariant > 0 ? 5 : 4,
                         &m->series);
}

/* es_traj_read_followed and es_stored_transitions find the modes of the run by them. */
static es_status name_followed(es_snapshot *s) {
  es_h5 *const f = es_traj_h5(s->traj);
  char group[ES_SNAPSHOT_PATH], path[ES_SNAPSHOT_PATH];
  es_snapshot_path(s, "/spectrum", group);
  es_snapshot_path(s, s->matrices.followed->ops->path, path);
  if (!es_h5_has_attr(f, group, "samples"))
    ES_TRY(es_h5_attr_i64(f, group, "samples", s->opt.samples));
  if (es_h5_has_attr(f, group, "followed")) return ES_OK;
  return es_h5_attr_string(f, group, "followed", path);
}

static es_status declare_all(es_snapshot *s) {
  for (int i = 0; i < s->matrices.n; i++) ES_TRY(declare_matrix(s, &s->matrices.of[i]));
  ES_TRY(name_followed(s));
  if (s->matrices.described != NULL) {
    ES_TRY(es_snapshot_declare_metrics(s));
    ES_TRY(es_snapshot_declare_axes(s));
  }
  ES_TRY(es_snapshot_declare_kept(s));
  return es_snapshot_declare_forecast(s);
}

static void set_size(es_snapshot *s) {
  const bool pairs = s->opt.pairs;
  es_snapshot_size *const size = &s->size;
  size->k = s->par.top > 0 ? (int) s->par.top : s->opt.dim;
  size->modes = s->opt.of == ES_SNAPSHOT_FEATURES && size->k > ES_INVARIANT ? ES_INVARIANT
                                                                            : size->k;
  size->views = es_snapshot_views(&s->par, &s->opt);
  size->shown = pairs ? 2 : 1;
  size->rows = size->shown * s->opt.samples;
  const int known = es_snapshot_values_only(s) ? ES_AXES : ES_INVARIANT;
  size->invariant = !pairs ? 0 : size->k < known ? size->k : known;
}

static es_status allocate(es_snapshot *s) {
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list), d = (size_t) s->opt.dim, k = (size_t) s->size.k;
  const size_t invariant = (size_t) s->size.invariant;
  ES_TRY(ES_NEW(n, &s->metrics.series));
  ES_TRY(ES_NEW(n, &s->metrics.value));
  for (size_t i = 0; i < n; i++) s->metrics.value[i] = NAN;
  ES_TRY(ES_NEW(k, &s->metrics.sigma));
  ES_TRY(ES_NEW(ES_AXES * d, &s->axes.axis));
  ES_TRY(ES_NEW(ES_AXES * (size_t) s->opt.samples, &s->axes.pca));
  ES_TRY(ES_NEW(2 * invariant, &s->axes.products));
  ES_TRY(ES_NEW(k + 3 + invariant, &s->row));
  ES_TRY(ES_NEW(k, &s->modes.value));
  const es_transitions_options o = es_snapshot_follows(&s->opt, s->size.modes);
  return es_transitions_create(&o, &s->modes.detector);
}

es_status es_snapshot_create(const es_grid *g, es_traj *t, const es_spectrum_params *p,
                             const es_snapshot_options *o, es_snapshot **out) {
  es_snapshot *s = NULL;
  ES_TRY(es_snapshot_check(p, o));
  es_status st = ES_COMM_NEW(g->comm, 1, &s);
  if (st != ES_OK) goto fail;
  s->grid = g;
  s->traj = t;
  s->par = *p;
  s->opt = *o;
  if (s->opt.settled <= 0) s->opt.settled = 1;
  set_size(s);
  es_snapshot_choose_matrices(s);
  ES_TRY_GOTO(es_comm_agree(g->comm, allocate(s)), fail);
  ES_TRY_GOTO(declare_all(s), fail);
  *out = s;
  return ES_OK;
fail:
  es_snapshot_destroy(&s);
  return st;
}

void es_snapshot_destroy(es_snapshot **s) {
  if (*s == NULL) return;
  for (int i = 0; i < ES_MATRICES; i++) es_eig_destroy(&(*s)->matrices.of[i].spectrum);
  es_eig_destroy(&(*s)->axes.leading);
  es_transitions_destroy(&(*s)->modes.detector);
  es_free(&(*s)->axes.axis);
  es_free(&(*s)->axes.pca);
  es_free(&(*s)->axes.products);
  es_free(&(*s)->metrics.series);
  es_free(&(*s)->metrics.value);
  es_free(&(*s)->metrics.sigma);
  es_free(&(*s)->modes.value);
  es_free(&(*s)->row);
  es_free(s);
}

int64_t es_snapshot_bytes(const es_spectrum_params *p, const es_snapshot_options *o,
                          int ranks) {
  const int64_t views = es_snapshot_views(p, o), rows = (o->pairs ? 2 : 1) * o->samples;
  const bool by_rows = rows < o->dim && o->dim >= ES_WIDE && !o->pairs;
  const int64_t d = o->dim, order = by_rows ? rows : d;
  /* Matrix, its copy, vectors, verification product and the solver's workspace: about six
   * D x D block-cyclic, or of the order of the rows where these are few and wide;
   * embeddings once as given, once conditioned (without their mean
   * for LiDAR), once distributed. */
  return (6 * 8 * order * order + 3 * 8 * views * o->samples * d) / ranks +
         8 * (3 * o->samples + 8 * d);
}

int64_t es_snapshot_file_bytes(const es_spectrum_params *p,
                               const es_snapshot_options *o) {
  const int64_t k = p->top > 0 ? p->top : o->dim;
  const es_metric_ops *const *list;
  return 8 * (3 * (k + 3) + 3 * o->samples + 3 * (int64_t) es_metric_list(&list) + 15);
}
