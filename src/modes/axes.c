/* SPDX-License-Identifier: BSD-3-Clause */
/** @file axes.c  Principal components and directions of embeddings. */
#include "axes.h"

#include <cblas.h>
#include <math.h>
#include "eigenstep/mem.h"
#include "eigenstep/similarity.h"

static es_status allocate(es_study_modes *m) {
  ES_TRY(ES_NEW(m->d, &m->mean));
  ES_TRY(ES_NEW((int64_t) m->k * m->d, &m->axis));
  ES_TRY(ES_NEW((int64_t) m->k * m->points, &m->q));
  return ES_NEW(m->k, &m->value);
}

void es_study_modes_free(es_study_modes *m) {
  es_free(&m->mean);
  es_free(&m->axis);
  es_free(&m->q);
  es_free(&m->value);
}

/* axis = Z' q, of length 1, its largest component positive; q with the same sign. */
static void lift(const double *z, es_study_modes *m) {
  const int n = m->points, d = m->d;
  for (int j = 0; j < m->k; j++) {
    double *const axis = m->axis + (int64_t) j * d, *const q = m->q + (int64_t) j * n;
    cblas_dgemv(CblasRowMajor, CblasTrans, n, d, 1, z, d, q, 1, 0, axis, 1);
    const double length = cblas_dnrm2(d, axis, 1);
    if (length == 0) continue;
    const double sign = axis[cblas_idamax(d, axis, 1)] < 0 ? -1 : 1;
    cblas_dscal(d, sign / length, axis, 1);
    cblas_dscal(n, sign, q, 1);
  }
}

es_status es_study_modes_find(int points, int d, const double *z, int k,
                              es_study_modes *m) {
  double *f = NULL;
  *m = (es_study_modes){.points = points, .d = d, .k = k};
  es_status st = allocate(m);
  if (st == ES_OK) st = ES_NEW((int64_t) points * d, &f);
  if (st == ES_OK) {
    for (int i = 0; i < points; i++)
      for (int64_t j = 0; j < d; j++) {
        f[j * points + i] = z[(int64_t) i * d + j];
        m->mean[j] += z[(int64_t) i * d + j] / points;
      }
    const es_embedded e = {{d, f}, false};
    st = es_embedded_modes(points, e, k, m->q, m->value);
  }
  if (st == ES_OK) lift(z, m); /* q is centred, so the mean of z does not matter */
  es_free(&f);
  return st;
}

void es_study_project(const es_study_frame *f, int64_t n, const double *z, double *to) {
  const int d = f->d, k = f->k;
  if (n == 0) return;
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int) n, k, d, 1, z, d, f->w, d, 0,
              to, k);
  for (int j = 0; j < k; j++) {
    const double shift = cblas_ddot(d, f->mean, 1, f->w + (int64_t) j * d, 1);
    for (int64_t i = 0; i < n; i++) to[i * k + j] -= shift;
  }
}

es_status es_study_directions(const es_study_modes *last, int k, const double *q,
                              double *w, double *kept) {
  const int n = last->points, d = last->d, r = last->k;
  double *c = NULL; /* [k, r] of q on the modes of `last` */
  ES_TRY(ES_NEW((int64_t) k * r, &c));
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, k, r, n, 1, q, n, last->q, n, 0, c,
              r);
  for (int i = 0; i < k; i++) {
    double *const row = c + (int64_t) i * r;
    kept[i] = cblas_ddot(r, row, 1, row, 1);
    for (int j = 0; j < r; j++)
      row[j] = last->value[j] > 0 ? row[j] / sqrt(last->value[j] * n) : 0;
  }
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, k, d, r, 1, c, r, last->axis, d,
              0, w, d);
  es_free(&c);
  return ES_OK;
}
