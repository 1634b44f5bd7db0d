/* SPDX-License-Identifier: BSD-3-Clause */
/** @file way_dense.c  A convolution on a map smaller than its kernel, as a layer that
 *  connects every pixel to every position: most taps of a 3x3 kernel see only padding
 *  there, and a matrix has no room for padding.
 *
 *  With q pixels of the input and p positions: D[(p, o), (q, i)] = w[o, i, tap(p, q)],
 *  0 where no tap connects them.
 *  Y [n, (p, o)] = X [n, (q, i)] D',  dX [+]= dY D,  dD = dY' X, folded into dw. */
#include <string.h>
#include "way.h"

static bool fits(const es_op_desc *d, es_pass pass) {
  (void) pass;
  return d->kind == ES_OP_CONV && d->k > 1 && d->in.h * d->in.w < d->k * d->k;
}

static int64_t rows_of(const es_op_desc *d) {
  return es_blas_pixels(d->out) * d->out.c;
}

static int64_t cols_of(const es_op_desc *d) {
  return es_blas_pixels(d->in) * d->in.c;
}

static es_status make(es_way *w) {
  const es_op_desc *d = &w->desc;
  es_prim_engine *e = es_way_engine(w->backend);
  const bool bf16 = es_onednn_bf16(w->backend);
  const int64_t rows = rows_of(d), cols = cols_of(d);
  const es_prim_tensor x = es_way_matrix(w->n, cols, cols, bf16);
  const es_prim_tensor y = es_way_matrix(w->n, rows, rows, bf16);
  const es_prim_tensor plain = es_way_matrix(rows, cols, cols, false);
  es_prim_tensor packed = es_way_matrix(rows, cols, cols, bf16);
  ES_TRY(es_onednn_reserve(w->backend, (size_t) (rows * cols) * sizeof(float)));
  if (w->pass == ES_WEIGHTS) {
    const es_prim_tensor dy = es_way_turned(y);
    return es_prim_matmul(e, &dy, &x, &plain, false, &w->prim[0]);
  }
  if (w->pass == ES_FORWARD) {
    const es_prim_tensor from = es_way_turned(plain);
    packed = es_way_free(es_way_turned(packed));
    ES_TRY(es_prim_matmul(e, &x, &packed, &y, false, &w->prim[0]));
    return es_way_room(w, e, &from);
  }
  packed = es_way_free(packed);
  ES_TRY(es_prim_matmul(e, &y, &packed, &x, false, &w->prim[0]));
  const es_prim_tensor same = es_way_like(w->prim[0]);
  ES_TRY(es_prim_matmul(e, &y, &same, &x, true, &w->prim[1]));
  return es_way_room(w, e, &plain);
}

static es_status create(es_backend *b, const es_op_desc *d, es_pass pass, int n,
                        es_way **out) {
  es_way *w = NULL;
  ES_TRY(es_way_new(&es_way_dense, sizeof *w, b, d, pass, n, &w));
  const es_status st = make(w);
  if (st == ES_OK)
    *out = w;
  else
    es_way_destroy(&w);
  return st;
}

/** The tap that connects position p with pixel q, or -1. */
static int tap(const es_op_desc *d, int p, int q) {
  const int y = q / d->in.w - (p / d->out.w * d->stride - d->pad);
  const int x = q % d->in.w - (p % d->out.w * d->stride - d->pad);
  return y < 0 || y >= d->k || x < 0 || x >= d->k ? -1 : y * d->k + x;
}

static es_status load(es_way *w, const float *weights) {
  const es_op_desc *d = &w->desc;
  const int in = d->in.c, taps = d->k * d->k, out = d->out.c;
  const int positions = (int) es_blas_pixels(d->out),
            pixels = (int) es_blas_pixels(d->in);
  float *dense = es_onednn_scratch(w->backend);
#pragma omp parallel for num_threads(w->backend->threads) schedule(static)
  for (int o = 0; o < out; o++)
    for (int pq = 0; pq < positions * pixels; pq++) {
      const int p = pq / pixels, q = pq % pixels, t = tap(d, p, q);
      const float *from = weights + (int64_t) o * in * taps + t;
      float *to = dense + (((int64_t) p * out + o) * pixels + q) * in;
      if (t < 0) memset(to, 0, (size_t) in * sizeof *to);
      for (int i = 0; i < in && t >= 0; i++) to[i] = from[(int64_t) i * taps];
    }
  return es_prim_run(w->pack, dense, NULL, es_way_packed(w));
}

/** dw += the adjoint of load */
static void fold(const es_way *w, const float *dense, float *dw) {
  const es_op_desc *d = &w->desc;
  const int in = d->in.c, taps = d->k * d->k, out = d->out.c;
  const int positions = (int) es_blas_pixels(d->out),
            pixels = (int) es_blas_pixels(d->in);
#pragma omp parallel for num_threads(w->backend->threads) schedule(static)
  for (int o = 0; o < out; o++)
    for (int pq = 0; pq < positions * pixels; pq++) {
      const int p = pq / pixels, q = pq % pixels, t = tap(d, p, q);
      const float *from = dense + (((int64_t) p * out + o) * pixels + q) * in;
      float *to = dw + (int64_t) o * in * taps + t;
      for (int i = 0; i < in && t >= 0; i++) to[(int64_t) i * taps] += from[i];
    }
}

static es_status run(es_way *w, const es_op_args *a) {
  if (w->pass == ES_FORWARD) return es_prim_run(w->prim[0], a->x, es_way_packed(w), a->y);
  if (w->pass == ES_DATA)
    return es_prim_run(w->prim[a->add_dx], a->dy, es_way_packed(w), a->dx);
  float *dense = es_onednn_scratch(w->backend);
  ES_TRY(es_prim_run(w->prim[0], a->dy, a->x, dense));
  fold(w, dense, a->dw);
  return ES_OK;
}

const es_way_ops es_way_dense = {.name = "dense",
                                 .doc =
                                     "maps smaller than the kernel: pixels to positions",
                                 .fits = fits,
                                 .create = create,
                                 .load = load,
                                 .run = run};
