/* SPDX-License-Identifier: BSD-3-Clause */
/** @file agreement.c  Similarity of learned and predicted embeddings, mode by mode. */
#include "agreement.h"

#include <math.h>
#include "eigenstep/mem.h"

enum { VECTORS = 8, MATRICES = 2 };

static int64_t numbers_of(int64_t k) {
  return VECTORS * k + MATRICES * k * k;
}

static void place(es_ntk_agreement *a) {
  double **const vector[VECTORS] = {&a->subspace,     &a->error,     &a->chance,
                                    &a->in_triple,    &a->variance,  &a->cka,
                                    &a->cka_unbiased, &a->neighbours};
  double *at = a->room;
  for (int i = 0; i < VECTORS; i++, at += a->k) *vector[i] = at;
  a->modes = at;
  a->angles = at + (int64_t) a->k * a->k;
}

/* Outputs [d, 2 count] of the chosen points, of rows [2 pairs, d]. */
static void choose_rows(const es_ntk_points_of *of, double *to) {
  for (int j = 0; j < of->d; j++)
    for (int v = 0; v < 2; v++)
      for (int64_t i = 0; i < of->count; i++)
        *to++ = of->learned[(v * of->pairs + of->first + i) * of->d + j];
}

static void choose_columns(const es_ntk_points_of *of, double *to) {
  for (int64_t j = 0; j < of->modes; j++)
    for (int v = 0; v < 2; v++)
      for (int64_t i = 0; i < of->count; i++)
        *to++ = of->predicted[(2 * j + v) * of->pairs + of->first + i];
}

/* Points of both, and their modes. */
typedef struct sides {
  int n, k;
  es_embedded learned, predicted;
  double *f[2], *q[2];
} sides;

static es_status sides_open(const es_ntk_points_of *of, int k, sides *s) {
  s->n = (int) (2 * of->count);
  s->k = k;
  ES_TRY(ES_NEW((int64_t) s->n * of->d, &s->f[0]));
  ES_TRY(ES_NEW((int64_t) s->n * of->modes, &s->f[1]));
  ES_TRY(ES_NEW((int64_t) s->n * k, &s->q[0]));
  ES_TRY(ES_NEW((int64_t) s->n * of->modes, &s->q[1]));
  choose_rows(of, s->f[0]);
  choose_columns(of, s->f[1]);
  s->learned = (es_embedded){{of->d, s->f[0]}, false};
  s->predicted = (es_embedded){{of->modes, s->f[1]}, true};
  return ES_OK;
}

static void sides_close(sides *s) {
  for (int i = 0; i < 2; i++) {
    es_free(&s->f[i]);
    es_free(&s->q[i]);
  }
}

static es_status compare_points(const sides *s, int neighbours, es_ntk_agreement *a) {
  for (int j = 0; j < s->k; j++) {
    const es_outputs first = {j + 1, s->f[1]};
    double cka[2];
    ES_TRY(es_cka(s->n, s->learned.outputs, first, cka));
    a->cka[j] = cka[0];
    a->cka_unbiased[j] = cka[1];
    ES_TRY(es_mutual_neighbours(s->n, s->learned.outputs, first, neighbours,
                                &a->neighbours[j]));
  }
  return ES_OK;
}

/* Rank 0. The first s->k modes, in arrays of a->k = s->k. */
static es_status compute(const es_ntk_points_of *of, es_bootstrap how, int neighbours,
                         es_ntk_agreement *a) {
  sides s = {.f = {NULL, NULL}};
  es_status st;
  ES_TRY_GOTO(sides_open(of, a->k, &s), done);
  const int n = s.n, k = s.k;
  ES_TRY_GOTO(es_embedded_modes(n, s.learned, k, s.q[0], a->variance), done);
  ES_TRY_GOTO(es_embedded_modes(n, s.predicted, of->modes, s.q[1], NULL), done);
  const es_outputs learned = {k, s.q[0]}, predicted = {of->modes, s.q[1]};
  es_modes_overlap(n, learned, predicted, 1, a->subspace);
  es_modes_overlap(n, learned, predicted, 3, a->in_triple);
  es_modes_cosines(n, k, s.q[0], s.q[1], a->modes);
  for (int j = 0; j < k; j++) a->chance[j] = (j + 1.0) / (n - 1 > j ? n - 1 : j + 1);
  ES_TRY_GOTO(es_modes_angles(n, k, s.q[0], s.q[1], a->angles), done);
  ES_TRY_GOTO(es_overlap_errors(n, k, s.learned, s.predicted, how, a->error), done);
  st = compare_points(&s, neighbours, a);
done:
  sides_close(&s);
  return st;
}

es_status es_ntk_agree(const es_comm *c, const es_ntk_points_of *of, int k,
                       es_bootstrap how, int neighbours, es_ntk_agreement *a) {
  const int64_t size = numbers_of(k);
  *a = (es_ntk_agreement){.k = k};
  es_status st = ES_COMM_NEW(c, size, &a->room);
  if (st != ES_OK) return st;
  place(a);
  for (int64_t i = 0; i < size; i++) a->room[i] = NAN;
  st = es_comm_agree(c, c->rank == 0 ? compute(of, how, neighbours, a) : ES_OK);
  if (st == ES_OK)
    es_comm_bcast(c, a->room, (size_t) size * sizeof *a->room, 0);
  else
    es_ntk_agreement_free(a);
  return st;
}

void es_ntk_agreement_free(es_ntk_agreement *a) {
  es_free(&a->room);
}
