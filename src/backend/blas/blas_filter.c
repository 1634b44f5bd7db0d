/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_filter.c  Filters [O, I, k, k] as the matrices that products with gathered
 *  windows need, and back. Taps in the padding at every position are left out. */
#include <string.h>
#include "blas.h"

/** Offset of channel 0 of tap t of filter o in w, where channels have stride k k. */
static int64_t tap_in_w(const es_op_desc *d, const es_blas_window *x, int o, int t) {
  const int i = x->k0 + t / x->kw, j = x->l0 + t % x->kw;
  return ((int64_t) o * d->in.c * d->window.k + i) * d->window.k + j;
}

void es_blas_pack(const es_op_desc *d, const es_blas_window *x, int threads,
                  const float *w, float *packed) {
  (void) threads; /* without OpenMP */
  const int in = d->in.c, taps = x->kh * x->kw, stride = d->window.k * d->window.k;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int o = 0; o < d->out.c; o++)
    for (int t = 0; t < taps; t++) {
      const float *from = w + tap_in_w(d, x, o, t);
      float *to = packed + ((int64_t) o * taps + t) * in;
      for (int ch = 0; ch < in; ch++) to[ch] = from[(int64_t) ch * stride];
    }
}

void es_blas_unpack(const es_op_desc *d, const es_blas_window *x, int threads,
                    const float *dp, bool add, float *dw) {
  (void) threads;
  const int in = d->in.c, taps = x->kh * x->kw, stride = d->window.k * d->window.k;
  const int64_t filter = (int64_t) in * stride;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int o = 0; o < d->out.c; o++) {
    if (!add) memset(dw + o * filter, 0, (size_t) filter * sizeof *dw);
    for (int t = 0; t < taps; t++) {
      const float *from = dp + ((int64_t) o * taps + t) * in;
      float *to = dw + tap_in_w(d, x, o, t);
      for (int ch = 0; ch < in; ch++) to[(int64_t) ch * stride] += from[ch];
    }
  }
}

void es_blas_rotate(const es_op_desc *d, const es_blas_window *x, int threads,
                    const float *packed, float *rotated) {
  (void) threads;
  const int in = d->in.c, out = d->out.c, taps = x->kh * x->kw;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int o = 0; o < out; o++)
    for (int t = 0; t < taps; t++)
      memcpy(rotated + ((int64_t) (taps - 1 - t) * out + o) * in,
             packed + ((int64_t) o * taps + t) * in, (size_t) in * sizeof *packed);
}
