/* SPDX-License-Identifier: BSD-3-Clause */
/** @file deep_weights.c  Gradient of L = (1/2) tr (V E - T) M2 (V E - T)' and alike: with
 *  R the slope of L in V E,
 *    JEPA  R = V E M2 - E Gamma, the target E x' held fixed,
 *    MAE   R = V E M2 - Gamma,
 *  dL/dV = R E', dL/dE = V' R, and dL/dW_a = (W_L ... W_{a+1})' dL/dE (W_{a-1} ... W_1)'.
 */
#include "deep_weights.h"

#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"

/* Rows of V E. */
static int outputs(const es_deep_model *m) {
  return m->jepa ? m->d : m->k;
}

/* Where layer a (from 0 on; depth: V) begins. */
static size_t offset(const es_deep_model *m, int a) {
  const size_t d = (size_t) m->d, k = (size_t) m->k;
  return a == 0 ? 0 : d * k + (size_t) (a - 1) * d * d;
}

size_t es_deep_size(const es_deep_model *m) {
  return offset(m, m->depth) + (size_t) outputs(m) * (size_t) m->d;
}

es_status es_deep_work_create(const es_deep_model *m, es_deep_work *w) {
  const size_t d = (size_t) m->d, k = (size_t) m->k, rows = (size_t) outputs(m);
  *w = (es_deep_work){.product = NULL};
  es_status st = ES_NEW((size_t) m->depth * d * k, &w->product);
  if (st == ES_OK) st = ES_NEW(2 * d * k, &w->back);
  if (st == ES_OK) st = ES_NEW(rows * k, &w->residual);
  if (st == ES_OK) st = ES_NEW(rows * k, &w->embedded);
  return st;
}

void es_deep_work_free(es_deep_work *w) {
  es_free(&w->product);
  es_free(&w->back);
  es_free(&w->residual);
  es_free(&w->embedded);
}

void es_deep_start(const es_deep_model *m, double alpha, double *weights) {
  const double a = pow(alpha, 1.0 / m->depth);
  memset(weights, 0, es_deep_size(m) * sizeof *weights);
  for (int layer = 0; layer <= m->depth; layer++)
    for (int j = 0; j < m->d; j++) {
      const size_t width = (size_t) (layer == 0 ? m->k : m->d);
      weights[offset(m, layer) + (size_t) j * width + (size_t) j] = a;
    }
}

/* c [rows, columns] = a b, a [rows, inner]. */
static void multiply(int rows, int columns, int inner, const double *a, const double *b,
                     double *c) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, columns, inner, 1, a,
              inner, b, columns, 0, c, columns);
}

/* c [rows, columns] = a' b, a [inner, rows]. */
static void multiply_transposed(int rows, int columns, int inner, const double *a,
                                const double *b, double *c) {
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, rows, columns, inner, 1, a, rows,
              b, columns, 0, c, columns);
}

/* c [rows, columns] = -a b', both of width `inner`. */
static void descend(int rows, int columns, int inner, const double *a, const double *b,
                    double *c) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, columns, inner, -1, a, inner,
              b, inner, 0, c, columns);
}

const double *es_deep_encoder(const es_deep_model *m, const es_deep_work *w) {
  return w->product + (size_t) (m->depth - 1) * (size_t) m->d * (size_t) m->k;
}

/* R, of V E = w->embedded. */
static void residual(const es_deep_model *m, es_deep_work *w) {
  const size_t k = (size_t) m->k;
  const double *const e = es_deep_encoder(m, w);
  multiply(outputs(m), m->k, m->k, w->embedded, m->moment, w->residual);
  for (size_t i = 0; i < (size_t) outputs(m); i++)
    for (size_t j = 0; j < k; j++)
      w->residual[i * k + j] -= (m->jepa ? e[i * k + j] : i == j) * m->gamma[j];
}

void es_deep_velocity(const es_deep_model *m, const double *weights, es_deep_work *w,
                      double *velocity) {
  const int d = m->d, k = m->k;
  const size_t layer = (size_t) d * (size_t) k;
  const double *const v = weights + offset(m, m->depth);
  memcpy(w->product, weights, layer * sizeof *weights);
  for (int a = 1; a < m->depth; a++)
    multiply(d, k, d, weights + offset(m, a), w->product + (size_t) (a - 1) * layer,
             w->product + (size_t) a * layer);
  const double *const e = es_deep_encoder(m, w);
  multiply(outputs(m), k, d, v, e, w->embedded);
  residual(m, w);
  descend(outputs(m), d, k, w->residual, e, velocity + offset(m, m->depth));
  double *now = w->back, *next = w->back + layer;
  multiply_transposed(d, k, outputs(m), v, w->residual, now);
  for (int a = m->depth - 1; a > 0; a--) {
    double *const swap = now;
    descend(d, d, k, now, w->product + (size_t) (a - 1) * layer, velocity + offset(m, a));
    multiply_transposed(d, k, d, weights + offset(m, a), now, next);
    now = next;
    next = swap;
  }
  for (size_t i = 0; i < layer; i++) velocity[i] = -now[i];
}

/* tr A B', both [rows, columns]. */
static double inner(int rows, int columns, const double *a, const double *b) {
  return cblas_ddot(rows * columns, a, 1, b, 1);
}

double es_deep_loss(const es_deep_model *m, es_deep_work *w) {
  const size_t k = (size_t) m->k;
  const double *const e = es_deep_encoder(m, w);
  double both = inner(outputs(m), m->k, w->embedded, w->residual), target = 0, same = 0;
  for (size_t i = 0; i < (size_t) outputs(m); i++)
    for (size_t j = 0; j < k; j++)
      target += w->embedded[i * k + j] * (m->jepa ? e[i * k + j] : i == j) * m->gamma[j];
  if (m->jepa) {
    multiply(m->d, m->k, m->k, e, m->moment, w->back);
    same = inner(m->d, m->k, w->back, e);
  } else {
    for (size_t j = 0; j < k; j++) same += m->moment[j * k + j];
  }
  return (both - target + same) / 2;
}
