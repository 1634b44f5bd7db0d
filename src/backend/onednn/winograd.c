/* SPDX-License-Identifier: BSD-3-Clause */
/** @file winograd.c  Transforms of tiles: see winograd.h.
 *
 *  One body for all: the sizes of a transform are constants of its caller, so that the
 *  loops over a tile vanish and zeros of the matrices cost nothing; a vector holds
 *  channels. */
#include "winograd.h"

#include "onednn_type.h"

enum { MOST = 6, TAPS = 3, ALL = TAPS * TAPS, LINE = 64 };

/** What is multiplied from both sides. */
typedef enum kind { INPUT, SPREAD, OUTPUT, FILTER, GRADIENT } kind;

/* Interpolated at 0, 1, -1 and infinity; with a third 0, 1, -1, -2; with a fourth 0,
 * +-2/3, +-3/2, where rounding is half of that at 0, +-1, +-2. */
#define P (2.0f / 3)
#define Q (3.0f / 2)
#define N_P (P * 2 * P * (P * P - Q * Q)) /* product of distances to the other points */
#define N_Q (Q * 2 * Q * (Q * Q - P * P))

/** B' by m - 2. */
static const float input[3][MOST][MOST] = {
    {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}},
    {{-2, -1, 2, 1, 0},
     {0, 2, 3, 1, 0},
     {0, -2, 1, 1, 0},
     {0, -1, 0, 1, 0},
     {0, -2, -1, 2, 1}},
    {{1, 0, -(P *P + Q * Q), 0, 1, 0},
     {0, -Q, -Q *Q, P, 1, 0},
     {0, Q, -Q *Q, -P, 1, 0},
     {0, -P, -P *P, Q, 1, 0},
     {0, P, -P *P, -Q, 1, 0},
     {0, 1, 0, -(P *P + Q * Q), 0, 1}}};
/** A' */
static const float output[3][MOST - 2][MOST] = {
    {{1, 1, 1, 0}, {0, 1, -1, 1}},
    {{1, 1, 1, 1, 0}, {0, 1, -1, -2, 0}, {0, 1, 1, 4, 1}},
    {{1, 1, 1, 1, 1, 0},
     {0, P, -P, Q, -Q, 0},
     {0, P *P, P *P, Q *Q, Q *Q, 0},
     {0, P *P *P, -P *P *P, Q *Q *Q, -Q *Q *Q, 1}}};
/** G */
static const float filter[3][MOST][TAPS] = {
    {{1, 0, 0}, {.5f, .5f, .5f}, {.5f, -.5f, .5f}, {0, 0, 1}},
    {{-.5f, 0, 0},
     {1.0f / 6, 1.0f / 6, 1.0f / 6},
     {.5f, -.5f, .5f},
     {-1.0f / 6, 1.0f / 3, -2.0f / 3},
     {0, 0, 1}},
    {{1, 0, 0},
     {1 / N_P, P / N_P, P *P / N_P},
     {1 / N_P, -P / N_P, P *P / N_P},
     {1 / N_Q, Q / N_Q, Q *Q / N_Q},
     {1 / N_Q, -Q / N_Q, Q *Q / N_Q},
     {0, 0, 1}}};

ES_BODY float entry(const kind k, const int m, const int i, const int j) {
  switch (k) {
  case INPUT:
    return input[m - 2][i][j];
  case SPREAD:
    return output[m - 2][j][i];
  case OUTPUT:
    return output[m - 2][i][j];
  case FILTER:
    return filter[m - 2][i][j];
  default:
    return filter[m - 2][j][i];
  }
}

/** Sizes before and after. */
ES_BODY int size_of(const kind k, const int m, const bool after) {
  switch (k) {
  case INPUT:
    return m + 2;
  case SPREAD:
    return after ? m + 2 : m;
  case OUTPUT:
    return after ? m : m + 2;
  case FILTER:
    return after ? m + 2 : TAPS;
  default:
    return after ? TAPS : m + 2;
  }
}

/** Element i of the product of the matrix and a line of a tile. */
ES_BODY es_vec dot(const kind k, const int m, const int i, const es_vec *line,
                   const int step) {
  const int n = size_of(k, m, false);
  es_vec sum = {0};
  bool begun = false;
#pragma GCC unroll 6
  for (int j = 0; j < n; j++) {
    const float f = entry(k, m, i, j);
    if (f == 0) continue;
    sum = begun ? sum + f * line[j * step] : f * line[j * step];
    begun = true;
  }
  return sum;
}

/** to [after, after] = matrix from [before, before] matrix' */
ES_BODY void transform(const kind k, const int m, const es_vec *from, es_vec *to) {
  const int before = size_of(k, m, false), after = size_of(k, m, true);
  es_vec half[MOST * MOST];
#pragma GCC unroll 6
  for (int j = 0; j < before; j++)
#pragma GCC unroll 6
    for (int i = 0; i < after; i++) half[i * before + j] = dot(k, m, i, from + j, before);
#pragma GCC unroll 6
  for (int i = 0; i < after; i++)
#pragma GCC unroll 6
    for (int j = 0; j < after; j++)
      to[i * after + j] = dot(k, m, j, half + i * before, 1);
}

