/* SPDX-License-Identifier: BSD-3-Clause */
/** @file symmetric_product.c  See symmetric_product.h. An element a_ij below the
 *  diagonal adds a_ij x_j to row i of the result and a_ij x_i to row j, where x_i,
 *  element i of all vectors, is a register. Those of ROWS rows, and their results, stay
 *  in the second-level cache while the columns of A beside them go by, STRIP at a time.
 *  Each thread takes some blocks of columns and has results of its own. */
#include "symmetric_product.h"

#include <string.h>
#include "eigenstep/mem.h"

enum {
#ifdef __AVX512F__
  LANES = 8, /* numbers of a register */
#else
  LANES = 4,
#endif
  STRIP = LANES, /* columns, two registers each */
  ROWS = 1024,
  MOST = (ES_SYMMETRIC_MOST + LANES - 1) / LANES /* panels */
};

typedef double vec __attribute__((vector_size(LANES * sizeof(double))));

/* b vectors at once: whole, [b][n], those of the caller and a thread's results; and x_i
   and results of `count` rows from local row `first`. */
typedef struct es_symmetric_panel {
  const es_dmat *a;
  int b, first, count;
  const double *from;
  double *to;
  vec x[ROWS], y[ROWS];
} panel;

/* The same of `count` columns from local column `first`. */
typedef struct strip {
  int first, count;
  const double *a;   /* its first row is that of the panel */
  size_t lda, ahead; /* from what is read to what will be */
  vec x[STRIP], y[STRIP];
} strip;

/* Rows [from, to) of the panel with `columns` columns from j of the strip; `below` the
   diagonal: also the results of the columns. */
static inline __attribute__((always_inline)) void
add(strip *s, panel *p, int from, int to, int j, const int columns, const bool below) {
  const double *const a = s->a + (size_t) j * s->lda;
  vec x[STRIP], y[STRIP];
  for (int k = 0; k < columns; k++) {
    x[k] = s->x[j + k];
    y[k] = s->y[j + k];
  }
  for (int i = from; i < to; i++) {
    const vec row = p->x[i];
    vec sum = p->y[i];
    for (int k = 0; k < columns; k++) {
      const double *const element = a + (size_t) k * s->lda + i;
      if (i % 8 == 0) __builtin_prefetch(element + s->ahead, 0, 2);
      sum += *element * x[k];
      if (below) y[k] += *element * row;
    }
    p->y[i] = sum;
  }
  for (int k = 0; k < columns; k++) s->y[j + k] = y[k];
}

/* Rows of the panel from `from`; those before `below` are of the diagonal's block, which
   is whole. */
static void add_strip(strip *s, panel *p, int from, int below) {
  if (s->count == STRIP) {
    add(s, p, from, below, 0, STRIP, false);
    add(s, p, below, p->count, 0, STRIP, true);
    return;
  }
  for (int j = 0; j < s->count; j++) {
    add(s, p, from, below, j, 1, false);
    add(s, p, below, p->count, j, 1, true);
  }
}

/* x_i of row i. */
static void load(const panel *p, int i, vec *x) {
  const double *const at = p->from + i;
  *x = (vec){0};
  for (int c = 0; c < p->b; c++) (*x)[c] = at[(size_t) c * (size_t) p->a->n];
}

static void store(const panel *p, int i, const vec *y) {
  double *const at = p->to + i;
  for (int c = 0; c < p->b; c++) at[(size_t) c * (size_t) p->a->n] += (*y)[c];
}

/* Local rows before a block, of those of the panel. */
static int rows_before(const panel *p, int block) {
  const es_grid *g = p->a->grid;
  const int blocks = block > g->row ? (block - g->row + g->rows - 1) / g->rows : 0;
  const int rows = blocks * p->a->mb - p->first;
  return rows < 0 ? 0 : rows < p->count ? rows : p->count;
}

