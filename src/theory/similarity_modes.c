/* SPDX-License-Identifier: BSD-3-Clause */
/** @file similarity_modes.c  Modes of embeddings, and how they overlap. */
#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "eigenstep/similarity.h"
#include "svd.h"

#define SMALLEST 1e-10
#define EQUAL 1e-12

static es_status center(int n, es_outputs o, double *to) {
  double all = 0;
  for (int i = 0; i < o.d; i++) {
    const double *const row = o.f + (size_t) i * (size_t) n;
    double mean = 0;
    for (int j = 0; j < n; j++) mean += row[j] / n;
    for (int j = 0; j < n; j++) to[(size_t) i * (size_t) n + (size_t) j] = row[j] - mean;
    all += fabs(mean);
  }
  ES_CHECK(isfinite(all), ES_EMATH,
           "embeddings: got a NaN or infinite value, expected finite ones");
  return ES_OK;
}

/* Rows of x [d, n] made orthogonal to those before, twice for accuracy, and of length 1;
 * the first k go to q. */
static void orthogonalise(int n, int d, double *x, int k, double *q, double *value) {
  double largest = 0;
  for (int j = 0; j < d; j++) largest = fmax(largest, cblas_dnrm2(n, x + j * n, 1));
  for (int j = 0; j < k && j < d; j++) {
    double *const row = x + (int64_t) j * n;
    if (value != NULL) value[j] = cblas_ddot(n, row, 1, row, 1) / n;
    for (int i = 0; i < 2 * j; i++) {
      const double *const before = q + (int64_t) (i % j) * n;
      cblas_daxpy(n, -cblas_ddot(n, before, 1, row, 1), before, 1, row, 1);
    }
    const double norm = cblas_dnrm2(n, row, 1);
    if (norm > SMALLEST * largest)
      for (int i = 0; i < n; i++) q[(int64_t) j * n + i] = row[i] / norm;
  }
}

static es_status principal(int n, int d, double *x, int k, double *q, double *value) {
  const int least = n < d ? n : d;
  double *s = NULL;
  es_status st = ES_NEW(least + 1, &s);
  if (st == ES_OK) st = es_svd(true, n, d, x, s);
  for (int j = 0; st == ES_OK && j < k && j < least; j++) {
    if (value != NULL) value[j] = s[j] * s[j] / n;
    if (s[j] > SMALLEST * s[0])
      memcpy(q + (int64_t) j * n, x + (int64_t) j * n, (size_t) n * sizeof *q);
  }
  es_free(&s);
  return st;
}

es_status es_embedded_vary(const char *name, int64_t n, int d, const double *z) {
  double size = 0, apart = 0;
  for (int64_t i = 0; i < n * d; i++) {
    const double far = z[i] - z[i % d];
    size += z[i] * z[i];
    apart += far * far;
  }
  ES_CHECK(isfinite(size), ES_EMATH,
           "%s: got a NaN or infinite value, expected finite ones", name);
  ES_CHECK(apart > EQUAL * EQUAL * size, ES_EMATH,
           "%s: got the same embedding for all points, expected some that differ: there "
           "is no mode to look at, leave it out",
           name);
  return ES_OK;
}

es_status es_embedded_modes(int n, es_embedded e, int k, double *q, double *value) {
  const int d = e.outputs.d;
  ES_CHECK(n >= 1 && d >= 1 && k >= 1, ES_EARG,
           "got %d points, %d outputs, %d modes, expected at least one of each", n, d, k);
  double *x = NULL;
  ES_TRY(ES_NEW((int64_t) d * n, &x));
  memset(q, 0, (size_t) k * (size_t) n * sizeof *q);
  if (value != NULL) memset(value, 0, (size_t) k * sizeof *value);
  es_status st = center(n, e.outputs, x);
  if (st == ES_OK && e.ordered)
    orthogonalise(n, d, x, k, q, value);
  else if (st == ES_OK)
    st = principal(n, d, x, k, q, value);
  es_free(&x);
  return st;
}

void es_modes_overlap(int n, es_outputs a, es_outputs b, int factor, double *overlap) {
  for (int j = 1; j <= a.d; j++) {
    const int wide = factor * j < b.d ? factor * j : b.d;
    double sum = 0;
    for (int i = 0; i < j; i++)
      for (int m = 0; m < wide; m++) {
        const double c =
            cblas_ddot(n, a.f + (int64_t) i * n, 1, b.f + (int64_t) m * n, 1);
        sum += c * c;
      }
    overlap[j - 1] = sum / j;
  }
}

void es_modes_cosines(int n, int k, const double *a, const double *b, double *cosine) {
  for (int i = 0; i < k; i++)
    for (int j = 0; j < k; j++)
      cosine[i * k + j] =
          fabs(cblas_ddot(n, a + (int64_t) i * n, 1, b + (int64_t) j * n, 1));
}