/** A tile's pixels and points. */
typedef struct tile {
  int64_t at[MOST * MOST]; /**< channel 0 of the pixels; -1 outside of the map */
  void *map, *points;
  int64_t step; /**< from point to point */
} tile;

/** Tile `number` of size x size pixels. */
static void locate(const es_winograd *g, int64_t number, int size, int pad, tile *t) {
  const int64_t row = number / g->cols, image = row / g->rows;
  const int top = (int) (row - image * g->rows) * g->m - pad;
  const int left = (int) (number - row * g->cols) * g->m - pad;
  const int64_t first = ((image * g->h + top) * g->w + left) * g->channels;
  for (int i = 0; i < size; i++) {
    const bool in_map = top + i >= 0 && top + i < g->h;
    for (int j = 0; j < size; j++) {
      const bool in = in_map && left + j >= 0 && left + j < g->w;
      t->at[i * size + j] = in ? first + (int64_t) (i * g->w + j) * g->channels : -1;
    }
  }
}

/** Channels [c, c + n). */
ES_BODY void points_of(const kind k, const int m, const bool bf16, const tile *t,
                       int64_t c, const int n) {
  const int before = size_of(k, m, false), after = size_of(k, m, true);
  es_vec from[MOST * MOST], to[MOST * MOST];
#pragma GCC unroll 36
  for (int i = 0; i < before * before; i++) {
    from[i] = (es_vec){0};
    if (t->at[i] >= 0) from[i] = es_get(bf16, t->map, t->at[i] + c, n);
  }
  transform(k, m, from, to);
#pragma GCC unroll 36
  for (int i = 0; i < after * after; i++)
    es_put(bf16, t->points, i * t->step + c, to[i], n);
}

ES_BODY void tile_points(const kind k, const int m, const bool bf16, const es_winograd *g,
                         int64_t number, tile *t) {
  locate(g, number, size_of(k, m, false), k == INPUT ? g->pad : 0, t);
  ES_BY_VECTORS(0, g->channels, points_of(k, m, bf16, t, c, N));
}

/** Call with constants: positions in a tile's row, M, and whether in bf16, T. */
#define BY_TILE(g, call)                                                                 \
  do {                                                                                   \
    if ((g)->m == 2) {                                                                   \
      enum { M = 2, T = true };                                                          \
      call;                                                                              \
    } else if ((g)->m == 3) {                                                            \
      enum { M = 3, T = false };                                                         \
      call;                                                                              \
    } else {                                                                             \
      enum { M = 4, T = false };                                                         \
      call;                                                                              \
    }                                                                                    \
  } while (0)

int64_t es_winograd_step(const es_winograd *g, int64_t rows, bool bf16) {
  const int64_t a_line = LINE / (bf16 ? 2 : 4);
  return ((rows * g->channels + a_line - 1) / a_line | 1) * a_line;
}

static void no_tile(const es_winograd *g, const tile *t) {
  const bool bf16 = es_winograd_bf16(g);
  for (int i = 0; i < es_winograd_points(g->m); i++)
    memset(es_to(bf16, t->points, i * t->step), 0, (size_t) g->channels * (bf16 ? 2 : 4));
}

/** Tile i of a part. */
ES_BODY void part_points(const kind k, const es_winograd *g, const es_winograd_part *p,
                         int64_t i, tile t) {
  t.points = es_to(es_winograd_bf16(g), t.points, i * g->channels);
  if (p->first + i < p->end)
    BY_TILE(g, tile_points(k, M, T, g, p->first + i, &t));
  else
    no_tile(g, &t);
}

void es_winograd_input(const es_winograd *g, const es_winograd_part *p, void *x,
                       void *points) {
  const tile t = {.map = x,
                  .points = points,
                  .step = es_winograd_step(g, p->count, es_winograd_bf16(g))};
  for (int64_t i = 0; i < p->count; i++) part_points(INPUT, g, p, i, t);
}

void es_winograd_spread(const es_winograd *g, const es_winograd_part *p, void *dy,
                        void *points) {
  const tile t = {.map = dy,
                  .points = points,
                  .step = es_winograd_step(g, p->count, es_winograd_bf16(g))};
  for (int64_t i = 0; i < p->count; i++) part_points(SPREAD, g, p, i, t);
}

