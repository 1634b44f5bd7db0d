/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_metrics.c  The metrics of a snapshot (metric_list.h): some of the
 *  embeddings themselves, the others of the covariance's spectrum. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "snapshot_private.h"

/* Is the series of this metric wanted? */
static bool is_wanted(const es_snapshot *s, const es_metric_ops *m) {
  if (m->of_training && s->opt.of != ES_SNAPSHOT_EMBEDDING) return false;
  return !m->on_request || (s->par.lidar > 0 && s->opt.pairs);
}

es_status es_snapshot_declare_metrics(es_snapshot *s) {
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  for (size_t i = 0; i < n; i++) {
    char group[ES_SNAPSHOT_PATH], path[ES_SNAPSHOT_PATH];
    s->metrics.series[i] = -1;
    if (!is_wanted(s, list[i])) continue;
    snprintf(group, sizeof group, "/metrics/%s", list[i]->name);
    es_snapshot_path(s, group, path);
    const es_traj_field f = ES_TRAJ_SCALAR("value", list[i]->unit, list[i]->doc);
    ES_TRY(es_traj_declare(s->traj, path, list[i]->doc, &f, 1, &s->metrics.series[i]));
  }
  return ES_OK;
}

/* Singular values of the uncentred Z: only where all are wanted. */
static es_status find_singular_values(es_snapshot *s, const es_embedding *e) {
  if (s->size.k < s->opt.dim) return ES_OK;
  es_eigen *of = NULL;
  ES_TRY(es_snapshot_values_of_rows(s, e->z, s->size.shown * e->n, 1, &of));
  /* against round-off below zero */
  for (int i = 0; i < s->size.k; i++) s->metrics.sigma[i] = sqrt(fmax(of->value[i], 0));
  es_eig_destroy(&of);
  return ES_OK;
}

es_status es_snapshot_measure_rows(es_snapshot *s, const es_embedding *e) {
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  if (s->matrices.described == NULL) return ES_OK;
  for (size_t i = 0; i < n; i++) {
    if (list[i]->measure == NULL || s->metrics.series[i] < 0) continue;
    ES_TRY(list[i]->measure(e, &s->metrics.value[i]));
  }
  return find_singular_values(s, e);
}

es_status es_snapshot_append_metrics(es_snapshot *s, const es_moment *now) {
  if (s->matrices.described == NULL) return ES_OK;
  const es_eigen *const e = s->matrices.described->spectrum;
  const es_spectrum sp = {.k = s->size.k,
                          .d = s->opt.dim,
                          .samples = s->size.rows,
                          .lambda = e->value,
                          .trace = e->trace,
                          .sigma = s->size.k == s->opt.dim ? s->metrics.sigma : NULL,
                          .independent = s->opt.samples,
                          .followed = s->matrices.followed->spectrum->value,
                          .settled = s->opt.settled};
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  for (size_t i = 0; i < n; i++) {
    double *const value = &s->metrics.value[i];
    if (s->metrics.series[i] < 0) continue;
    if (list[i]->eval != NULL) *value = list[i]->eval(&sp);
    ES_TRY(es_traj_append(s->traj, s->metrics.series[i], now->step, now->time, value));
  }
  return ES_OK;
}

double es_snapshot_metric(const es_snapshot *s, const char *name) {
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  for (size_t i = 0; i < n; i++) {
    if (strcmp(list[i]->name, name) == 0) return s->metrics.value[i];
  }
  return NAN;
}