/* Columns [first, end), of one block. */
static void add_block(panel *p, int first, int end) {
  const es_dmat *const a = p->a;
  const int block = es_dmat_col(a, first) / a->nb;
  const int from = rows_before(p, block), below = rows_before(p, block + 1);
  strip s = {.first = first, .lda = (size_t) a->lld};
  for (; from < p->count && s.first < end; s.first += s.count) {
    const int col = es_dmat_col(a, s.first);
    s.count = end - s.first < STRIP ? end - s.first : STRIP;
    s.a = a->a + (size_t) s.first * s.lda + p->first;
    s.ahead = s.first + 2 * STRIP <= a->ln ? STRIP * s.lda : 0;
    for (int j = 0; j < s.count; j++) {
      load(p, col + j, &s.x[j]);
      s.y[j] = (vec){0};
    }
    add_strip(&s, p, from, below);
    for (int j = 0; j < s.count; j++) store(p, col + j, &s.y[j]);
  }
}

/* Every `step`-th block of columns from block `start`, beside the rows of some panels. */
static void add_rows(panel *p, int panels, int start, int step) {
  const es_dmat *const a = p->a;
  for (int k = 0; k < panels; k++)
    for (int i = 0; i < p[k].count; i++) {
      load(&p[k], es_dmat_row(a, p[k].first + i), &p[k].x[i]);
      p[k].y[i] = (vec){0};
    }
  for (int64_t j = (int64_t) start * a->nb; j < a->ln; j += (int64_t) step * a->nb) {
    const int first = (int) j, end = a->ln - first < a->nb ? a->ln : first + a->nb;
    for (int k = 0; k < panels; k++) add_block(&p[k], first, end);
  }
  for (int k = 0; k < panels; k++)
    for (int i = 0; i < p[k].count; i++)
      store(&p[k], es_dmat_row(a, p[k].first + i), &p[k].y[i]);
}

/* y [b][n]: what a thread adds. */
static void multiply(const es_symmetric *s, int thread, int b, const double *x,
                     double *y) {
  const es_dmat *const a = s->a;
  const size_t n = (size_t) a->n;
  panel *const p = s->panel + thread * MOST;
  int panels = 0;
  memset(y, 0, sizeof *y * n * (size_t) b);
  for (int first = 0; first < a->lm; first += ROWS) {
    panels = 0;
    for (int c = 0; c < b; c += LANES) {
      panel *const q = &p[panels++];
      q->a = a;
      q->b = b - c < LANES ? b - c : LANES;
      q->first = first;
      q->count = a->lm - first < ROWS ? a->lm - first : ROWS;
      q->from = x + (size_t) c * n;
      q->to = y + (size_t) c * n;
    }
    add_rows(p, panels, thread, s->threads);
  }
}

es_status es_symmetric_open(const es_dmat *a, int threads, es_symmetric *s) {
  s->a = a;
  s->threads = threads;
  ES_TRY(ES_NEW((size_t) s->threads * MOST, &s->panel));
  return ES_NEW((size_t) s->threads * ES_SYMMETRIC_MOST * (size_t) a->n, &s->y);
}

void es_symmetric_close(es_symmetric *s) {
  es_free(&s->y);
  es_free(&s->panel);
}

void es_symmetric_product(const es_symmetric *s, int b, double *x) {
  const size_t size = ES_SYMMETRIC_MOST * (size_t) s->a->n,
               used = (size_t) b * (size_t) s->a->n;
#pragma omp parallel for num_threads(s->threads) schedule(static, 1)
  for (int t = 0; t < s->threads; t++) multiply(s, t, b, x, s->y + (size_t) t * size);
#pragma omp parallel for num_threads(s->threads) schedule(static)
  for (size_t i = 0; i < used; i++) {
    double sum = s->y[i];
    for (int t = 1; t < s->threads; t++) sum += s->y[(size_t) t * size + i];
    x[i] = sum;
  }
}