/** Channels [c, c + n). */
ES_BODY void sums_to(const int m, const bool bf16, const bool add, const tile *t,
                     int64_t c, const int n) {
  const int size = m + 2;
  es_vec from[MOST * MOST], to[MOST * MOST];
#pragma GCC unroll 36
  for (int i = 0; i < size * size; i++)
    from[i] = es_get(false, t->points, i * t->step + c, n);
  transform(OUTPUT, m, from, to);
#pragma GCC unroll 16
  for (int i = 0; i < m * m; i++) {
    if (t->at[i] < 0) continue;
    if (add) to[i] += es_get(bf16, t->map, t->at[i] + c, n);
    es_put(bf16, t->map, t->at[i] + c, to[i], n);
  }
}

ES_BODY void tile_sums(const int m, const bool bf16, bool add, const es_winograd *g,
                       int64_t number, tile *t) {
  locate(g, number, m, 0, t);
  if (add)
    ES_BY_VECTORS(0, g->channels, sums_to(m, bf16, true, t, c, N));
  else
    ES_BY_VECTORS(0, g->channels, sums_to(m, bf16, false, t, c, N));
}

void es_winograd_output(const es_winograd *g, const es_winograd_part *p, bool add,
                        float *points, void *y) {
  const int64_t step = es_winograd_step(g, p->count, false);
  const int64_t left = p->end - p->first, count = left < p->count ? left : p->count;
  for (int64_t i = 0; i < count; i++) {
    tile t = {.map = y, .points = points + i * g->channels, .step = step};
    BY_TILE(g, tile_sums(M, T, add, g, p->first + i, &t));
  }
}

/** Channels [c, c + n) of a filter. */
ES_BODY void filter_points(const int m, bool turned, const float *w, const tile *t,
                           int64_t c, const int n) {
  float tap[ALL][ES_LANES] = {{0}};
  es_vec from[MOST * MOST], to[MOST * MOST];
  for (int i = 0; i < n; i++)
    for (int a = 0; a < ALL; a++) tap[turned ? ALL - 1 - a : a][i] = w[(c + i) * ALL + a];
#pragma GCC unroll 9
  for (int a = 0; a < ALL; a++) from[a] = es_get(false, tap[a], 0, ES_LANES);
  transform(FILTER, m, from, to);
#pragma GCC unroll 36
  for (int i = 0; i < (m + 2) * (m + 2); i++)
    es_put(false, t->points, i * t->step + c, to[i], n);
}

ES_BODY void row_points(const int m, const es_winograd *g, bool turned, const float *w,
                        const tile *t) {
  ES_BY_VECTORS(0, g->channels, filter_points(m, turned, w, t, c, N));
}

void es_winograd_filter(const es_winograd *g, int64_t rows, bool turned,
                        const float *weights, float *points) {
  const int64_t step = es_winograd_step(g, rows, false);
  for (int64_t o = 0; o < rows; o++) {
    const tile t = {.points = points + o * g->channels, .step = step};
    BY_TILE(g, row_points(M, g, turned, weights + o * g->channels * ALL, &t));
  }
}

/** Sums of a filter: `copies` of them, that are added. */
typedef struct sums {
  const float *first;
  int64_t step, copy; /**< from point to point, from one to the next */
  int copies;
} sums;

/** Channels [c, c + n) of a filter. */
ES_BODY void filter_gradient(const int m, bool add, const sums *s, float *dw, int64_t c,
                             const int n) {
  float tap[ALL][ES_LANES];
  es_vec from[MOST * MOST], to[MOST * MOST];
#pragma GCC unroll 36
  for (int i = 0; i < (m + 2) * (m + 2); i++) {
    from[i] = es_get(false, s->first, i * s->step + c, n);
    for (int j = 1; j < s->copies; j++)
      from[i] += es_get(false, s->first, j * s->copy + i * s->step + c, n);
  }
  transform(GRADIENT, m, from, to);
#pragma GCC unroll 9
  for (int a = 0; a < ALL; a++) es_put(false, tap[a], 0, to[a], ES_LANES);
  for (int i = 0; i < n; i++)
    for (int a = 0; a < ALL; a++) {
      float *const sum = dw + (c + i) * ALL + a;
      *sum = add ? *sum + tap[a][i] : tap[a][i];
    }
}

ES_BODY void row_gradient(const int m, const es_winograd *g, bool add, const sums *s,
                          float *dw) {
  ES_BY_VECTORS(0, g->channels, filter_gradient(m, add, s, dw, c, N));
}

void es_winograd_gradient(const es_winograd *g, int64_t rows, int copies,
                          const float *points, bool add, float *dw) {
  const int64_t step = es_winograd_step(g, rows, false);
#pragma omp parallel for num_threads(g->threads) schedule(static)
  for (int64_t o = 0; o < rows; o++) {
    const sums s = {.first = points + o * g->channels,
                    .step = step,
                    .copy = es_winograd_points(g->m) * step,
                    .copies = copies};
    BY_TILE(g, row_gradient(M, g, add, &s, dw + o * g->channels * ALL));
  }
}
