/* SPDX-License-Identifier: BSD-3-Clause */
/** @file nested.c  The order of learning, and split halves. */
#include "nested.h"

#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"

/* Directions that are left with less than this of their length are of those before. */
#define SMALLEST 1e-6

/* x [n] loses its part in the `rows` orthonormal rows of basis [rows, n]; twice, against
 * round-off. */
static void remove_part(int n, int rows, const double *basis, double *x) {
  for (int i = 0; i < 2 * rows; i++) {
    const double *const row = basis + (int64_t) (i % rows) * n;
    cblas_daxpy(n, -cblas_ddot(n, row, 1, x, 1), row, 1, x, 1);
  }
}

/* rows [k, n] made orthonormal; returns how many are independent. */
static int orthonormalise(int n, int k, double *rows) {
  int found = 0;
  for (int i = 0; i < k; i++) {
    double *const row = rows + (int64_t) i * n, *const to = rows + (int64_t) found * n;
    remove_part(n, found, rows, row);
    const double left = cblas_dnrm2(n, row, 1);
    if (left < SMALLEST) continue;
    memmove(to, row, (size_t) n * sizeof *to);
    cblas_dscal(n, 1 / left, to, 1);
    found++;
  }
  return found;
}

/* Unit vector a [n] orthogonal to `rows` < n orthonormal rows: what is left of the unit
 * vector that loses least, the last of those that lose as little. */
static void complement(int n, int rows, const double *basis, double *a) {
  int best = n - 1;
  double least = INFINITY;
  for (int j = n - 1; j >= 0; j--) {
    const double lost = cblas_dnrm2(rows, basis + j, n);
    if (lost < least - SMALLEST) {
      least = lost;
      best = j;
    }
  }
  memset(a, 0, (size_t) n * sizeof *a);
  a[best] = 1;
  remove_part(n, rows, basis, a);
  cblas_dscal(n, 1 / cblas_dnrm2(n, a, 1), a, 1);
}

es_status es_study_nested(const es_study_modes *m, int k, const double *before, double *q,
                          double *w) {
  const int n = k + 1;
  double *c = NULL; /* [k, k + 1] of the modes before, then a [k + 1] */
  ES_TRY(ES_NEW((int64_t) n * n, &c));
  double *const a = c + (int64_t) k * n;
  if (k > 0)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, k, n, m->points, 1, before,
                m->points, m->q, m->points, 0, c, n);
  complement(n, orthonormalise(n, k, c), c, a);
  memset(q, 0, (size_t) m->points * sizeof *q);
  memset(w, 0, (size_t) m->d * sizeof *w);
  for (int j = 0; j < n; j++) {
    const double size = sqrt(m->value[j] * m->points);
    cblas_daxpy(m->points, a[j], m->q + (int64_t) j * m->points, 1, q, 1);
    if (size > 0) cblas_daxpy(m->d, a[j] / size, m->axis + (int64_t) j * m->d, 1, w, 1);
  }
  es_free(&c);
  return ES_OK;
}

/* Points of the pairs of one half, both views of each; returns how many. */
static int choose(int points, uint64_t seed, int half, int *point) {
  const int pairs = points / 2;
  int n = 0;
  for (int i = 0; i < points; i++) {
    const uint64_t place = es_permute(seed, 0, (uint64_t) pairs, (uint64_t) (i % pairs));
    if ((int) (place % 2) == half) point[n++] = i;
  }
  return n;
}

es_status es_study_halves_find(const es_study_modes *m, const double *z, uint64_t seed,
                               es_study_halves *h) {
  const int d = m->d;
  double *part = NULL;
  *h = (es_study_halves){.point = {NULL, NULL}};
  es_status st = ES_NEW((int64_t) m->points * d, &part);
  for (int i = 0; i < 2 && st == ES_OK; i++) {
    ES_TRY_GOTO(ES_NEW(m->points, &h->point[i]), done);
    const int n = choose(m->points, seed, i, h->point[i]);
    for (int k = 0; k < n; k++)
      cblas_dcopy(d, z + (int64_t) h->point[i][k] * d, 1, part + (int64_t) k * d, 1);
    st = es_study_modes_find(n, d, part, m->k, &h->of[i]);
  }
done:
  es_free(&part);
  return st;
}

void es_study_halves_free(es_study_halves *h) {
  for (int i = 0; i < 2; i++) {
    es_study_modes_free(&h->of[i]);
    es_free(&h->point[i]);
  }
}

/* |correlation| of z a and z b over the points. */
static double correlate(int points, int d, const double *z, const double *a,
                        const double *b) {
  double sum[2] = {0}, aa = 0, bb = 0, ab = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < points; i++) {
      const double x = cblas_ddot(d, z + (int64_t) i * d, 1, a, 1);
      const double y = cblas_ddot(d, z + (int64_t) i * d, 1, b, 1);
      if (pass == 0) {
        sum[0] += x / points;
        sum[1] += y / points;
      } else {
        aa += (x - sum[0]) * (x - sum[0]);
        bb += (y - sum[1]) * (y - sum[1]);
        ab += (x - sum[0]) * (y - sum[1]);
      }
    }
  return aa > 0 && bb > 0 ? fabs(ab) / sqrt(aa * bb) : NAN;
}

double es_study_halves_component(const es_study_halves *h, int points, const double *z,
                                 int k) {
  const int d = h->of[0].d;
  return correlate(points, d, z, h->of[0].axis + (int64_t) k * d,
                   h->of[1].axis + (int64_t) k * d);
}

es_status es_study_halves_nested(const es_study_halves *h, int points, const double *z,
                                 int k, const double *before, double *agree) {
  const int d = h->of[0].d;
  double *part = NULL, *w = NULL;
  es_status st = ES_NEW((int64_t) (k + 1) * points, &part); /* its own mode comes last */
  if (st == ES_OK) st = ES_NEW(2 * d, &w);
  for (int i = 0; i < 2 && st == ES_OK; i++) {
    const es_study_modes *const own = &h->of[i];
    for (int64_t j = 0; j < k; j++)
      for (int p = 0; p < own->points; p++)
        part[j * own->points + p] = before[j * points + h->point[i][p]];
    st = es_study_nested(own, k, part, part + (int64_t) k * own->points, w + i * d);
  }
  if (st == ES_OK) *agree = correlate(points, d, z, w, w + d);
  es_free(&w);
  es_free(&part);
  return st;
}
