/* SPDX-License-Identifier: BSD-3-Clause */
/** @file association.c  Regressors, R^2, permutations. */
#include "association.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"

/* Numbers that vary by less than this, of their size and of full scale, are alike. */
#define ALIKE 1e-6
#define LEVEL 0.99

/* A centred, normalised row orthogonal to the `before` rows above it; false: it does not
 * vary. */
static bool add_row(int points, const double *number, int before, double *row) {
  double mean = 0;
  for (int i = 0; i < points; i++) mean += number[i] / points;
  for (int i = 0; i < points; i++) row[i] = number[i] - mean;
  const double own = cblas_dnrm2(points, row, 1), size = sqrt(points);
  if (own <= ALIKE * size * fmax(fabs(mean), 1)) return false;
  for (int k = 1; k <= before; k++) {
    const double *const other = row - (int64_t) k * points;
    cblas_daxpy(points, -cblas_ddot(points, other, 1, row, 1), other, 1, row, 1);
  }
  const double left = cblas_dnrm2(points, row, 1);
  if (left <= ALIKE * own) return false;
  cblas_dscal(points, 1 / left, row, 1);
  return true;
}

/* One row a class that occurs: its members' share of a unit vector. Returns how many;
 * row NULL: only counted. */
static int add_classes(const es_study_numbers *s, double *row) {
  const int points = (int) (2 * s->pairs);
  int64_t classes = 0;
  int found = 0;
  for (int64_t i = 0; i < s->pairs; i++)
    if (s->label[i] >= classes) classes = s->label[i] + 1;
  for (int64_t k = 0; k < classes; k++) {
    int64_t count = 0;
    for (int64_t i = 0; i < s->pairs; i++) count += s->label[i] == k;
    if (count == 0) continue;
    for (int i = 0; i < points && row != NULL; i++)
      row[(int64_t) found * points + i] =
          s->label[i % s->pairs] == k ? 1 / sqrt(2.0 * (double) count) : 0;
    found++;
  }
  return found > 1 ? found : 0;
}

es_status es_study_regressors_make(const es_study_numbers *s, es_study_regressors *r) {
  const int points = (int) (2 * s->pairs), classes = add_classes(s, NULL);
  *r = (es_study_regressors){.points = points};
  ES_TRY(ES_NEW((int64_t) (ES_VIEW_NUMBERS + classes) * points, &r->row));
  for (int a = 0; a < ES_CLASS; a++) {
    const es_attribute *const t = &es_attribute_table[a];
    r->first[a] = r->all;
    for (int k = 0; k < t->columns; k++) {
      const double *const number = s->number + (int64_t) (t->first + k) * points;
      double *const row = r->row + (int64_t) r->all * points;
      if (add_row(points, number, r->all - r->first[a], row)) r->all++;
    }
  }
  r->first[ES_CLASS] = r->all;
  if (classes > 0) add_classes(s, r->row + (int64_t) r->all * points);
  r->first[ES_ATTRIBUTES] = r->all += classes;
  return ES_OK;
}

void es_study_regressors_free(es_study_regressors *r) {
  es_free(&r->row);
}

/* r2 of q; product [modes, all]: workspace. */
static void explain(const es_study_regressors *r, int modes, const double *q,
                    double *product, double *r2) {
  const int n = r->points, all = r->all;
  if (all > 0)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, modes, all, n, 1, q, n, r->row,
                n, 0, product, all);
  for (int k = 0; k < modes; k++)
    for (int a = 0; a < ES_ATTRIBUTES; a++) {
      double sum = es_study_has(r, a) ? 0 : NAN;
      for (int i = r->first[a]; i < r->first[a + 1]; i++)
        sum += product[(int64_t) k * all + i] * product[(int64_t) k * all + i];
      r2[k * ES_ATTRIBUTES + a] = sum;
    }
}

es_status es_study_explain(const es_study_regressors *r, int modes, const double *q,
                           double *r2) {
  double *product = NULL;
  ES_TRY(ES_NEW((int64_t) modes * r->all, &product));
  explain(r, modes, q, product, r2);
  es_free(&product);
  return ES_OK;
}

