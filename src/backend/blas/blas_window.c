/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_window.c  The pixels under a sliding window, as rows of a matrix, and back
 *  ("im2col", Chellapilla, Puri, Simard 2006). With channels last a row of the window is
 *  one contiguous run of kw c floats, so both directions are plain copies and sums. */
#include <string.h>
#include "blas.h"

/** Where a position lies, and which of its columns are inside the map. */
typedef struct place {
  int64_t image; /**< offset of its image in floats */
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

void es_blas_gather(const es_blas_window *g, int threads, const float *x, int64_t first,
                    int count, float *col) {
  (void) threads; /* without OpenMP */
  const int64_t run = (int64_t) g->kw * g->c;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int r = 0; r < count; r++) {
    const place p = locate(g, first + r);
    const size_t before = (size_t) p.in * (size_t) g->c;
    const size_t inside = (size_t) (p.out - p.in) * (size_t) g->c;
    const size_t after = (size_t) (g->kw - p.out) * (size_t) g->c;
    for (int i = 0; i < g->kh; i++) {
      float *to = col + (r * (int64_t) g->kh + i) * run;
      const int64_t start = run_start(g, &p, i);
      if (start < 0) {
        memset(to, 0, (size_t) run * sizeof *to);
        continue;
      }
      if (before > 0) memset(to, 0, before * sizeof *to);
      memcpy(to + before, x + start, inside * sizeof *to);
      if (after > 0) memset(to + before + inside, 0, after * sizeof *to);
    }
  }
}

/** to[n] += from[n] */
static void add_run(int64_t n, const float *from, float *to) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* Neighbouring positions share pixels: one thread, in a fixed order. */
void es_blas_scatter(const es_blas_window *g, const float *col, int64_t first, int count,
                     float *x) {
  const int64_t run = (int64_t) g->kw * g->c;
  for (int r = 0; r < count; r++) {
    const place p = locate(g, first + r);
    for (int i = 0; i < g->kh; i++) {
      const int64_t start = run_start(g, &p, i);
      if (start < 0) continue;
      const float *from = col + (r * (int64_t) g->kh + i) * run + (int64_t) p.in * g->c;
      add_run((int64_t) (p.out - p.in) * g->c, from, x + start);
    }
  }
}
