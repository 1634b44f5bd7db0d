/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_window.c  The pixels under a sliding window, as rows of a matrix, and back
 *  ("im2col", Chellapilla, Puri, Simard 2006). With channels last a row of the window is
 *  one contiguous run of kw c numbers, so both directions are plain copies and sums. */
#include <string.h>
#include "blas.h"

/** Taps [*first, *first + *count) of k are inside the map at some position. */
static void live_taps(const es_op_desc *d, int size, int positions, int *first,
                      int *count) {
  const int last_start = (positions - 1) * d->window.stride - d->window.pad;
  const int lo = last_start < 0 ? -last_start : 0;
  int hi = size - 1 + d->window.pad; /* at the first position */
  if (hi > d->window.k - 1) hi = d->window.k - 1;
  *first = lo < hi ? lo : hi;
  *count = hi - *first + 1;
}

void es_blas_windows(const es_op_desc *d, es_blas_window *x, es_blas_window *dy) {
  *x = (es_blas_window){.c = d->in.c,
                        .h = d->in.h,
                        .w = d->in.w,
                        .oh = d->out.h,
                        .ow = d->out.w,
                        .stride = d->window.stride};
  live_taps(d, d->in.h, d->out.h, &x->k0, &x->kh);
  live_taps(d, d->in.w, d->out.w, &x->l0, &x->kw);
  x->top = d->window.pad - x->k0;
  x->left = d->window.pad - x->l0;
  *dy = (es_blas_window){.c = d->out.c,
                         .h = d->out.h,
                         .w = d->out.w,
                         .oh = d->in.h,
                         .ow = d->in.w,
                         .kh = x->kh,
                         .kw = x->kw,
                         .stride = 1,
                         .top = x->kh - 1 - x->top,
                         .left = x->kw - 1 - x->left};
}

/** Place of a position, and which of its columns are inside the map. */
typedef struct place {
  int64_t image; /**< offset of its image in elements */
  int y, x;      /**< of its first pixel; may be outside */
  int in, out;   /**< columns [in, out) of the window are inside */
} place;

static place locate(const es_blas_window *g, int64_t position) {
  const int64_t per_image = (int64_t) g->oh * g->ow;
  const int64_t n = position / per_image;
  const int inner = (int) (position - n * per_image);
  place p;
  p.image = n * g->h * g->w * g->c;
  p.y = inner / g->ow * g->stride - g->top;
  p.x = inner % g->ow * g->stride - g->left;
  p.in = p.x < 0 ? -p.x : 0;
  if (p.in > g->kw) p.in = g->kw;
  p.out = g->w - p.x < g->kw ? g->w - p.x : g->kw;
  if (p.out < p.in) p.out = p.in;
  return p;
}

/** Offset of the first inside pixel of row i of the window, or -1 if it has none. */
static int64_t run_start(const es_blas_window *g, const place *p, int i) {
  const int y = p->y + i;
  if (y < 0 || y >= g->h || p->in == p->out) return -1;
  return p->image + ((int64_t) y * g->w + p->x + p->in) * g->c;
}

void es_blas_gather(const es_blas_window *g, size_t size, int threads, const void *x,
                    es_blas_span at, void *col) {
  (void) threads; /* without OpenMP */
  const size_t pixel = (size_t) g->c * size, run = (size_t) g->kw * pixel;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int r = 0; r < at.count; r++) {
    const place p = locate(g, at.first + r);
    const size_t before = (size_t) p.in * pixel;
    const size_t inside = (size_t) (p.out - p.in) * pixel;
    const size_t after = (size_t) (g->kw - p.out) * pixel;
    for (int i = 0; i < g->kh; i++) {
      char *to = (char *) col + ((size_t) r * (size_t) g->kh + (size_t) i) * run;
      const int64_t start = run_start(g, &p, i);
      if (start < 0) {
        memset(to, 0, run);
        continue;
      }
      if (before > 0) memset(to, 0, before);
      memcpy(to + before, (const char *) x + (size_t) start * size, inside);
      if (after > 0) memset(to + before + inside, 0, after);
    }
  }
}

/** to[n] += from[n] */
static void add_run(int64_t n, const float *from, float *to) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* Neighbouring positions share pixels: one thread, in a fixed order. */
void es_blas_scatter(const es_blas_window *g, const float *col, es_blas_span at,
                     float *x) {
  const int64_t run = (int64_t) g->kw * g->c;
  for (int r = 0; r < at.count; r++) {
    const place p = locate(g, at.first + r);
    for (int i = 0; i < g->kh; i++) {
      const int64_t start = run_start(g, &p, i);
      if (start < 0) continue;
      const float *from = col + (r * (int64_t) g->kh + i) * run + (int64_t) p.in * g->c;
      add_run((int64_t) (p.out - p.in) * g->c, from, x + start);
    }
  }
}
