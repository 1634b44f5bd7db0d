/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_algo_dense.c  A convolution on a map smaller than its kernel, as a layer
 *  that connects every pixel to every position: most taps of a 3x3 kernel are in the
 *  padding there, and a matrix has none.
 *
 *  With q pixels of the input and p positions: D[(p, o), (q, i)] = w[o, i, tap(p, q)],
 *  0 where no tap connects them.
 *  Y [n, (p, o)] = X [n, (q, i)] D',  dX [+]= dY D,  dD = dY' X, folded into dw. */
#include <string.h>
#include "conv_algo.h"

enum { RUN = 512 }; /* channels summed at a time, on the stack */

static bool fits(const es_op_desc *d, es_pass pass) {
  (void) pass;
  return d->kind == ES_OP_CONV && d->window.k > 1 &&
         d->in.h * d->in.w < d->window.k * d->window.k;
}

static int64_t rows_of(const es_op_desc *d) {
  return es_blas_pixels(d->out) * d->out.c;
}

static int64_t cols_of(const es_op_desc *d) {
  return es_blas_pixels(d->in) * d->in.c;
}

static es_conv_matrices matrices(const es_op_desc *d, es_pass pass) {
  (void) pass;
  return (es_conv_matrices){1, rows_of(d), cols_of(d)};
}

static es_status make(es_conv_algo *w) {
  const int64_t rows = rows_of(&w->desc), cols = cols_of(&w->desc);
  ES_TRY(es_conv_algo_products(w, w->n, cols, rows, w->pass == ES_DATA));
  const size_t row = (size_t) cols * sizeof(float);
  const int64_t together =
      w->weights.form.width > 0 ? es_packed_strip(&w->weights.form) : 0;
  w->weights.room = (size_t) together * row;
  return es_onednn_reserve(w->backend, (size_t) (rows + together) * row);
}

/** The tap that connects position p with pixel q, or -1. */
static int tap(const es_op_desc *d, int p, int q) {
  const int y = q / d->in.w - (p / d->out.w * d->window.stride - d->window.pad);
  const int x = q % d->in.w - (p % d->out.w * d->window.stride - d->window.pad);
  return y < 0 || y >= d->window.k || x < 0 || x >= d->window.k ? -1
                                                                : y * d->window.k + x;
}

/** Rows [first, end) of D. */
static void connect(const es_op_desc *d, const float *weights, int64_t first, int64_t end,
                    float *to) {
  const int in = d->in.c, taps = d->window.k * d->window.k,
            pixels = (int) es_blas_pixels(d->in);
  for (int64_t r = first; r < end; r++)
    for (int q = 0; q < pixels; q++, to += in) {
      const int t = tap(d, (int) (r / d->out.c), q);
      const float *from = weights + r % d->out.c * in * taps + t;
      if (t < 0) memset(to, 0, (size_t) in * sizeof *to);
      for (int i = 0; i < in && t >= 0; i++) to[i] = from[(int64_t) i * taps];
    }
}

/** Rows of D from `first` on, which are packed while they are in the cache. */
static void strip(const es_conv_algo *w, const float *weights, int64_t first,
                  float *room) {
  const int64_t rows = rows_of(&w->desc), together = es_packed_strip(&w->weights.form);
  const int64_t end = first + together < rows ? first + together : rows;
  connect(&w->desc, weights, first, end, room);
  es_packed_put(&w->weights.form, first, room, es_conv_algo_packed(w));
}

/** All at once, by the library. */
static es_status load(es_conv_algo *w, const float *weights) {
  float *dense = es_onednn_scratch(w->backend);
  const int64_t cols = cols_of(&w->desc), positions = es_blas_pixels(w->desc.out);
#pragma omp parallel for num_threads(w->backend->threads) schedule(static)
  for (int64_t p = 0; p < positions; p++) {
    const int64_t first = p * w->desc.out.c;
    connect(&w->desc, weights, first, first + w->desc.out.c, dense + first * cols);
  }
  return es_conv_algo_pack(w, dense);
}

/** sum[n] = what all connections by tap t give to channels [i, i + n) of filter o. */
static void gather(const es_op_desc *d, const float *dense, int o, int t, int i, int n,
                   float *sum) {
  const int positions = (int) es_blas_pixels(d->out),
            pixels = (int) es_blas_pixels(d->in);
  memset(sum, 0, (size_t) n * sizeof *sum);
  for (int pq = 0; pq < positions * pixels; pq++) {
    const int p = pq / pixels, q = pq % pixels;
    if (tap(d, p, q) != t) continue;
    const float *from = dense + (((int64_t) p * d->out.c + o) * pixels + q) * d->in.c + i;
    for (int j = 0; j < n; j++) sum[j] += from[j];
  }
}

/** dw [+]= dD, each element where connect() took it from */
static void fold(const es_conv_algo *w, const float *dense, bool add, float *dw) {
  const es_op_desc *d = &w->desc;
  const int in = d->in.c, taps = d->window.k * d->window.k;
#pragma omp parallel for num_threads(w->backend->threads) schedule(static)
  for (int o = 0; o < d->out.c; o++)
    for (int i = 0; i < in; i += RUN) {
      const int n = in - i < RUN ? in - i : RUN;
      for (int t = 0; t < taps; t++) {
        float sum[RUN], *to = dw + ((int64_t) o * in + i) * taps + t;
        gather(d, dense, o, t, i, n, sum);
        for (int j = 0; j < n; j++)
          to[(int64_t) j * taps] = add ? to[(int64_t) j * taps] + sum[j] : sum[j];
      }
    }
}

static es_status run(es_conv_algo *w, const es_op_args *a) {
  if (w->pass == ES_FORWARD)
    return es_prim_run(w->prim[0], a->x, es_conv_algo_packed(w), a->y);
  if (w->pass == ES_DATA)
    return es_prim_run(w->prim[a->add_dx], a->dy, es_conv_algo_packed(w), a->dx);
  float *dense = es_onednn_scratch(w->backend);
  ES_TRY(es_prim_run(w->prim[0], a->dy, a->x, dense));
  fold(w, dense, !a->param.set_dw, a->param.dw);
  return ES_OK;
}

const es_conv_algo_ops es_conv_algo_dense = {
    .name = "dense",
    .doc = "maps smaller than the kernel: pixels to positions",
    .fits = fits,
    .matrices = matrices,
    .size = sizeof(es_conv_algo),
    .make = make,
    .load = load,
    .strip = strip,
    .run = run};
