/* SPDX-License-Identifier: BSD-3-Clause */
/** @file crossings.c  Times at which the eigenvalues of a small matrix cross thresholds.
 *
 *  Sylvester's law of inertia: the number of eigenvalues above t is the number of
 *  positive pivots of C - t I. That costs less than a step, so every step is checked;
 *  eigenvalues are computed only before and after a crossing, and interpolated in
 *  ln(lambda / (2 t - lambda)), which is linear in time for a logistic curve. */
#include <math.h>
#include <string.h>
#include "eigenstep/descent.h"
#include "eigenstep/mem.h"

/** LAPACK: eigenvalues of a symmetric matrix, ascending. */
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
            double *w, double *work, const int *lwork, int *info);

struct es_crossings {
  int d, count;
  bool started;
  double before; /* time of `last` */
  double *threshold, *crossing, *last, *pivots, *work, *old_values, *new_values;
};

es_status es_dense_eigenvalues(int d, const double *c, double *work, double *lambda) {
  double *a = work, *rest = work + (size_t) d * (size_t) d;
  const int lwork = 3 * d;
  int info = 0;
  memcpy(a, c, sizeof *c * (size_t) d * (size_t) d);
  dsyev_("N", "L", &d, a, &d, lambda, rest, &lwork, &info);
  if (info != 0) return ES_EMATH;
  for (int i = 0; i < d / 2; i++) {
    const double swap = lambda[i];
    lambda[i] = lambda[d - 1 - i];
    lambda[d - 1 - i] = swap;
  }
  return ES_OK;
}

es_status es_crossings_create(int d, const double *threshold, es_crossings **out) {
  const size_t n = (size_t) d, square = n * n;
  es_crossings *w = NULL;
  es_status st;
  ES_TRY(ES_NEW(1, &w));
  w->d = d;
  ES_TRY_GOTO(ES_NEW(n, &w->threshold), done);
  ES_TRY_GOTO(ES_NEW(n, &w->crossing), done);
  ES_TRY_GOTO(ES_NEW(square, &w->last), done);
  ES_TRY_GOTO(ES_NEW(square, &w->pivots), done);
  ES_TRY_GOTO(ES_NEW(square + 3 * n, &w->work), done);
  ES_TRY_GOTO(ES_NEW(n, &w->old_values), done);
  ES_TRY_GOTO(ES_NEW(n, &w->new_values), done);
  memcpy(w->threshold, threshold, n * sizeof *threshold);
  for (int k = 0; k < d; k++) w->crossing[k] = NAN;
  *out = w;
  w = NULL;
done:
  es_crossings_destroy(&w);
  return st;
}

void es_crossings_destroy(es_crossings **w) {
  if (*w == NULL) return;
  double **owned[] = {&(*w)->threshold, &(*w)->crossing, &(*w)->last,
                      &(*w)->pivots,    &(*w)->work,     &(*w)->old_values,
                      &(*w)->new_values};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(owned[i]);
  es_free(w);
}

const double *es_crossings_at(const es_crossings *w) {
  return w->crossing;
}

int es_crossings_count(const es_crossings *w) {
  return w->count;
}

/* Number of eigenvalues of C above t: positive pivots of C - t I = L D L'. */
static int above(es_crossings *w, const double *c, double t) {
  const int d = w->d;
  double *a = w->pivots;
  int positive = 0;
  memcpy(a, c, sizeof *c * (size_t) d * (size_t) d);
  for (int i = 0; i < d; i++) a[i * d + i] -= t;
  for (int k = 0; k < d; k++) {
    double pivot = a[k * d + k];
    if (pivot == 0) pivot = -1e-300;
    positive += pivot > 0;
    for (int i = k + 1; i < d; i++) {
      const double f = a[k * d + i] / pivot;
      for (int j = i; j < d; j++) a[i * d + j] -= f * a[k * d + j];
    }
  }
  return positive;
}

static double logit(double x, double t) {
  return log(x / (2 * t - x));
}

/* Time between `from` (value x) and `to` (value y) at which the value crosses t. */
static double interpolate(double from, double to, double x, double y, double t) {
  const double part =
      x > 0 && y < 2 * t ? logit(x, t) / (logit(x, t) - logit(y, t)) : (t - x) / (y - x);
  return from + (to - from) * (x < t && part > 0 && part < 1 ? part : 1);
}

es_status es_crossings_update(es_crossings *w, double at, const double *c) {
  const size_t square = (size_t) w->d * (size_t) w->d;
  bool known = false;
  while (w->count < w->d && above(w, c, w->threshold[w->count]) > w->count) {
    const int k = w->count;
    if (!known && w->started)
      ES_TRY(es_dense_eigenvalues(w->d, w->last, w->work, w->old_values));
    if (!known) ES_TRY(es_dense_eigenvalues(w->d, c, w->work, w->new_values));
    known = true;
    w->crossing[k] = w->started ? interpolate(w->before, at, w->old_values[k],
                                              w->new_values[k], w->threshold[k])
                                : at;
    w->count++;
  }
  memcpy(w->last, c, square * sizeof *c);
  w->before = at;
  w->started = true;
  return ES_OK;
}