es_status es_study_null_open(int permutations, uint64_t seed, es_study_null *n) {
  *n = (es_study_null){.permutations = permutations, .seed = seed};
  return ES_NEW(permutations * ES_ATTRIBUTES, &n->most);
}

void es_study_null_free(es_study_null *n) {
  es_free(&n->most);
}

/* Workspace of a permutation. */
typedef struct shuffle {
  int *order;               /* [pairs] */
  double *q, *product, *r2; /* of the modes as they are exchanged */
} shuffle;

static es_status shuffle_open(const es_study_regressors *r, int modes, shuffle *w) {
  *w = (shuffle){.order = NULL};
  ES_TRY(ES_NEW(r->points / 2, &w->order));
  ES_TRY(ES_NEW((int64_t) modes * r->points, &w->q));
  ES_TRY(ES_NEW((int64_t) modes * r->all, &w->product));
  return ES_NEW(modes * ES_ATTRIBUTES, &w->r2);
}

static void shuffle_close(shuffle *w) {
  es_free(&w->order);
  es_free(&w->q);
  es_free(&w->product);
  es_free(&w->r2);
}

static void shuffle_pairs(uint64_t seed, int draw, int pairs, int *order) {
  es_rng rng = es_rng_at(seed, ES_STREAM_BOOTSTRAP, (uint64_t) draw, 1);
  for (int i = 0; i < pairs; i++) order[i] = i;
  for (int i = pairs - 1; i > 0; i--) {
    const int j = (int) es_rng_below(&rng, (uint64_t) i + 1), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
}

static void add_draw(const es_study_regressors *r, int modes, const double *q, int draw,
                     shuffle *w, es_study_null *n) {
  const int points = r->points, pairs = points / 2;
  shuffle_pairs(n->seed, draw, pairs, w->order);
  for (int64_t k = 0; k < modes; k++)
    for (int i = 0; i < points; i++)
      w->q[k * points + i] = q[k * points + i / pairs * pairs + w->order[i % pairs]];
  explain(r, modes, w->q, w->product, w->r2);
  double *const most = n->most + (int64_t) draw * ES_ATTRIBUTES;
  for (int k = 0; k < modes; k++)
    for (int a = 0; a < ES_ATTRIBUTES; a++)
      most[a] = fmax(most[a], w->r2[k * ES_ATTRIBUTES + a]); /* fmax ignores NaN */
}

es_status es_study_null_add(const es_comm *c, const es_study_regressors *r, int modes,
                            const double *q, es_study_null *n) {
  shuffle w;
  const es_status st = es_comm_agree(c, shuffle_open(r, modes, &w));
  for (int i = c->rank; i < n->permutations && st == ES_OK; i += c->size)
    add_draw(r, modes, q, i, &w, n);
  shuffle_close(&w);
  if (st == ES_OK) es_comm_max_f64(c, n->most, (int64_t) n->permutations * ES_ATTRIBUTES);
  return st;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

es_status es_study_null_level(const es_study_null *n, double *level) {
  double *sorted = NULL;
  ES_TRY(ES_NEW(n->permutations, &sorted));
  for (int a = 0; a < ES_ATTRIBUTES; a++) {
    for (int i = 0; i < n->permutations; i++)
      sorted[i] = n->most[(int64_t) i * ES_ATTRIBUTES + a];
    qsort(sorted, (size_t) n->permutations, sizeof *sorted, ascending);
    level[a] = sorted[(int) ceil(LEVEL * n->permutations) - 1];
  }
  es_free(&sorted);
  return ES_OK;
}

double es_study_null_p(const es_study_null *n, int attribute, double r2) {
  int above = 1;
  if (isnan(r2)) return NAN;
  for (int i = 0; i < n->permutations; i++)
    above += n->most[(int64_t) i * ES_ATTRIBUTES + attribute] >= r2;
  return (double) above / (n->permutations + 1);
}
