/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_map.c  f(x) = b + W x on the pairs of all ranks. */
#include "linear_map.h"

#include <cblas.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"

double es_linear_start_entry(void *start, int i, int j) {
  const es_linear_start *const s = start;
  es_rng r = es_rng_at(s->seed, ES_STREAM_INIT,
                       (uint64_t) i * (uint64_t) s->m + (uint64_t) j, 0);
  return s->alpha * es_rng_normal(&r);
}

es_status es_linear_map_create(es_linear_map *f, const es_linear_start *start) {
  es_linear_start at = *start;
  const size_t d = (size_t) f->d, m = (size_t) f->p->m, n = (size_t) f->p->n;
  ES_TRY(ES_NEW(d * m, &f->w));
  ES_TRY(ES_NEW(d * m, &f->dw));
  ES_TRY(ES_NEW(2 * n * d, &f->z));
  ES_TRY(ES_NEW(2 * n * d, &f->dz));
  for (int i = 0; i < f->d - f->point; i++)
    for (int j = 0; j < f->p->m; j++)
      f->w[(size_t) i * m + (size_t) j] = es_linear_start_entry(&at, i, j);
  return ES_OK;
}

void es_linear_map_release(es_linear_map *f) {
  es_free(&f->w);
  es_free(&f->dw);
  es_free(&f->z);
  es_free(&f->dz);
}

es_loss_batch es_linear_map_embed(es_linear_map *f, int64_t step) {
  const int d = f->d, m = f->p->m, n = (int) f->p->n;
  const size_t half = (size_t) n * (size_t) d;
  for (size_t i = 0; f->point && i < 2 * half; i++)
    f->z[i] = i % (size_t) d == (size_t) d - 1;
  for (int v = 0; v < 2 && n > 0; v++)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, d, m, 1, f->p->x[v], m, f->w,
                m, f->point, f->z + (size_t) v * half, d);
  return (es_loss_batch){
      .n = n, .z = {f->z, f->z + half}, .dz = {f->dz, f->dz + half}, .step = step};
}

void es_linear_map_gradient(es_linear_map *f, double sign) {
  const int d = f->d, m = f->p->m, n = (int) f->p->n;
  const size_t half = (size_t) n * (size_t) d, all = (size_t) d * (size_t) m;
  memset(f->dw, 0, all * sizeof *f->dw);
  for (int v = 0; v < 2 && n > 0; v++)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, m, n, sign,
                f->dz + (size_t) v * half, d, f->p->x[v], m, 1, f->dw, m);
  es_comm_sum_f64(f->comm, f->dw, (int64_t) all);
}
