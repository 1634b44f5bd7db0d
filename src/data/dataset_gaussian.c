/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_gaussian.c  Pairs of vectors with a chosen spectrum.
 *
 *  View v of record i: x_k = k^(-decay/2) s_k + noise e_k, k = 1..dim, with s (shared by
 *  both views) and e (a view's own) standard normal. Axis-aligned, so the covariance of
 *  a view is diag(k^-decay + noise^2), and the symmetrised cross-covariance of the views
 *  is diag(k^-decay): known eigenvalues with the unit vectors as eigenvectors. */
#include <math.h>
#include <string.h>

#include "data_private.h"
#include "eigenstep/mem.h"

typedef struct gaussian {
  uint64_t seed;
  int64_t first; /**< record of the generator that is record 0 of this split */
  int dim;
  float noise;
  float *std; /**< [dim] of the shared part */
} gaussian;

static void close_set(es_dataset *ds) {
  gaussian *g = ds->impl;
  es_free(&g->std);
  es_free(&ds->impl);
}

static es_status open_set(const es_comm *c, es_dataset *ds, const es_data_params *p,
                          uint64_t seed) {
  (void) c;
  gaussian *g;
  ES_TRY(ES_NEW(1, &g));
  *g = (gaussian){.seed = seed, .dim = (int) p->dim, .noise = (float) p->noise};
  const es_status st = ES_NEW(p->dim, &g->std);
  if (st != ES_OK) {
    es_free(&g);
    return st;
  }
  if (strcmp(p->split, "test") == 0) g->first = ES_HELD_OUT;
  for (int k = 0; k < g->dim; k++) g->std[k] = (float) pow(k + 1, -0.5 * p->decay);
  const double facts[] = {(double) seed, (double) p->dim, p->decay, p->noise};
  ds->checksum = es_hash_bytes(ds->checksum, facts, sizeof facts);
  ds->impl = g;
  ds->size = p->count;
  ds->endless = true;
  ds->c = g->dim;
  ds->h = ds->w = 1;
  ds->largest = (es_largest){.h = 1, .w = 1, .pixels = 1};
  ds->scratch = (size_t) g->dim * sizeof(float);
  return ES_OK;
}

static es_status get(const es_dataset *ds, int64_t i, int view, void *scratch,
                     es_sample *s) {
  const gaussian *g = ds->impl;
  const uint64_t record = (uint64_t) (g->first + i);
  es_rng shared = es_rng_at(g->seed, ES_STREAM_DATA, record, 0);
  es_rng own = es_rng_at(g->seed, ES_STREAM_DATA, record, 1 + (uint32_t) view);
  float *x = scratch;
  for (int k = 0; k < g->dim; k++)
    x[k] = g->std[k] * (float) es_rng_normal(&shared) +
           g->noise * (float) es_rng_normal(&own);
  *s = (es_sample){.is_float = true, .c = g->dim, .h = 1, .w = 1, .f32 = x, .label = -1};
  return ES_OK;
}

const es_dataset_ops es_dataset_gaussian = {
    .name = "gaussian",
    .doc = "pairs of vectors of data.dim with covariance eigenvalues k^-data.decay",
    .splits = "train|test",
    .reads = "count|dim|decay|noise",
    .mixed = true,
    .held_out = es_split_test,
    .pairs = true,
    .open = open_set,
    .get = get,
    .close = close_set};
