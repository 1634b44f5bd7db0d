/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rate.c  Seconds of products from short measurements, by the processor's time: as
 *  on a machine that does nothing else.
 *
 *  Structured: one tile of samples with another, as often as there are such pairs of
 *  tiles. Contracted: patches, gradients of one sample, and the rate of a long product of
 *  matrices, which is the same for all layers. */
#include "rate.h"

#include <cblas.h>
#include <math.h>
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"

enum { REPEATS = 2 };

/* Samples of ones, enough for what is measured. */
typedef struct sample_room {
  es_ntk_block block;
  float *x, *g, *patches;
  double *theta;
} sample_room;

static void room_close(sample_room *m) {
  es_free(&m->x);
  es_free(&m->g);
  es_free(&m->patches);
  es_free(&m->theta);
}

static es_status room_open(const es_ntk_layer *l, int n, sample_room *m) {
  *m = (sample_room){.x = NULL};
  es_status st = ES_NEW(n * l->x_size + 1, &m->x);
  if (st == ES_OK) st = ES_NEW(n * l->g_size, &m->g);
  if (st == ES_OK) st = ES_NEW(l->positions * l->patch, &m->patches);
  if (st == ES_OK) st = ES_NEW(n * n, &m->theta);
  for (int64_t i = 0; st == ES_OK && i < n * l->x_size; i++) m->x[i] = 1;
  for (int64_t i = 0; st == ES_OK && i < n * l->g_size; i++) m->g[i] = 1;
  m->block = (es_ntk_block){n, m->x, m->g};
  return st;
}

/* Seconds of the products of n samples with n others, the least of a few times. */
static es_status time_product(const es_ntk_layer *l, const sample_room *m,
                              double *seconds) {
  const es_ntk_part all = {0, m->block.n, 0, m->block.n, false};
  *seconds = INFINITY;
  for (int i = 0; i < REPEATS; i++) {
    const double began = es_cpu_now();
    ES_TRY(es_ntk_product(l, &m->block, &m->block, &all, m->theta));
    *seconds = fmin(*seconds, es_cpu_now() - began);
  }
  return ES_OK;
}

static double time_patches(const es_ntk_layer *l, const sample_room *m) {
  double seconds = INFINITY;
  for (int i = 0; i < REPEATS; i++) {
    const double began = es_cpu_now();
    es_ntk_layer_columns(l, m->x, m->patches);
    seconds = fmin(seconds, es_cpu_now() - began);
  }
  return seconds;
}

/* Seconds of a multiply-add in products of two long matrices' rows, in bf16 if there is
 * one who multiplies it. */
static es_status time_multiply_add(es_backend *bf16, double *seconds) {
  enum { ROWS = 128, COLUMNS = 512, LENGTH = 1 << 13 };
  const es_product_args size = {ROWS, COLUMNS, LENGTH};
  float *a = NULL, *c = NULL;
  es_status st = ES_NEW(COLUMNS * LENGTH, &a);
  if (st == ES_OK) st = ES_NEW(ROWS * COLUMNS, &c);
  *seconds = INFINITY;
  for (int i = 0; i < REPEATS + 1 && st == ES_OK; i++) {
    const double began = es_cpu_now();
    if (bf16 != NULL) /* zeros in either precision */
      st = bf16->ops->multiply(bf16, &size, a, a, c);
    else
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, ROWS, COLUMNS, LENGTH, 1, a,
                  LENGTH, a, LENGTH, 0, c, COLUMNS);
    *seconds = fmin(*seconds, es_cpu_now() - began);
  }
  *seconds /= (double) ROWS * COLUMNS * LENGTH;
  es_free(&c);
  es_free(&a);
  return st;
}

/* Pairs of samples that this rank multiplies (es_ntk_product_pairs), the gradients that
 * it computes for them from stored inputs, and the patches for these. */
typedef struct share {
  double pairs, gradients, patches;
} share;

static share share_of(const es_ntk_ring *r, const es_ntk_layer *l) {
  share s = {0};
  for (int t = 0; t < es_ntk_ring_steps(r); t++) {
    const es_ntk_part p = es_ntk_ring_part(r, t);
    const double rows = p.i1 - p.i0, columns = p.j1 - p.j0;
    const double samples = p.triangle ? rows : rows + columns;
    if (rows == 0 || columns == 0) continue;
    s.pairs += es_ntk_product_pairs(l, &p);
    s.gradients += samples;
    s.patches += samples * es_ntk_product_runs(l, (int64_t) samples);
  }
  return s;
}

static es_status measure_structured(const es_ntk_layer *l, const share *of,
                                    double *seconds) {
  const int n = es_ntk_product_tile(l);
  sample_room m;
  es_status st = room_open(l, n, &m);
  if (st == ES_OK) st = time_product(l, &m, seconds);
  *seconds *= of->pairs / ((double) n * n);
  room_close(&m);
  return st;
}

static es_status measure_contracted(const es_ntk_layer *l, const share *of,
                                    double multiply_add, double *seconds) {
  sample_room m;
  double both;
  es_status st = room_open(l, 1, &m);
  if (st == ES_OK) st = time_product(l, &m, &both);
  if (st == ES_OK) {
    const double patches = time_patches(l, &m);
    const double gradient = fmax(both / 2 - patches, 0);
    *seconds = of->gradients * gradient + of->patches * patches +
               of->pairs * l->pair * multiply_add;
  }
  room_close(&m);
  return st;
}

es_status es_ntk_rate_measure(const es_ntk_ring *r, int n, const es_ntk_layer *layer,
                              double *seconds) {
  es_backend *bf16 = NULL;
  double single, narrow = 0;
  for (int i = 0; i < n; i++)
    if (layer[i].bf16 != NULL) bf16 = layer[i].bf16;
  ES_TRY(time_multiply_add(NULL, &single));
  if (bf16 != NULL) ES_TRY(time_multiply_add(bf16, &narrow));
  for (int i = 0; i < n; i++) {
    const es_ntk_layer *const l = &layer[i];
    const double multiply_add = l->bf16 != NULL ? narrow : single;
    const share of = share_of(r, l);
    if (l->form == ES_NTK_STRUCTURED)
      ES_TRY(measure_structured(l, &of, &seconds[i]));
    else if (l->form == ES_NTK_CONTRACTED)
      ES_TRY(measure_contracted(l, &of, multiply_add, &seconds[i]));
    else
      seconds[i] = of.pairs * l->pair * multiply_add;
    es_phase("%s: %.3g s of products expected", l->of.name, seconds[i]);
  }
  return ES_OK;
}
