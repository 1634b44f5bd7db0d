/* SPDX-License-Identifier: BSD-3-Clause */
/** @file measure.c  Similarities of all pairs of sources. */
#include "measure.h"

#include "eigenstep/mem.h"

enum { SINGLE = 4, PER_MODE = 3 };

static int64_t numbers_of(int64_t n, int64_t k) {
  return n * n * (SINGLE + PER_MODE * k + k * k);
}

static void place(es_compared *m) {
  const int64_t all = (int64_t) m->n * m->n;
  double **const single[SINGLE] = {&m->cka, &m->cka_unbiased, &m->neighbours, &m->svcca};
  double **const per_mode[PER_MODE] = {&m->subspace, &m->error, &m->angles};
  double *at = m->room;
  for (int i = 0; i < SINGLE; i++, at += all) *single[i] = at;
  for (int i = 0; i < PER_MODE; i++, at += all * m->k) *per_mode[i] = at;
  m->modes = at;
}

static es_embedded embedded(const es_compare_source *s) {
  return (es_embedded){{s->d, s->f}, s->ordered};
}

/* q [sources][k, points]: modes of each. */
static es_status find_modes(const es_compare_set *set, int k, double *q) {
  for (int i = 0; i < set->n; i++)
    ES_TRY(es_embedded_modes(set->points, embedded(&set->source[i]), k,
                             q + (int64_t) i * k * set->points, NULL));
  return ES_OK;
}

/* Row a, column b. angle: [k, k] workspace. */
static es_status compare_two(const es_compare_set *set, const es_compare_how *how,
                             const double *q, int a, int b, double *angle,
                             const es_compared *m) {
  const int n = set->points, k = m->k;
  const int64_t at = (int64_t) a * m->n + b;
  const double *const of_a = q + (int64_t) a * k * n, *const of_b =
                                                          q + (int64_t) b * k * n;
  const es_embedded x = embedded(&set->source[a]), y = embedded(&set->source[b]);
  const es_bootstrap draws = {how->draws, 1, set->pairs};
  double cka[2];
  es_modes_overlap(n, (es_outputs){k, of_a}, (es_outputs){k, of_b}, 1,
                   m->subspace + at * k);
  es_modes_cosines(n, k, of_a, of_b, m->modes + at * k * k);
  ES_TRY(es_overlap_errors(n, k, x, y, draws, m->error + at * k));
  ES_TRY(es_modes_angles(n, k, of_a, of_b, angle));
  for (int j = 0; j < k; j++) m->angles[at * k + j] = angle[(k - 1) * k + j];
  ES_TRY(es_cka(n, x.outputs, y.outputs, cka));
  m->cka[at] = cka[0];
  m->cka_unbiased[at] = cka[1];
  ES_TRY(
      es_mutual_neighbours(n, x.outputs, y.outputs, how->neighbours, &m->neighbours[at]));
  return es_svcca(n, x.outputs, y.outputs, &m->svcca[at]);
}

/* This rank's pairs. */
static es_status compare_own(const es_comm *c, const es_compare_set *set,
                             const es_compare_how *how, const es_compared *m) {
  double *q = NULL, *angle = NULL;
  es_status st = ES_NEW((int64_t) set->n * m->k * set->points, &q);
  if (st == ES_OK) st = ES_NEW(m->k * m->k, &angle);
  if (st == ES_OK) st = find_modes(set, m->k, q);
  for (int i = c->rank; i < set->n * set->n && st == ES_OK; i += c->size)
    st = es_stop_alone(set->stop, c) != ES_STOP_NONE
             ? ES_STOPPED
             : compare_two(set, how, q, i / set->n, i % set->n, angle, m);
  es_free(&angle);
  es_free(&q);
  return st;
}

es_status es_compare_measure(const es_comm *c, const es_compare_set *set,
                             const es_compare_how *how, es_compared *m) {
  *m = (es_compared){.n = set->n, .k = how->modes};
  for (int i = 0; i < set->n; i++)
    if (set->source[i].d < m->k) m->k = set->source[i].d;
  if (set->points - 1 < m->k) m->k = set->points - 1;
  ES_TRY(ES_COMM_NEW(c, numbers_of(m->n, m->k), &m->room));
  place(m);
  const es_status st = es_comm_agree(c, compare_own(c, set, how, m));
  if (st == ES_STOPPED) {
    es_stop_share(set->stop, c);
    es_info("stopped between two comparisons (%s): there is no result, and nothing to go "
            "on from",
            es_stop_name(set->stop->cause));
  }
  if (st == ES_OK)
    es_comm_sum_f64(c, m->room, numbers_of(m->n, m->k));
  else
    es_compared_free(m);
  return st;
}

void es_compared_free(es_compared *m) {
  es_free(&m->room);
}
