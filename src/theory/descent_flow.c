/* SPDX-License-Identifier: BSD-3-Clause */
/** @file descent_flow.c  Gradient flow in the eigenvectors of Gamma, by Dormand and
 *  Prince's embedded Runge-Kutta pair 5(4) (J. Comput. Appl. Math. 6, 1980) with local
 *  extrapolation. The last stage of a step is the first of the next. */
#include <math.h>
#include <string.h>
#include "descent_private.h"
#include "eigenstep/mem.h"

enum { STAGES = 7 };

/* Row i: coefficients of the stages 0 .. i in stage i + 1; the last row is the result. */
static const double stage[STAGES - 1][STAGES - 1] = {
    {1.0 / 5},
    {3.0 / 40, 9.0 / 40},
    {44.0 / 45, -56.0 / 15, 32.0 / 9},
    {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
    {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
    {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}};

/* Result of order 5 minus that of order 4. */
static const double difference[STAGES] = {
    71.0 / 57600,      0,          -71.0 / 16695, 71.0 / 1920,
    -17253.0 / 339200, 22.0 / 525, -1.0 / 40};

typedef struct flow {
  const es_descent *o;
  const double *gamma;
  size_t size;           /* d m */
  double *y, *k[STAGES]; /* [d, m] trial point; stages */
  double *c, *e;         /* [d, d] */
  double atol, rtol;
} flow;

static void correlate(const flow *f, const double *w) {
  const int d = f->o->d, m = f->o->m;
  for (int i = 0; i < d; i++)
    for (int j = 0; j <= i; j++) {
      const double *a = w + (size_t) i * (size_t) m, *b = w + (size_t) j * (size_t) m;
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int l = 0; l < m; l++) sum += a[l] * f->gamma[l] * b[l];
      f->c[i * d + j] = f->c[j * d + i] = sum;
    }
}

/* out <- -4 E w diag(gamma) - wd w; also computes C(w). */
static void derivative(const flow *f, const double *w, double *out) {
  const int d = f->o->d;
  const size_t m = (size_t) f->o->m;
  correlate(f, w);
  es_descent_error(f->o, f->c, f->e);
  for (int i = 0; i < d; i++) {
    double *to = out + (size_t) i * m;
    memset(to, 0, m * sizeof *to);
    for (int j = 0; j < d; j++) {
      const double a = -4 * f->e[i * d + j], *row = w + (size_t) j * m;
#pragma omp simd
      for (size_t l = 0; l < m; l++) to[l] += a * row[l];
    }
#pragma omp simd
    for (size_t l = 0; l < m; l++)
      to[l] = to[l] * f->gamma[l] - f->o->decay * w[(size_t) i * m + l];
  }
}

/* to <- w + h sum_j a[j] k[j] */
static void combine(const flow *f, const double *a, int n, double h, double *to) {
  memcpy(to, f->o->w, f->size * sizeof *to);
  for (int j = 0; j < n; j++) {
    const double factor = h * a[j], *k = f->k[j];
    if (factor == 0) continue;
#pragma omp simd
    for (size_t l = 0; l < f->size; l++) to[l] += factor * k[l];
  }
}

/* Step h from w to y; returns its error relative to the tolerance. */
static double attempt(flow *f, double h) {
  for (int s = 0; s < STAGES - 1; s++) {
    combine(f, stage[s], s + 1, h, f->y);
    derivative(f, f->y, f->k[s + 1]);
  }
  double worst = 0;
  for (size_t l = 0; l < f->size; l++) {
    double error = 0;
    for (int s = 0; s < STAGES; s++) error += difference[s] * f->k[s][l];
    const double allowed = f->atol + f->rtol * fmax(fabs(f->y[l]), fabs(f->o->w[l]));
    const double ratio = fabs(h * error) / allowed;
    if (!(ratio <= worst)) worst = ratio; /* also true for NaN */
  }
  return worst;
}

/* Integrate from t to `until`; *h: step size, in and out. */
static es_status advance(es_descent *o, flow *f, double *t, double until, double *h) {
  while (*t < until) {
    const double step = *h < until - *t ? *h : until - *t;
    const double error = attempt(f, step);
    const double change = error > 0 ? 0.9 * pow(error, -0.2) : 5;
    if (!(error <= 1)) {
      *h = step * (change > 0.2 ? change : 0.2);
      if (!(*h > 1e-14 * until)) return ES_EMATH;
      continue;
    }
    const bool cut = step < *h;
    memcpy(o->w, f->y, f->size * sizeof *o->w);
    memcpy(f->k[0], f->k[STAGES - 1], f->size * sizeof *f->y);
    *t = step == until - *t ? until : *t + step;
    o->reached = *t;
    if (es_descent_diverged(o->d, f->c)) return ES_EMATH;
    ES_TRY(es_crossings_update(o->observer.crossings, *t, f->c));
    if (o->observer.stop != NULL &&
        es_stop_alone(o->observer.stop, o->comm) != ES_STOP_NONE)
      return ES_STOPPED;
    const double next = step * fmin(change, 5);
    if (!cut || next > *h) *h = next;
  }
  return ES_OK;
}

static es_status integrate(es_descent *o, flow *f) {
  double t = 0, top = 0;
  for (int j = 0; j < o->m; j++) top = fmax(top, fabs(f->gamma[j]));
  double h = top > 0 ? 0.01 / top : 1;
  derivative(f, o->w, f->k[0]);
  ES_TRY(es_crossings_update(o->observer.crossings, 0, f->c));
  for (int k = 0; k < o->observer.n; k++) {
    /* each rank integrates alone, in steps of its own rounding; records are rank 0's */
    const es_status st = es_comm_agree(o->comm, advance(o, f, &t, o->observer.at[k], &h));
    if (st == ES_STOPPED) es_stop_share(o->observer.stop, o->comm);
    ES_TRY(st);
    es_comm_bcast(o->comm, o->w, f->size * sizeof *o->w, 0);
    correlate(f, o->w);
    ES_TRY(o->observer.record(o->observer.ctx, o->observer.at[k], f->c));
  }
  return ES_OK;
}

es_status es_descent_flow(es_descent *o, const double *gamma, double tol) {
  const size_t size = (size_t) o->d * (size_t) o->m,
               square = (size_t) o->d * (size_t) o->d;
  flow f = {.o = o, .gamma = gamma, .size = size, .rtol = tol};
  for (size_t i = 0; i < size; i++) f.atol = fmax(f.atol, tol * fabs(o->w[i]));
  es_status st = ES_NEW(size, &f.y);
  for (int s = 0; s < STAGES && st == ES_OK; s++) st = ES_NEW(size, &f.k[s]);
  if (st == ES_OK) st = ES_NEW(square, &f.c);
  if (st == ES_OK) st = ES_NEW(square, &f.e);
  o->reached = 0;
  if (st == ES_OK) st = integrate(o, &f);
  st = es_comm_agree(o->comm, st);
  es_comm_bcast(o->comm, o->w, size * sizeof *o->w, 0);
  es_free(&f.e);
  es_free(&f.c);
  for (int s = 0; s < STAGES; s++) es_free(&f.k[s]);
  es_free(&f.y);
  return st;
}