es_status es_modes_angles(int n, int k, const double *a, const double *b, double *angle) {
  double *m = NULL, *s = NULL;
  es_status st = ES_NEW(k * k, &m);
  if (st == ES_OK) st = ES_NEW(k, &s);
  for (int i = 0; i < k * k; i++) angle[i] = NAN;
  for (int j = 1; j <= k && st == ES_OK; j++) {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, j, j, n, 1, a, n, b, n, 0, m, j);
    st = es_svd(false, j, j, m, s);
    for (int i = 0; i < j && st == ES_OK; i++)
      angle[(j - 1) * k + i] = acos(fmin(s[i], 1));
  }
  es_free(&s);
  es_free(&m);
  return st;
}

/* How many of the modes have that share of the variance. */
static int count_modes(int k, const double *variance, double share) {
  double all = 0, sum = 0;
  int n = 0;
  for (int j = 0; j < k; j++) all += variance[j];
  while (n < k && sum < share * all) sum += variance[n++];
  return n;
}

es_status es_svcca(int n, es_outputs a, es_outputs b, double *svcca) {
  const es_outputs o[2] = {a, b};
  double *q[2] = {NULL, NULL}, *value = NULL, *m = NULL, *s = NULL;
  const int widest = a.d > b.d ? a.d : b.d;
  int k[2] = {0, 0};
  es_status st = ES_NEW(widest, &value);
  for (int i = 0; i < 2 && st == ES_OK; i++) {
    st = ES_NEW((int64_t) o[i].d * n, &q[i]);
    if (st == ES_OK)
      st = es_embedded_modes(n, (es_embedded){o[i], false}, o[i].d, q[i], value);
    if (st == ES_OK) k[i] = count_modes(o[i].d, value, 0.99);
  }
  const int least = k[0] < k[1] ? k[0] : k[1];
  if (st == ES_OK) st = ES_NEW(k[0] * k[1] + 1, &m);
  if (st == ES_OK) st = ES_NEW(least + 1, &s);
  if (st == ES_OK && least > 0) {
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, k[0], k[1], n, 1, q[0], n, q[1],
                n, 0, m, k[0]);
    st = es_svd(false, k[0], k[1], m, s);
  }
  *svcca = least > 0 ? 0 : NAN;
  for (int i = 0; i < least && st == ES_OK; i++) *svcca += s[i] / least;
  es_free(&s);
  es_free(&m);
  es_free(&value);
  es_free(&q[0]);
  es_free(&q[1]);
  return st;
}

/* One drawn sample of both embeddings and its overlap. */
typedef struct sample {
  int *point;
  double *f[2], *q[2], *overlap;
} sample;

static void sample_close(sample *s) {
  es_free(&s->point);
  for (int i = 0; i < 2; i++) {
    es_free(&s->f[i]);
    es_free(&s->q[i]);
  }
  es_free(&s->overlap);
}

static es_status sample_open(int n, int k, const es_embedded *e, sample *s) {
  *s = (sample){.point = NULL};
  ES_TRY(ES_NEW(n, &s->point));
  for (int i = 0; i < 2; i++) {
    ES_TRY(ES_NEW((int64_t) e[i].outputs.d * n, &s->f[i]));
    ES_TRY(ES_NEW((int64_t) k * n, &s->q[i]));
  }
  return ES_NEW(k, &s->overlap);
}

static es_status draw(int n, int k, const es_embedded *e, bool pairs, es_rng *r,
                      sample *s) {
  const int half = pairs ? n / 2 : n;
  for (int i = 0; i < half; i++) {
    s->point[i] = (int) es_rng_below(r, (uint64_t) half);
    if (pairs) s->point[i + half] = s->point[i] + half;
  }
  for (int m = 0; m < 2; m++) {
    const es_outputs from = e[m].outputs;
    for (int64_t d = 0; d < from.d; d++)
      for (int i = 0; i < n; i++) s->f[m][d * n + i] = from.f[d * n + s->point[i]];
    const es_embedded drawn = {{from.d, s->f[m]}, e[m].ordered};
    ES_TRY(es_embedded_modes(n, drawn, k, s->q[m], NULL));
  }
  es_modes_overlap(n, (es_outputs){k, s->q[0]}, (es_outputs){k, s->q[1]}, 1, s->overlap);
  return ES_OK;
}

es_status es_overlap_errors(int n, int k, es_embedded a, es_embedded b, es_bootstrap how,
                            double *error) {
  const es_embedded both[2] = {a, b};
  double *sum = NULL;
  sample s;
  es_status st = sample_open(n, k, both, &s);
  if (st == ES_OK) st = ES_NEW(2 * k, &sum);
  for (int i = 0; i < how.draws && st == ES_OK; i++) {
    es_rng r = es_rng_at(how.seed, ES_STREAM_BOOTSTRAP, (uint64_t) i, 0);
    st = draw(n, k, both, how.pairs, &r, &s);
    for (int j = 0; j < k && st == ES_OK; j++) {
      sum[j] += s.overlap[j];
      sum[k + j] += s.overlap[j] * s.overlap[j];
    }
  }
  for (int j = 0; j < k && st == ES_OK; j++) {
    const double mean = sum[j] / how.draws;
    const double square = sum[k + j] / how.draws - mean * mean;
    error[j] = sqrt(fmax(square, 0) * how.draws / (how.draws - 1));
  }
  es_free(&sum);
  sample_close(&s);
  return st;
}
